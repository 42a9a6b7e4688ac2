"""``ffebm cost``: joules and seconds of a network, by published prices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.console import emit, emit_json
from ffebm_dsl.cli.spec import SetOption, load_spec

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.cost import Assumptions, Crossover, PriceList, SpecCost

TASKS = {"inference": "inference, a sample", "step": "a training step"}


def cost(
    specs: Annotated[
        list[Path],
        typer.Argument(
            help="A spec, or several to compare: files as `ffebm convert` writes them too.",
            metavar="SPEC...",
            autocompletion=spec_files,
        ),
    ],
    settings: SetOption = None,
    prices: Annotated[
        str, typer.Option(help="A list of prices: `published`, `isaac`, or a YAML file.")
    ] = "published",
    bits: Annotated[
        int | None,
        typer.Option(min=1, max=24, help="Resolution of converters where the text has ideal ones."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Samples per step. [default: the spec's, or 1]")
    ] = None,
    measured: Annotated[
        bool,
        typer.Option(
            "--measured", help="Count the free sweeps that random samples take at random weights."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Say what a network costs in joules and seconds.

    Beside it is the same network all digital.

    An action without a price is an error. Of several specs the prices are said at which one
    becomes cheaper than another.
    """
    from ffebm_dsl.tools.cost import cost as account
    from ffebm_dsl.tools.cost import crossovers, load_prices

    listed = load_prices(prices)
    found = []
    for path in specs:
        compiled = load_spec(path, settings, allow_large=True)
        assumed = _assumptions(compiled, bits, batch, measured)
        found.append(account(compiled.spec, listed, assumed, compiled.source.name))
    pairs = {task: crossovers(found, task) for task in TASKS}
    if as_json:
        emit_json(to_record(found, listed, pairs))
        return
    for one in found:
        emit("\n".join(page(one)))
    if len(found) > 1:
        emit("\n".join(comparison(found, pairs)))
    emit(f"\nprices: {listed.title} ({listed.name})")
    for source in dict.fromkeys(row.source for row in listed.rows):
        emit(f"  {source}")


def _assumptions(
    compiled: Compiled, bits: int | None, batch: int | None, measured: bool
) -> Assumptions:
    from ffebm_dsl.tools.cost import Assumptions

    train = compiled.spec.train
    own = train.data.arguments.get("batch") if train is not None else None
    return Assumptions(bits, batch or own or 1, _measure(compiled) if measured else {})


def _measure(compiled: Compiled) -> dict[str, float]:
    from ffebm_dsl.tools.benchmarking.sweeps import free_sweeps

    return free_sweeps(compiled.spec)


def page(cost: SpecCost) -> list[str]:
    """The account of one spec as text."""
    from ffebm_dsl.cli.check_tables import table

    lines = [f"{cost.name}, batch {cost.batch}"]
    for task, title in TASKS.items():
        rows = [
            [account.name or "maps", entry.kind, _action(entry), *_numbers(entry)]
            for account in cost.accounts
            for entry in getattr(account, task)
        ]
        digital = getattr(cost, f"digital_{task}")
        for name, entries in (("all", cost.entries(task)), ("all digital", digital)):
            total = [sum(e.joules for e in entries), sum(e.seconds for e in entries)]
            rows.append([name, "", "", "", _short(total[0], "J"), _short(total[1], "s")])
        lines += ["", title, table(["block", "kind", "action", "count", "energy", "time"], rows)]
    return lines


def comparison(costs: Sequence[SpecCost], pairs: dict[str, list[Crossover]]) -> list[str]:
    """Several specs beside one another, and where they cross."""
    from ffebm_dsl.cli.check_tables import table

    lines = ["", "compared"]
    rows = []
    for cost in costs:
        row = [cost.name]
        for task in TASKS:
            entries = cost.entries(task)
            row += [
                _short(sum(e.joules for e in entries), "J"),
                _short(sum(e.seconds for e in entries), "s"),
                f"{cost.conversions(task):,.0f}",
            ]
        rows.append(row)
    head = ["spec", "inference", "time", "conversions", "step", "time", "conversions"]
    lines.append(table(head, rows))
    for task, title in TASKS.items():
        lines.append(f"\n{title}:")
        lines += [f"  {_crossing(pair)}" for pair in pairs[task]]
    return lines


def _crossing(pair: Crossover) -> str:
    if pair.factor is None:
        other = pair.fewer if pair.cheaper == pair.more else pair.more
        return f"{pair.cheaper} is cheaper than {other} whatever a conversion costs"
    return (
        f"{pair.more} is cheaper than {pair.fewer} while a conversion costs less than "
        f"{pair.factor:.3g} times its price"
    )


def _action(entry: Any) -> str:
    return f"{entry.action}, {entry.bits} bits" if entry.bits else str(entry.action)


def _numbers(entry: Any) -> list[str]:
    return [f"{entry.count:,.0f}", _short(entry.joules, "J"), _short(entry.seconds, "s")]


def _short(value: float, unit: str) -> str:
    """Three digits and a prefix: ``35.4 nJ``."""
    if value == 0:
        return f"0 {unit}"
    for exponent, prefix in ((0, ""), (-3, "m"), (-6, "µ"), (-9, "n"), (-12, "p"), (-15, "f")):
        if value >= 0.9995 * 10.0**exponent or exponent == -15:
            return f"{value / 10.0**exponent:.3g} {prefix}{unit}"
    raise AssertionError("the last prefix takes all")


def to_record(
    costs: Sequence[SpecCost], prices: PriceList, pairs: dict[str, list[Crossover]]
) -> dict[str, Any]:
    """Everything as plain values for JSON: joules, seconds, counts."""
    from dataclasses import asdict

    return {
        "prices": {"name": prices.name, "title": prices.title},
        "specs": [_record_of(cost) for cost in costs],
        "crossovers": {task: [asdict(pair) for pair in found] for task, found in pairs.items()},
    }


def _record_of(cost: SpecCost) -> dict[str, Any]:
    from dataclasses import asdict

    def plain(entries: Sequence[Any]) -> list[dict[str, Any]]:
        return [{"kind": e.kind, **asdict(e)} for e in entries]

    def totals(entries: Sequence[Any]) -> dict[str, float]:
        return {
            "joules": sum(e.joules for e in entries),
            "seconds": sum(e.seconds for e in entries),
        }

    return {
        "file": cost.name,
        "batch": cost.batch,
        **{
            task: {
                "hybrid": totals(cost.entries(task)),
                "all_digital": totals(getattr(cost, f"digital_{task}")),
                "conversions": cost.conversions(task),
                "accounts": [
                    {"block": a.name, "entries": plain(getattr(a, task))} for a in cost.accounts
                ],
            }
            for task in TASKS
        },
    }
