"""The sections beside the model: hardware, with every key, and train, with its overrides."""

from __future__ import annotations

from collections.abc import Sequence

from ffebm_dsl.language.diagnostics import Span
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import IDEAL, CallIR
from ffebm_dsl.language.ir.resolve.bind import bind, check_agreement
from ffebm_dsl.language.ir.resolve.overrides import Override, set_argument_of
from ffebm_dsl.language.ir.resolve.ports import declare
from ffebm_dsl.language.ir.resolve.resolved import (
    ResolvedBlock,
    ResolvedDevice,
    ResolvedModel,
    ResolvedTrain,
)
from ffebm_dsl.language.ir.resolve.scope import Scope
from ffebm_dsl.language.registry import ARRAYS, CONVERTERS, HARDWARE, TABLES, TRAIN
from ffebm_dsl.language.syntax import ast

Devices = dict[str, ResolvedDevice]

_INTO_ANALOG = {"drives": True, "cotangents": True, "outputs": False, "updates": False}


def resolve_hardware(sections: list[ast.Hardware], scope: Scope) -> Devices:
    """All hardware sections by name."""
    names: dict[str, Span] = {}
    found: Devices = {}
    for section in sections:
        name = section.name
        if name.text == IDEAL:
            scope.log.report(
                "FFE1003",
                f"`{IDEAL}` is the hardware without any imperfection",
                name.span,
                help="choose another name",
            )
        elif declare(names, name, scope.log):
            found[name.text] = ResolvedDevice(_settings(section, scope), name.span)
    return found


def _settings(section: ast.Hardware, scope: Scope) -> CallIR | None:
    values = bind(HARDWARE, section.settings, section.name.span, scope)
    if values is None:
        return None
    for setting in section.settings:
        key, call = setting.name.text, values[setting.name.text]
        if key not in _INTO_ANALOG or not isinstance(call, CallIR):
            continue
        way = CONVERTERS[call.name].into_analog
        if way is not None and way != _INTO_ANALOG[key]:
            entering = "enter the analog side" if _INTO_ANALOG[key] else "leave the analog side"
            scope.log.report(
                "FFE3021",
                f"`{key}` {entering}, and `{call.name}` converts the other way",
                setting.value.span,
                help="`dac` converts numbers to analog quantities, `adc` these to numbers",
            )
    return CallIR(section.name.text, values)


def check_devices(model: ResolvedModel, devices: Devices, log: Log) -> None:
    """Report energies on hardware that there is not, hardware that no energy is on, idle seeds."""
    used = {IDEAL}
    for block in model.stages:
        if isinstance(block, ResolvedBlock) and block.device is not None:
            used.add(block.device.text)
            if block.device.text not in (*devices, IDEAL):
                _report_unknown(block.device, devices, log.within(block.expansion))
    for name, device in devices.items():
        if device.ir is not None and device.ir.arguments["seed"] and not drawn(device.ir):
            log.report(
                "FFEW021",
                f"`seed` of hardware `{name}` has no effect: all such devices are the same",
                device.span,
                help="leave it out; it is for errors of weights and `update_offset`",
            )
        if name not in used and not log.failed:
            log.report(
                "FFEW021",
                f"no energy is on hardware `{name}`",
                device.span,
                help=f"`ffebm eval --hardware {name}` tests on it; `energy hopfield on {name}` "
                "trains on it",
            )


def drawn(device: CallIR) -> bool:
    """Whether one device differs from the next of its kind."""
    array: CallIR = device.arguments["weights"]
    return ARRAYS[array.name].drawn(array.arguments) or device.arguments["update_offset"] > 0


def _report_unknown(name: ast.Ident, devices: Devices, log: Log) -> None:
    message, help = f"no hardware is called `{name.text}`", f"add `hardware {name.text} {{ ... }}`"
    log.report_unknown("FFE3022", message, name.span, name.text, (*devices, IDEAL), help)


Places = dict[str, Span]


def resolve_train(
    section: ast.Train | None, overrides: Sequence[Override], scope: Scope
) -> ResolvedTrain | None:
    """The train section with all keys; None where there is none, and after a fault."""
    if section is None:
        for override in overrides:
            message = f"`{override.inner}` belongs to a train section, and the spec has none"
            scope.log.report("FFE1019", message, override.place)
        return None
    whole = [
        ast.Setting(o.place, ast.Ident(o.place, o.name), o.value)
        for o in overrides
        if not o.argument
    ]
    head = Span(section.span.start, section.span.start + len("train"))
    values = bind(TRAIN, section.settings, head, scope, overrides=whole)
    places = {s.name.text: s.value.span for s in (*section.settings, *whole)}
    if values is None:
        return None
    calls = {key: value for key, value in values.items() if isinstance(value, CallIR)}
    of_arguments = [o for o in overrides if o.argument]
    for override in of_arguments:
        _override_argument(override, calls, places)
    for name in {o.name for o in of_arguments} & calls.keys():
        signature = TABLES[TRAIN.parameter(name).table][calls[name].name]
        check_agreement(signature, calls[name].arguments, places[name], scope.log)
    numbers = {key: value for key, value in values.items() if not isinstance(value, CallIR)}
    data, optimizer, schedule = (calls[key] for key in ("data", "optimizer", "schedule"))
    return ResolvedTrain(data, optimizer, schedule, calls["on_bad_step"], numbers, places)


def _override_argument(override: Override, calls: dict[str, CallIR], places: Places) -> None:
    """Replace an argument of one of the ``calls``, such as ``optimizer.lr``."""
    name = override.name
    if name not in calls:
        message, help = f"`{name}` has no arguments to set", f"write `{name}=...`"
        override.scope.log.report("FFE1019", message, override.place, help=help)
        return
    call = set_argument_of(calls[name], TRAIN.parameter(name).table, override)
    if call is not None:
        calls[name], places[name] = call, override.value.span
