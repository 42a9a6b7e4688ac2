"""Training: data, the loop, evaluation, checkpoints and run directories."""

from ffebm_dsl.running.training.distributed import joined
from ffebm_dsl.running.training.evaluate_run import Chosen, evaluate_run, network_of_run
from ffebm_dsl.running.training.evaluation import Evaluation, evaluate
from ffebm_dsl.running.training.job import Options
from ffebm_dsl.running.training.live_log import open_logs, require_logs
from ffebm_dsl.running.training.loop import Controls, train
from ffebm_dsl.running.training.other_device import OtherDevice
from ffebm_dsl.running.training.progress import Progress, progress_on
from ffebm_dsl.running.training.resume import resume
from ffebm_dsl.running.training.session import Session, start
from ffebm_dsl.running.training.signals import StopRequest, stop_on_signals
from ffebm_dsl.running.training.world import World

__all__ = [
    "Chosen",
    "Controls",
    "Evaluation",
    "Options",
    "OtherDevice",
    "Progress",
    "Session",
    "StopRequest",
    "World",
    "evaluate",
    "evaluate_run",
    "joined",
    "network_of_run",
    "open_logs",
    "progress_on",
    "require_logs",
    "resume",
    "start",
    "stop_on_signals",
    "train",
]
