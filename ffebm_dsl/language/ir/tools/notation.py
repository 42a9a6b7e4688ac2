"""Resolved values, calls and chains, written as a spec would write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from ffebm_dsl.language.ir.check.check_feedback import asymmetric, layer_weights, scaled
from ffebm_dsl.language.ir.model import BlockIR, CallIR, CouplingIR, DriveIR, LossIR, ModelIR, Value
from ffebm_dsl.language.ir.resolve.bind import changed
from ffebm_dsl.language.ir.resolve.scope import show
from ffebm_dsl.language.registry import (
    CONNECTIONS,
    HARDWARE,
    LOSSES,
    OPS,
    TABLES,
    Construct,
    Kind,
    Parameter,
)


def written(value: Value, parameter: Parameter | None = None) -> str:
    """``true``, ``0.2``, ``[1, 2]``, ``hflip(p=0.5)``.

    With the ``parameter`` that has this value, as a text gives it: strings in quotes, and of
    a call only the arguments that differ from their default.
    """
    if isinstance(value, tuple):
        return f"[{', '.join(written(entry, parameter) for entry in value)}]"
    if isinstance(value, CallIR):
        if parameter is None:
            return written_in_full(value)
        return f"{value.name}({', '.join(_stated(value, parameter.table))})"
    if parameter is not None and parameter.kind is Kind.STRING:
        return f'"{value}"'
    return show(value)


def written_in_full(call: CallIR) -> str:
    """``ep(beta=0.2, estimator=centered, nudge=cotangent)``: every argument by name."""
    return _call(call.name, [f"{key}={written(value)}" for key, value in call.arguments.items()])


def written_briefly(
    call: CallIR, table: str, *, inferred: str = "", also: Collection[str] = ()
) -> str:
    """``conv2d(32, kernel=3)``: without the arguments that have their default.

    ``table`` is the registry table of the call. ``inferred`` names an argument that a spec
    does not give here; arguments in ``also`` are written even if they have their default.
    """
    return _call(call.name, _stated(call, table, inferred, also))


def written_loss(model: ModelIR, names: Mapping[str, str]) -> str:
    """``cross_entropy(logits, y) + 0.3 * cross_entropy(aux, y, label_smoothing=0.1)``.

    ``names`` are those of the readouts, by the ones that they have in ``model``.
    """
    return " + ".join(
        ("" if term.weight == 1 else f"{show(term.weight)} * ")
        + written_term(term, names.get(term.readout, term.readout), model.target.name)
        for term in model.losses
    )


def written_term(term: LossIR, *ends: str) -> str:
    """``cross_entropy(logits, y)``: a term of the loss without its weight; ``ends`` are its own."""
    loss = LOSSES.get(term.call.name)
    if loss is None:  # in an IR made by hand: the compiler says so of its text
        return _call(term.call.name, ends)
    stated = changed(replace(loss, parameters=loss.settings), term.call.arguments)
    arguments = (f"{key}={written(value, loss.parameter(key))}" for key, value in stated.items())
    return _call(loss.name, [*ends, *arguments])


def feedforward_chain(ops: Sequence[CallIR]) -> str:
    """``conv2d(32, kernel=3) |> max_pool2d(2)``."""
    return " |> ".join(written_briefly(op, "ops") for op in ops)


def coupling_chain(ops: Sequence[CallIR]) -> str:
    """``conv2d(kernel=3) |> max_pool2d(2)``: the target gives the size of the last weight."""
    counted = [OPS[op.name].counted if op.name in OPS else "" for op in ops]
    last = max((i for i, name in enumerate(counted) if name), default=-1)
    return " |> ".join(
        written_briefly(op, "ops", inferred=counted[i] if i == last else "")
        for i, op in enumerate(ops)
    )


def connection(part: CouplingIR | DriveIR, source: str = "") -> str:
    """``s1 <-> s2 : linear { nonnegative = true }``, or ``u -> s1``.

    ``source`` is what a text calls the port of a drive.
    """
    if isinstance(part, CouplingIR):
        ends, kind = f"{part.source} <-> {part.target}", "coupling"
    else:
        ends, kind = f"{source or part.source} -> {part.layer}", "drive"
    ops = f" : {coupling_chain(part.ops)}" if part.ops else ""
    return ends + ops + options(kind, part.settings)


def options(connection: str, settings: Mapping[str, Value]) -> str:
    """`` { nonnegative = true }``: the settings of a connection that are not as by default."""
    construct = CONNECTIONS[connection]
    stated = "  ".join(assignments(construct, changed(construct, settings)))
    return f" {{ {stated} }}" if stated else ""


def device_in_words(device: CallIR) -> str:
    """The keys of a hardware section that are not as by default: ``noise = [read(0.01)], ...``."""
    return ", ".join(assignments(HARDWARE, changed(HARDWARE, device.arguments))) or "as ideal"


def assignments(construct: Construct, values: Mapping[str, Value]) -> list[str]:
    """``sweeps = 20``, ``order = forward``, ...: arguments of a construct as settings."""
    return [
        f"{name} = {written(value, construct.parameter(name))}" for name, value in values.items()
    ]


def _stated(call: CallIR, table: str, inferred: str = "", also: Collection[str] = ()) -> list[str]:
    """The arguments as a text gives them: a required one at the head goes without its name."""
    construct = TABLES[table].get(call.name)
    if construct is None:  # in an IR made by hand: the compiler says so of the name alone
        return []
    stated = []
    given = {*changed(construct, call.arguments), *also}
    for parameter in construct.parameters:
        name = parameter.name
        if name not in given or name not in call.arguments:
            continue
        text = written(call.arguments[name], parameter)
        bare = parameter.required and name == construct.names[0]
        if name != inferred:
            stated.append(text if bare else f"{name}={text}")
    return stated


def energy_in_words(block: BlockIR) -> list[str]:
    """Which energy the feedback of a block's couplings leaves; no lines where it is not set."""
    own = asymmetric(block.couplings)
    if own:
        which = ", ".join(f"{c.source} <-> {c.target}" for c in own)
        return [f"no energy: {which} with a way back of its own; the gradient needs aep"]
    weights = layer_weights(block)
    if weights is None or not scaled(block.couplings):
        return []
    stated = ", ".join(f"{name} {weight:.6g}" for name, weight in weights.items())
    end = "; as feedback goes to 0, a feedforward net, and EP is backpropagation"
    if min(weights.values()) < 0:
        end = "; at rest E is stationary, not at a minimum"
    return [
        "E = sum over layers w [G(s) - <drives, s>] - sum over couplings a <-> b w_b <A(a), b>",
        f"w: {stated}{end}",
    ]


def _call(name: str, arguments: Sequence[str]) -> str:
    return f"{name}({', '.join(arguments)})" if arguments else name
