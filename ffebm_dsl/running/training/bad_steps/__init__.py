"""Steps whose numbers go wrong: found, named, undone, and answered as the spec says."""

from ffebm_dsl.running.training.bad_steps.backup import Backup
from ffebm_dsl.running.training.bad_steps.guard import Guard
from ffebm_dsl.running.training.bad_steps.locate import locate
from ffebm_dsl.running.training.bad_steps.trouble import Attempt, Batch, Trouble, Verdict

__all__ = ["Attempt", "Backup", "Batch", "Guard", "Trouble", "Verdict", "locate"]
