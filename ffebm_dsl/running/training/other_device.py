"""Inference with a trained network on a device other than that of its training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from torch import Tensor, nn

from ffebm_dsl.language.diagnostics import InputError, SourceFile
from ffebm_dsl.language.diagnostics.fix import did_you_mean
from ffebm_dsl.language.interchange.load import to_text
from ffebm_dsl.language.ir import Compiled, compile_spec
from ffebm_dsl.language.ir.model import IDEAL, BlockIR, CallIR, SpecIR
from ffebm_dsl.language.ir.resolve.resolve_sections import drawn
from ffebm_dsl.language.registry import ARRAYS, HARDWARE

OWN = ".core.device."
"""Part of the names of a device's buffers, the ranges of its converters."""


@dataclass(frozen=True)
class OtherDevice:
    """The device to evaluate on; None: that of training.

    Attributes:
        name: a hardware section of the spec, or ideal.
        seed: seed of the individual device.
        after: seconds since programming, for arrays that drift.
        settings: values of the spec's params, as for ``--set``, on which only the hardware may
            depend.
    """

    name: str | None = None
    seed: int | None = None
    after: float | None = None
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        return self != OtherDevice()

    @property
    def given(self) -> list[str]:
        """The settings as ``--set`` gives them."""
        return [f"{key}={value}" for key, value in self.settings.items()]

    def __str__(self) -> str:
        parts = [self.name or "as in training", *self.given]
        parts += [f"seed {self.seed}"] if self.seed is not None else []
        return ", ".join(parts + ([f"after {self.after:g} s"] if self.after is not None else []))


def moved(trained: Compiled, overrides: Mapping[str, str], other: OtherDevice) -> SpecIR:
    """The spec that was trained with these overrides, on other hardware, for inference.

    Raises:
        InputError: something other than the hardware depends on a setting, or the new hardware does
            not; the hardware does not exist, or has no seed or no time.
        SpecError: the spec has no such param, the value is not valid, or a block cannot use the
            hardware.
    """
    spec = _with_settings(trained, overrides, other)
    found = _on_device(spec, other)
    if (
        spec.parameters != trained.spec.parameters
        and found.hardware == _on_device(trained.spec, other).hardware
    ):
        raise InputError(
            f"--set {', '.join(other.given)} changes nothing of the hardware that is tested on",
            help="leave it out, or choose other hardware with --hardware",
        )
    return found


def _with_settings(trained: Compiled, overrides: Mapping[str, str], other: OtherDevice) -> SpecIR:
    """The spec with other values of params on which only its hardware may depend."""
    spec = compile_spec(trained.source, {**overrides, **other.settings}, None).spec
    before, after = (replace(s.ideal(), parameters={}) for s in (trained.spec, spec))
    if before != after:
        raise InputError(
            f"--set {', '.join(other.given)} changes more than the hardware of the run's spec",
            help="train with it: `ffebm train SPEC --set ...`",
        )
    return spec


def _on_device(spec: SpecIR, other: OtherDevice) -> SpecIR:
    """The spec with its blocks on another device, for inference only."""
    names = [device.name for device in spec.hardware]
    if other.name is not None and other.name not in (*names, IDEAL):
        raise InputError(
            f"the run's spec has no hardware `{other.name}`",
            help=did_you_mean(other.name, names) or f"known: {', '.join((*names, IDEAL))}",
        )
    stages = [
        replace(stage, hardware=other.name or stage.hardware)
        if isinstance(stage, BlockIR)
        else stage
        for stage in spec.model.stages
    ]
    used = {stage.hardware for stage in stages if isinstance(stage, BlockIR)} - {IDEAL}
    if not used and (other.seed is not None or other.after is not None):
        raise InputError(
            "on ideal hardware there is neither another device nor a drift",
            help="choose one with --hardware",
        )
    hardware = tuple(_in_use(device, other) for device in spec.hardware if device.name in used)
    if other.seed is not None and not any(map(drawn, hardware)):
        raise InputError(
            f"every device of hardware {', '.join(sorted(used))} is the same, whatever its seed",
            help="leave --device-seed out, or choose hardware whose weights have errors",
        )
    edited = replace(
        spec, hardware=hardware, model=replace(spec.model, stages=tuple(stages)), version="1.1"
    )
    return compile_spec(SourceFile("the spec on other hardware", to_text(edited)), None, None).spec


def _in_use(device: CallIR, other: OtherDevice) -> CallIR:
    """A device at the given time, without properties that matter for learning only."""
    given = dict(device.arguments)
    for key in ("cotangents", "updates", "update_offset"):
        default = HARDWARE.parameter(key).default
        given[key] = CallIR(str(default), {}) if isinstance(default, str) else default
    if other.seed is not None:
        given["seed"] = other.seed
    if other.after is not None:
        array = given["weights"]
        if "time" not in ARRAYS[array.name].names:
            raise InputError(
                f"the weights of hardware `{device.name}` do not drift: `{array.name}` has no time",
                help="leave --after out, or choose hardware with `weights = pcm()`",
            )
        given["weights"] = CallIR(array.name, {**array.arguments, "time": other.after})
    return CallIR(device.name, given)


def refitted(network: nn.Module, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The saved tensors, with only those converter ranges that the network's own device stores.

    Raises:
        InputError: a converter has no stated range, and training did not determine one.
    """
    own = network.state_dict()
    ranges = {name for name in own if OWN in name}
    if unknown := sorted(ranges - saved.keys()):
        place = unknown[0].rpartition(".")[0]
        raise InputError(
            f"the converter {place} found no range in the run's training",
            help="state its `range`, or train on hardware that has it",
        )
    return {name: t for name, t in saved.items() if OWN not in name or name in ranges}
