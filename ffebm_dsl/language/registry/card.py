"""The documentation of a construct as text: its signature, its meaning, its facts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ffebm_dsl.language.registry.construct import Construct, EstimatorConstruct, OpConstruct
from ffebm_dsl.language.registry.packages import find_package, release
from ffebm_dsl.language.registry.parameters import Kind, Parameter, SameAs, describe_default
from ffebm_dsl.language.registry.shapes import Fit, OpIR, show_shape
from ffebm_dsl.language.registry.tables import OWN, PROCESS, Table

_SHAPES = ((6, 32, 32), (60,), (6, 32))
"""Inputs that counts are shown for; the first one that the op takes."""

_SAMPLES: dict[Kind, str] = {
    Kind.INT: "3",
    Kind.PAIR: "3",
    Kind.REAL: "0.1",
    Kind.REALS: "[3, 6]",
    Kind.STRING: '"folder/file"',
    Kind.PART: "b1",
}
"""A value for a required parameter of an example; a test compiles every example."""

_VALUES: dict[Kind, int | str] = {Kind.INT: 3, Kind.PAIR: 3, Kind.PORT: "x"}
"""The same as values, where they are not 0.1."""

_SWEEPS = 20


def card(construct: Construct, table: Table[Construct]) -> str:
    """All facts of a construct, as Markdown that reads well as plain text."""
    return "\n\n".join(_parts(construct, table))


def _parts(construct: Construct, table: Table[Construct]) -> Iterator[str]:
    yield f"# {construct.name}: {table.noun}"
    yield describe(construct)
    if construct.removed:
        gone = (f"- `{name}` is gone: {remedy}" for name, remedy in construct.removed.items())
        yield "\n".join(gone)
    counts = _counts(construct)
    if counts:
        yield f"Counts: {counts}"
    if isinstance(construct, OpConstruct):
        yield f"In couplings: {'yes' if construct.in_coupling else 'no'}"
    owner = table.owner(construct.name)
    if owner not in (OWN, PROCESS, None) and (package := find_package(owner)):
        use = f"use {owner} >= {release(package.version)}"
        yield f"From the package {owner} {package.version}, for texts that say `{use}`"
    yield f"Example:\n\n```ffe\n{example(construct, table)}\n```"


def describe(construct: Construct) -> str:
    """Signature, meaning, arguments, equation, source and deviations of a construct."""
    lines = [f"```ffe\n{written(construct)}\n```", construct.doc]
    lines.append("\n".join(f"- {describe_parameter(p)}" for p in construct.parameters))
    if construct.equation:
        lines.append(f"Equation: {construct.equation}")
    if construct.source:
        lines.append(f"Source: {construct.source}")
    if construct.deviations:
        lines.append("Deviations:\n\n" + "\n".join(f"- {text}" for text in construct.deviations))
    return "\n\n".join(filter(None, lines))


def written(construct: Construct) -> str:
    """The construct as a text calls it, with its defaults: ``linear(out_features, bias=true)``."""
    arguments = [
        p.name if p.required else f"{p.name}={describe_default(p) or '...'}"
        for p in construct.parameters
    ]
    return f"{construct.name}({', '.join(arguments)})" if arguments else construct.name


def describe_parameter(parameter: Parameter) -> str:
    """An argument or key in one line: name, type, meaning, range, default."""
    number = () if parameter.kind is Kind.CHOICE else (str(parameter.kind),)
    kind = " | ".join((*number, *parameter.choices))
    facts = [f"`{parameter.name}`: {kind}", parameter.doc, str(parameter.bounds)]
    default = describe_default(parameter)
    facts.append("required" if parameter.required else f"default `{default}`" if default else "")
    return "; ".join(fact for fact in facts if fact)


def example(construct: Construct, table: Table[Construct]) -> str:
    """A line of a text with a call of the construct, its required arguments filled in."""
    samples = dict(_SAMPLES)
    if isinstance(construct, OpConstruct):  # the ports of a loss are part of its statement
        samples[Kind.PORT] = "x"
    stated = [
        samples[p.kind] if position == 0 else f"{p.name}={samples[p.kind]}"
        for position, p in enumerate(construct.parameters)
        if p.required and p.kind in samples
    ]
    call = f"{construct.name}({', '.join(stated)})" if stated else construct.name
    return table.statement.format(call)


def _counts(construct: Construct) -> str:
    """The cost of an op or an estimator, with the arguments of its example."""
    if isinstance(construct, EstimatorConstruct):
        back = construct.backward(_arguments(construct), _SWEEPS, _SWEEPS)
        held = f"{back.states} further state{'s' * (back.states != 1)}"
        return f"{back.runs} x {back.name}, {back.sweeps} sweeps each at most; holds {held}"
    if not isinstance(construct, OpConstruct):
        return ""
    op = example_of(construct)
    if op is None:
        return ""
    return (
        f"{show_shape(op.in_shape)} -> {show_shape(op.out_shape)}, "
        f"{construct.count_parameters(op):,} parameters, "
        f"{construct.count_macs(op):,} multiply-accumulates per sample"
    )


def example_of(construct: OpConstruct) -> OpIR | None:
    """The op of the example on an image, a vector or a sequence; None where it takes none."""
    arguments = _arguments(construct)
    for shape in _SHAPES:
        # An example joins its input with itself.
        fit = construct.shape(arguments, shape, *[shape] * construct.joins)
        if isinstance(fit, Fit):
            return OpIR(construct.name, arguments, shape, fit.shape)
    return None


def _arguments(construct: Construct) -> dict[str, Any]:
    """The arguments of the example as values."""
    values: dict[str, Any] = {}
    for parameter in construct.parameters:
        default = parameter.default
        if isinstance(default, SameAs):
            values[parameter.name] = values[default.parameter]
        elif parameter.required:
            values[parameter.name] = _VALUES.get(parameter.kind, 0.1)
        else:
            values[parameter.name] = default
    return values
