"""``ffebm cost``: joules and seconds of a network, by published prices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ffebm_dsl.cli.completion import spec_files
from ffebm_dsl.cli.console import emit, emit_json, table
from ffebm_dsl.cli.numbers import LARGEST
from ffebm_dsl.cli.spec import SetOption, load_spec
from ffebm_dsl.language.diagnostics import InputError

if TYPE_CHECKING:
    from ffebm_dsl.language.ir import Compiled
    from ffebm_dsl.tools.cost.account import Assumptions, SpecCost
    from ffebm_dsl.tools.cost.crossover import Cheapest
    from ffebm_dsl.tools.cost.prices import PriceList

    Least = dict[str, dict[str, list[Cheapest]]]

TASKS = {"inference": "inference, a sample", "step": "a training step"}


def cost(
    specs: Annotated[
        list[Path],
        typer.Argument(
            help="One or more specs: .ffe, or .yaml or .json as `ffebm convert` writes it.",
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
        typer.Option(min=1, max=24, help="Resolution of converters that are ideal in the spec."),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(min=1, max=LARGEST, help="Samples per step. [default: the spec's, or 1]"),
    ] = None,
    settle: Annotated[
        float | None,
        typer.Option(
            metavar="TOLERANCE",
            help="Relative change to which phases converge; their sweeps follow from the "
            "contraction of random samples at random weights. [default: the spec's sweeps]",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Compute what a network costs in joules and seconds.

    An all-digital version of the network is listed for comparison. An action without a price is an
    error. For several specs, the cheapest one is given as a function of the price of a conversion.
    """
    if settle is not None and not 0 < settle < 1:
        raise InputError(f"--settle {settle:g}: not between 0 and 1", help="for example 1e-3")
    from ffebm_dsl.tools.cost.account import cost as account
    from ffebm_dsl.tools.cost.crossover import QUANTITIES, crossovers
    from ffebm_dsl.tools.cost.prices import load_prices

    listed = load_prices(prices)
    found = []
    stems = [path.stem for path in specs]
    for path in specs:
        compiled = load_spec(path, settings, allow_large=True)
        name = path.stem if stems.count(path.stem) == 1 else compiled.source.name
        assumed = _assumptions(compiled, bits, batch, settle)
        found.append(account(compiled.spec, listed, assumed, name))
    least = {task: {q: crossovers(found, task, q) for q in QUANTITIES} for task in TASKS}
    if as_json:
        emit_json(to_record(found, listed, least))
    else:
        _print(found, listed, least)


def _print(found: Sequence[SpecCost], listed: PriceList, least: Least) -> None:
    for one in found:
        emit("\n".join(page(one)))
    if len(found) > 1:
        emit("\n".join(comparison(found, least)))
    emit(f"\nprices: {listed.title} ({listed.name})")
    for source in dict.fromkeys(row.source for row in listed.rows):
        emit(f"  {source}")


def _assumptions(
    compiled: Compiled, bits: int | None, batch: int | None, settle: float | None
) -> Assumptions:
    from ffebm_dsl.tools.cost.account import Assumptions

    train = compiled.spec.train
    own = train.data.arguments.get("batch") if train is not None else None
    sweeps: dict[str, float] = {}
    if settle is not None:
        from ffebm_dsl.tools.benchmarking.contraction import settling

        sweeps = settling(compiled.spec, settle)
    return Assumptions(bits, batch or own or 1, sweeps)


def page(cost: SpecCost) -> list[str]:
    """The account of one spec as text."""
    sweeps = ", ".join(f"{block} {count:.4g}" for block, count in cost.sweeps.items())
    lines = [f"{cost.name}, batch {cost.batch}, sweeps of free phases: {sweeps}"]
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


def comparison(costs: Sequence[SpecCost], least: Least) -> list[str]:
    """Several specs beside one another, and which costs least."""
    lines = ["", "compared"]
    rows = []
    for cost in costs:
        row = [cost.name, str(len(cost.sweeps)), f"{sum(cost.sweeps.values()):.4g}"]
        for task in TASKS:
            entries = cost.entries(task)
            row += [
                _short(sum(e.joules for e in entries), "J"),
                _short(sum(e.seconds for e in entries), "s"),
                f"{cost.conversions(task):,.0f}",
            ]
        rows.append(row)
    head = ["spec", "blocks", "sweeps"]
    lines.append(
        table([*head, *("inference", "time", "conversions", "step"), "time", "conversions"], rows)
    )
    lines += ["", "cheapest, as a conversion comes to cost more"]
    for task, title in TASKS.items():
        for quantity, found in least[task].items():
            of = {"joules": "energy", "seconds": "time"}[quantity]
            lines.append(f"{title}, {of}: {_ranges(found)}")
    return lines


def _ranges(found: Sequence[Cheapest]) -> str:
    """``a up to 3.2 times its price, then b``."""
    parts = [
        one.name if one.until is None else f"{one.name} up to {_factor(one.until)} times its price"
        for one in found
    ]
    return ", then ".join(parts)


def _factor(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


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


def to_record(costs: Sequence[SpecCost], prices: PriceList, least: Least) -> dict[str, Any]:
    """Everything as plain values for JSON: joules, seconds, counts."""
    from dataclasses import asdict

    return {
        "prices": {"name": prices.name, "title": prices.title},
        "specs": [_record_of(cost) for cost in costs],
        "least": {
            task: {quantity: [asdict(one) for one in found] for quantity, found in by.items()}
            for task, by in least.items()
        },
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
        "spec": cost.name,
        "batch": cost.batch,
        "sweeps": dict(cost.sweeps),
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
