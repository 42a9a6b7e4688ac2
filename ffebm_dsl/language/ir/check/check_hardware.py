"""Checks of devices and noise: combinations that a block cannot have, and idle settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ffebm_dsl.language.ir.check.check_feedback import OWN
from ffebm_dsl.language.ir.check.check_model import read_by_loss
from ffebm_dsl.language.ir.log import Log
from ffebm_dsl.language.ir.model import CallIR, RelaxIR
from ffebm_dsl.language.ir.resolve.resolved import ResolvedBlock, ResolvedChain, ResolvedSpec
from ffebm_dsl.language.registry import (
    ARRAYS,
    CONVERTERS,
    ENERGIES,
    GRADIENTS,
    NOISES,
    OPS,
    SOLVERS,
)


def check_hardware(spec: ResolvedSpec, log: Log) -> None:
    """Report what a block's sweeps or estimator cannot do."""
    if spec.model is None:
        return
    on_devices: dict[str, list[ResolvedBlock]] = {}
    for block in spec.model.blocks:
        inside = log.within(block.expansion)
        device = spec.hardware.get(block.device.text) if block.device else None
        hardware = device.ir.arguments if device and device.ir else {}
        _check_noise(block, hardware.get("noise", ()), inside)
        if hardware and block.device:
            _check_energy(block, hardware, inside)
            _check_phases(block, inside)
            on_devices.setdefault(block.device.text, []).append(block)
    for name, blocks in on_devices.items():
        found = spec.hardware[name].ir
        assert found is not None
        _check_effects(blocks, found.arguments, read_by_loss(spec.model), log)


def _check_noise(block: ResolvedBlock, of_device: Sequence[CallIR], log: Log) -> None:
    for phase, relax in (("free", block.free), ("nudged", block.nudged)):
        accelerated = _accelerated(relax)
        if accelerated and (_noisy(relax.noise) or _noisy(of_device)):
            noise = "noise" if _noisy(relax.noise) else "its device's noise"
            log.report(
                "FFE4009",
                f"`relax {phase}` of block `{block.name}` has {noise} and {accelerated}, which "
                "would mistake the noise for a change of the state",
                block.span,
                help="make plain sweeps, or leave the noise out",
            )
    call = block.gradient
    if _noisy(block.nudged.noise) and call is not None and not GRADIENTS[call.name].nudges:
        log.report(
            "FFE4009",
            f"block `{block.name}` has noise in nudged phases, and `gradient {call.name}` has no "
            "such phases",
            block.span,
            help="write `relax nudged { noise = [] }`, or choose an estimator that nudges",
        )


def _noisy(noises: Sequence[CallIR]) -> bool:
    return any(NOISES[noise.name].make(noise.arguments).deviation > 0 for noise in noises)


def _accelerated(relax: RelaxIR) -> str:
    """The setting by which the phase makes other than plain sweeps; ``""`` if there is none."""
    if relax.over_relaxation > 1:
        return f"`over_relaxation = {relax.over_relaxation:g}`"
    return "" if SOLVERS[relax.solver.name].noisy else f"`solver = {relax.solver.name}`"


def _check_energy(block: ResolvedBlock, hardware: dict[str, Any], log: Log) -> None:
    if block.energy is None or block.device is None:
        return
    array: CallIR = hardware["weights"]
    if ARRAYS[array.name].asymmetric(array.arguments) and ENERGIES[block.energy].feedback is None:
        log.report(
            "FFE3023",
            f"`energy {block.energy}` cannot be on hardware `{block.device.text}`, whose couplings "
            "differ from one direction to the other",
            block.device.span,
            help="leave `transpose_mismatch` out, or choose another energy",
        )


def _check_phases(block: ResolvedBlock, log: Log) -> None:
    call = block.gradient
    if call is not None and block.device and GRADIENTS[call.name].holomorphic(call.arguments):
        log.report(
            "FFE3023",
            f"block `{block.name}` is nudged with complex strengths, and the states on hardware "
            f"`{block.device.text}` are real",
            block.device.span,
            help="choose an estimator with real phases, such as `ep(stencil=4)`, or no hardware",
        )


def _check_effects(
    blocks: Sequence[ResolvedBlock],
    hardware: Mapping[str, Any],
    last: ResolvedBlock | None,
    log: Log,
) -> None:
    """Report what of a device none of the blocks on it has a use for."""
    idle = [dict(_idle(block, block is last)) for block in blocks]
    knobs = [k for k in idle[0] if all(k in each for each in idle) and not _is_ideal(k, hardware)]
    if "weights" in knobs and "transpose_mismatch" in knobs:
        knobs.remove("transpose_mismatch")  # a part of what was said of the weights
    for knob in knobs:
        for block, why in zip(blocks, idle, strict=True):
            assert block.device is not None
            log.within(block.expansion).report(
                "FFE4021",
                f"`{knob}` of hardware `{block.device.text}` changes nothing in block "
                f"`{block.name}`: {why[knob]}",
                block.device.span,
                help=f"put the block on hardware without `{knob}`, or on `ideal`",
            )


def _is_ideal(knob: str, hardware: Mapping[str, Any]) -> bool:
    if knob == "update_offset":
        return bool(hardware[knob] == 0)
    array: CallIR = hardware["weights"]
    if knob == "transpose_mismatch":
        return not ARRAYS[array.name].asymmetric(array.arguments)
    call, table = hardware[knob], ARRAYS if knob == "weights" else CONVERTERS
    return table[call.name].make(call.arguments) is None


def _idle(block: ResolvedBlock, is_last: bool) -> Iterator[tuple[str, str]]:
    """The knobs without effect in a block, and why."""
    call = block.gradient
    if call is not None and not GRADIENTS[call.name].nudges:
        for knob in ("cotangents", "updates", "update_offset"):
            yield knob, f"`gradient {call.name}` measures no contrast on it"
    elif call is not None and is_last and call.arguments.get("nudge") == "loss":
        for knob in ("cotangents", "outputs"):
            yield knob, "with nudge=loss, nothing passes there"
    weighted = any(_has_weights(connection.chain) for connection in block.connections)
    if block.whole and not block.terms and not weighted:
        for knob in ("weights", "update_offset"):
            yield knob, "it has no weights"
    if block.whole and not any(
        _has_weights(c.chain) for c in block.couplings if c.settings["feedback"] != OWN
    ):
        yield "transpose_mismatch", "no weight of it acts both ways through a coupling"


def _has_weights(chain: ResolvedChain) -> bool:
    return any(OPS[op.name].counted for op in chain.ops if op)
