"""Quantities that energies measure at equilibrium, such as the power of a circuit."""

from __future__ import annotations

from collections.abc import Sequence

from ffebm_dsl.tools.report.runs import Run
from ffebm_dsl.tools.report.sections import PageTable, Section, SectionGroup
from ffebm_dsl.tools.report.text import number, printable, short


def quantities(runs: Sequence[Run]) -> list[Section]:
    """A table for every run with such quantities: first and last evaluation."""
    tables = [(run, table) for run in runs if (table := run.table("quantities")) is not None]
    if not tables:
        return []
    groups = []
    for run, table in tables:
        epochs = run.epochs_at(table["step"])
        rows = [
            [short(printable(str(name))), *(number(float(table["mean"][at, k])) for at in (0, -1))]
            for k, name in enumerate(table["quantity"])
        ]
        head = ["quantity", *(f"epoch {number(float(epochs[at]))}" for at in (0, -1))]
        groups.append(
            SectionGroup(run.name, tables=[PageTable(head, rows, numeric=frozenset({1, 2}))])
        )
    return [
        Section(
            "quantities",
            "Physical quantities",
            sentences=(
                "Means over the test set at the free equilibrium, in SI units: the power that "
                "resistors dissipate, and the largest current into a node of a sample that its "
                "diode does not carry, 0 at rest.",
            ),
            groups=groups,
        )
    ]
