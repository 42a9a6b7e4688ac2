"""The section on bad steps: their number, their places, and how each was handled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ffebm_dsl.running.records import RecordTable
from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import PageTable, Section, SectionGroup
from ffebm_dsl.tools.report.text import ABSENT, counted, number, printable, short

MOST_STEPS = 200
"""Maximum number of rows in the table of a run."""

HEAD = ("step", "epoch", "what", "phase", "block", "layer", "sample", "value", "tries", "action")
NUMERIC = frozenset({0, 1, 6, 7, 8})


def bad_steps(runs: Sequence[Run]) -> Section:
    """A table for every run with bad steps, in the order of the steps."""
    anchor, title = "bad-steps", "Bad steps"
    tables = [(run, table) for run in runs if (table := run.table("bad_steps")) is not None]
    if not tables:
        return Section(anchor, title, missing="No record holds a step with invalid numbers.")
    return Section(
        anchor,
        title,
        sentences=(
            "Steps with invalid numbers: what was found first and where, and the action of the "
            "spec's on_bad_step. A skipped step has no effect, a damped one counts.",
            "A sample is named by its place in the training set. The value is the invalid number: "
            "for a state that diverges its root mean square, for exploding weights their growth.",
        ),
        groups=[_of_run(run, table, titled=len(runs) > 1) for run, table in tables],
    )


def _of_run(run: Run, table: RecordTable, titled: bool) -> SectionGroup:
    actions = Counter(printable(str(action)) for action in table["action"])
    told = ", ".join(f"{count} {short(action)}" for action, count in actions.items())
    total = counted(len(run.record["train"]), "step")
    sentences = [f"{len(table)} of {total} went wrong: {told}."]
    if len(table) > MOST_STEPS:
        sentences.append(f"The first {MOST_STEPS} are shown.")
    rows = [_row(table, i) for i in range(min(len(table), MOST_STEPS))]
    return SectionGroup(
        run.name if titled else "",
        sentences,
        tables=[PageTable(HEAD, rows, numeric=NUMERIC)],
    )


def _row(table: RecordTable, i: int) -> list[str]:
    def text(column: str) -> str:
        return printable(str(table[column][i])) or ABSENT

    index = int(table["index"][i])
    return [
        text("step"),
        text("epoch"),
        text("kind"),
        text("phase"),
        text("block"),
        text("layer"),
        str(index) if index >= 0 else ABSENT,
        _value(float(table["value"][i])),
        text("tries"),
        text("action"),
    ]


def _value(value: float) -> str:
    """The bad value; unlike elsewhere, one that is not finite is shown."""
    return number(value) if value - value == 0 else str(value)
