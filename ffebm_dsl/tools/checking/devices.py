"""Effects of a device on the gradients of training: each knob alone, and all together.

For every tensor, the gradient on the device, by the spec's own estimators, strengths and sweeps,
is compared with the converged gradient on ideal hardware, over draws of device and noise:

- the cosine of the two, on average over the draws;
- the bias: the error of the mean over the draws, relative to the ideal gradient;
- the spread: the root mean square deviation of draws from their mean, relative to it too.

The row of ideal hardware shows the part due to beta and to the number of sweeps. If the two
directions of a coupling differ, EP is biased and AEP, to first order in beta, is not: both are
shown, whichever the spec uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from ffebm_dsl.language.ir.model import IDEAL, BlockIR, CallIR, SpecIR
from ffebm_dsl.language.ir.resolve.bind import changed, fill_defaults
from ffebm_dsl.language.ir.tools.notation import written, written_briefly
from ffebm_dsl.language.registry import ARRAYS, GRADIENTS, HARDWARE, TABLES
from ffebm_dsl.tools.checking.as_configured import gradients_of_training
from ffebm_dsl.tools.checking.problem import Problem

DRAWS = 8
ALL = "all"


@dataclass(frozen=True)
class DeviceRow:
    """One tensor under one knob; ``tensor`` is ``""`` for all of them as one.

    ``estimator`` is ``""`` for the spec's own.
    """

    knob: str
    estimator: str
    tensor: str
    cosine: float
    bias: float
    spread: float


class Knob(NamedTuple):
    """A label and the devices, by name, with this imperfection alone.

    ``other`` is an estimator in the place of those of its kind, or ``""``.
    """

    label: str
    hardware: tuple[CallIR, ...]
    other: str = ""

    @property
    def asymmetric(self) -> bool:
        """Whether the two ways through a coupling differ."""
        arrays = [device.arguments["weights"] for device in self.hardware]
        return any(ARRAYS[array.name].asymmetric(array.arguments) for array in arrays)


def on_devices(spec: SpecIR) -> bool:
    """Whether any block is on hardware."""
    return any(block.hardware != IDEAL for block in spec.model.blocks)


def stated_noise(spec: SpecIR) -> dict[str, dict[str, list[str]]]:
    """The noise of each block that has some, its device's too, by phase and as calls."""
    of_device = {device.name: device.arguments["noise"] for device in spec.hardware}
    phases = {
        block.name: {
            phase: [
                written_briefly(noise, "noises")
                for noise in (*relax.noise, *of_device.get(block.hardware, ()))
            ]
            for phase, relax in (("free", block.free), ("nudged", block.nudged))
        }
        for block in spec.model.blocks
    }
    return {name: found for name, found in phases.items() if any(found.values())}


def device_rows(
    spec: SpecIR,
    problem: Problem,
    reference: Mapping[str, Tensor],
    progress: Callable[[str], None],
) -> list[DeviceRow]:
    """A row for each knob and tensor, and one for each knob and all tensors as one."""
    rows: list[DeviceRow] = []
    for knob in [tried for alone in knobs(spec) for tried in (alone, *_beside(spec, alone))]:
        progress(f"gradients on a device: {knob.label}")
        draws = [_gradients(spec, problem, knob, draw) for draw in range(DRAWS)]
        for tensor, expected in reference.items():
            if float(expected.norm()) > 0:
                rows.append(_row(knob, tensor, [g[tensor] for g in draws], expected))
        joined = [torch.cat([g.flatten() for g in found.values()]) for found in draws]
        whole = torch.cat([reference[tensor].flatten() for tensor in draws[0]])
        rows.append(_row(knob, "", joined, whole))
    return rows


def knobs(spec: SpecIR) -> list[Knob]:
    """Ideal hardware, every knob of every used device alone, and the devices as they are."""
    used = {block.hardware for block in spec.model.blocks}
    devices = [device for device in spec.hardware if device.name in used]
    plain = {d.name: CallIR(d.name, fill_defaults(HARDWARE, {})) for d in devices}
    found = [Knob(IDEAL, tuple(plain.values()))]
    for device in devices:
        head = f"{device.name}: " if len(devices) > 1 else ""
        for label, key, value in _alone(device):
            given = {**plain[device.name].arguments, key: value, "seed": device.arguments["seed"]}
            only = {**plain, device.name: CallIR(device.name, given)}
            found.append(Knob(head + label, tuple(only.values())))
    return [*found, Knob(ALL, tuple(devices))]


def _beside(spec: SpecIR, knob: Knob) -> list[Knob]:
    """The same with AEP for EP, or the other way round, where couplings have two ways."""
    names = {_counterpart(block.gradient) for block in spec.model.blocks} if knob.asymmetric else ()
    return [knob._replace(other=name) for name in sorted(names) if name]


def _counterpart(call: CallIR) -> str:
    """The estimator with the same arguments that is for other couplings; ``""``: none."""
    own = GRADIENTS[call.name]
    for name, found in GRADIENTS.items():
        if found.names == own.names and found.any_couplings != own.any_couplings:
            return str(name)
    return ""


def _estimated_by(spec: SpecIR, other: str) -> SpecIR:
    stages = tuple(
        replace(stage, gradient=CallIR(other, stage.gradient.arguments))
        if isinstance(stage, BlockIR) and _counterpart(stage.gradient) == other
        else stage
        for stage in spec.model.stages
    )
    return replace(spec, model=replace(spec.model, stages=stages))


def _alone(device: CallIR) -> Iterator[tuple[str, str, object]]:
    """Label, key and value of each imperfection; those of a call's arguments one by one."""
    for key, value in changed(HARDWARE, device.arguments).items():
        if key == "seed":
            continue
        table = HARDWARE.parameter(key).table
        if isinstance(value, tuple):
            for entry in value:
                yield f"{key} {written(entry, HARDWARE.parameter(key))}", key, (entry,)
            continue
        if not isinstance(value, CallIR):
            yield f"{key} {value:g}", key, value
            continue
        construct = TABLES[table][value.name]
        stated = changed(construct, value.arguments)
        optional = [name for name in stated if not construct.parameter(name).required]
        parts = optional if len(optional) > 1 and key == "weights" else []
        for name in parts:
            alone = CallIR(value.name, fill_defaults(construct, {name: stated[name]}))
            yield f"{key} {written_briefly(alone, table)}", key, alone
        yield f"{key} {written_briefly(value, table)}", key, value


def _gradients(spec: SpecIR, problem: Problem, knob: Knob, draw: int) -> dict[str, Tensor]:
    """The gradients of training in float64 on one draw of the devices."""
    hardware = tuple(
        replace(d, arguments={**d.arguments, "seed": d.arguments["seed"] + draw})
        for d in knob.hardware
    )
    estimated = _estimated_by(spec, knob.other) if knob.other else spec
    on_draw = replace(estimated, hardware=hardware)
    with torch.random.fork_rng([]):
        torch.manual_seed(draw)
        return gradients_of_training(problem, on_draw, torch.float64, torch.device("cpu"))[0]


def _row(knob: Knob, tensor: str, draws: list[Tensor], expected: Tensor) -> DeviceRow:
    found = torch.stack([g.flatten() for g in draws])
    reference = expected.flatten()
    mean, size = found.mean(0), float(reference.norm())
    norms = found.norm(dim=1).clamp_min(torch.finfo(found.dtype).tiny)
    cosines = (found / norms[:, None]) @ (reference / size)
    spread = (found - mean).square().sum(1).mean().sqrt()
    return DeviceRow(
        knob.label,
        knob.other,
        tensor,
        float(cosines.mean()),
        float((mean - reference).norm()) / size,
        float(spread) / size,
    )
