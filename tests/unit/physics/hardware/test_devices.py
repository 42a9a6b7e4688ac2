"""Devices: zero strength is ideal; static errors, converters and programmed weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.constructs.activations.tanh import Tanh
from ffebm_dsl.constructs.gradients.aep import AsymmetricPropagation
from ffebm_dsl.constructs.gradients.ep import EquilibriumPropagation
from ffebm_dsl.constructs.gradients.implicit import Implicit
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.language.registry import ARRAYS
from ffebm_dsl.physics.hardware import Device, quantise
from ffebm_dsl.physics.interfaces import Array, Converter, DeviceSettings, Numbers
from ffebm_dsl.physics.network import EnergyBlock, HybridNetwork
from tests.problems import block, chain_energy, normal

BEYOND = Path(__file__).parents[3] / "oracle" / "beyond"

TEXT = """ffe 1.1
{hardware}
model m {{
  input  x: image(2, 6, 6)
  target y: label(3)
  relax free   {{ sweeps = 15  tolerance = 0 }}
  relax nudged {{ sweeps = 10 }}
  gradient {gradient}
  block b {{
    feedforward u = x |> conv2d(3, kernel=3, padding=1)
    energy hopfield {on} {{
      layer s1: [3, 6, 6] hard_sigmoid
      layer s2: [4, 3, 3] tanh
      layer s3: [5] identity
      u  ->  s1
      s1 <-> s2 : conv2d(kernel=3, padding=1) |> avg_pool2d(2)
      s2 <-> s3 : flatten() |> linear()
    }}
    out = s3
    out inner = s1
  }}
  readout logits = b |> linear(3)
  loss = cross_entropy(logits, y)
}}
"""
X, Y = torch.randn(6, 2, 6, 6, generator=torch.Generator().manual_seed(0)), torch.arange(6) % 3


def network(
    keys: str | None, gradient: str = "ep(beta=0.3)", dtype: torch.dtype = torch.float64
) -> HybridNetwork:
    """A small convolutional network; None for ``keys``: without hardware."""
    hardware = "" if keys is None else f"hardware h {{ {keys} }}"
    text = TEXT.format(hardware=hardware, on="" if keys is None else "on h", gradient=gradient)
    return build(compile_spec(SourceFile("a.ffe", text)).spec, dtype=dtype)


def result(net: HybridNetwork, seed: int = 0) -> list[Tensor]:
    torch.manual_seed(seed)
    outcome = net(X.to(next(net.parameters()).dtype), Y)
    found = torch.autograd.grad(outcome.loss, list(net.parameters()), allow_unused=True)
    return [outcome.logits.detach(), *(g for g in found if g is not None)]


def same(a: Sequence[Tensor], b: Sequence[Tensor]) -> bool:
    return len(a) == len(b) and all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


NOTHING = [
    "",
    "noise = [read(0.0)]",
    "noise = [state(0.0)]",
    "weights = ideal",
    "weights = array(levels=ideal)",
    "weights = array(mismatch=0, transpose_mismatch=0, write_noise=0)",
    "weights = array(range=100)",
    "drives = ideal  outputs = ideal  cotangents = ideal  updates = ideal",
    "update_offset = 0  seed = 3",
]
SOMETHING = [
    "noise = [read(0.01)]",
    "weights = array(levels=16)",
    "weights = array(range=0.05)",
    "weights = array(write_noise=0.01)",
    "weights = array(mismatch=0.02)",
    "weights = array(transpose_mismatch=0.02)",
    "weights = pcm()",
    "weights = pcm(time=86400, compensated=true)",
    "weights = reram(after=day)",
    "drives = dac(4)",
    "outputs = adc(4, range=1)",
    "cotangents = dac(4)",
    "updates = adc(4)",
    "update_offset = 0.1",
]


@pytest.mark.parametrize("keys", NOTHING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_strength_zero_is_no_hardware_bit_for_bit(keys: str, dtype: torch.dtype) -> None:
    assert same(result(network(keys, dtype=dtype)), result(network(None, dtype=dtype)))


@pytest.mark.parametrize("keys", SOMETHING)
def test_every_knob_does_something_and_the_same_each_time(keys: str) -> None:
    net = network(keys)
    found = result(net)
    assert not same(found, result(network(None)))
    assert same(result(network(keys)), found)


@pytest.mark.parametrize("keys", ["weights = array(mismatch=0.02)", "update_offset = 0.1"])
def test_devices_of_other_seeds_are_others(keys: str) -> None:
    assert not same(result(network(keys)), result(network(f"{keys}  seed = 1")))


@pytest.mark.parametrize("keys", ["weights = array(write_noise=0.05)", "weights = pcm()"])
def test_training_programs_anew_and_use_does_not(keys: str) -> None:
    net = network(keys)
    assert not torch.equal(result(net, 0)[0], result(net, 1)[0])
    net.eval()
    with torch.no_grad():
        assert torch.equal(net(X.double()), net(X.double()))


def test_errors_leave_constrained_weights_in_their_range() -> None:
    text = """ffe 1.1
    hardware h { weights = array(write_noise=0.5) }
    model m {
      input x: vector(4)  target y: label(3)
      block b {
        energy KIND on h {
          layer s1: [4] identity  layer s2: [4] identity  layer s3: [4] identity
          x -> s1 : linear()
          s1 <-> s2 : linear() SETTING
          s2 <-> s3 : linear() { tied_to = "s1_s2" }
          LATERAL
        }
        out = s3
      }
      readout logits = b |> linear(3)
      loss = cross_entropy(logits, y)
    }"""
    lateral = "s3 <-> s3 : linear() { zero_diagonal = true }"
    for kind, line in (("hopfield", lateral), ("resistive", "")):
        setting = "{ nonnegative = true }" if line else ""  # circuits are so without a word
        own = text.replace("KIND", kind).replace("LATERAL", line).replace("SETTING", setting)
        source = SourceFile("a.ffe", own)
        core = build(compile_spec(source).spec).blocks[0].core
        assert core.device is not None
        weights = {name: w.detach() for name, w in core.energy.weights().items()}
        held = core.device.programmed(weights)
        moved = [n for n, w in held.items() if not torch.equal(w, weights[n])]
        assert moved == [n for n in held if not n.endswith("bias")]
        constrained = [n for n in moved if n.partition(".")[0] in ("s1_s2", "s2_s3")]
        for name in moved if kind == "resistive" else constrained:
            assert float(held[name].min()) == 0
        if line:
            assert not held["s3_s3.linear.weight"].diagonal().any()
            assert float(held["s3_s3.linear.weight"].min()) < 0


def test_static_errors_contrast_to_nothing_without_a_nudge() -> None:
    """What is wrong is the same in all phases: at beta = 0 nothing is left of it."""
    net = network("weights = array(levels=8, mismatch=0.1, transpose_mismatch=0.1)", "ep(beta=0.3)")
    core = net.blocks[0].core
    core.configure(
        free=replace(core.settings.free, sweeps=400),
        nudged=replace(core.settings.nudged, sweeps=50),
        estimator=EquilibriumPropagation(1e-300),
        keep_states=True,
    )
    states = core(*net.blocks[0].drives({"x": X.double()}))
    found = torch.autograd.grad(states[0].sum(), list(core.energy.parameters()))
    free, positive, negative = (report.state for report in core.reports)
    assert free is not None and positive is not None and negative is not None
    assert same(positive, negative)
    # So both differ from the free phase by the same, to the last bit: they contrast to 0.
    assert core.device is not None
    weights = {name: w.detach() for name, w in core.energy.weights().items()}
    held, drives = core.device.programmed(weights), net.blocks[0].drives({"x": X.double()})
    bound = core.energy.bind(drives, held, transposed=core.device.transposed)
    one = torch.ones(len(X), dtype=torch.float64)
    found_by_phase = [
        bound.contrast([s, free], [one, -one], [{}, {}]).weights for s in (positive, negative)
    ]
    assert same(*(list(of_phase.values()) for of_phase in found_by_phase))
    # In a sum over the samples of both at once their parts round differently.
    assert all(float((g * 1e-300).abs().max()) < 1e-14 for g in found)


def test_a_converter_passes_gradients_inside_its_range_alone() -> None:
    device = Device("b", DeviceSettings(drives=Converter(4, 1.0)), [], [], 1)
    x = torch.tensor([[-2.0, -0.5, 0.3, 1.5]], requires_grad=True)
    (out,) = device.enter([x])
    assert out[0].tolist() == pytest.approx([-1, -0.5, 2 / 7, 1], abs=0.08)
    (g,) = torch.autograd.grad(out.sum(), x)
    assert g.tolist() == [[0, 1, 1, 0]]


def test_nothing_stays_nothing() -> None:
    """Zero is a level of a range about zero, exactly."""
    zero = torch.zeros(3)
    for bits in range(1, 13):
        levels = Converter(bits, 0.37).levels(unipolar=False)
        if bits > 1:
            assert torch.equal(quantise(zero, -0.37, 0.37, levels), zero)
        assert torch.equal(quantise(zero, 0.0, 0.37, 2**bits), zero)


def test_a_range_is_found_in_training_and_kept() -> None:
    net = network("outputs = adc(8)  cotangents = dac(8)  updates = adc(8)", dtype=torch.float32)
    for seed in range(3):
        result(net, seed)
    found = {name: buffer.clone() for name, buffer in net.named_buffers()}
    counts = [int(b) for name, b in found.items() if name.endswith("batches")]
    assert counts == [3] * len(counts) and len(counts) == 7
    net.eval()
    with torch.no_grad():
        net(X)
    assert all(torch.equal(found[name], buffer) for name, buffer in net.named_buffers())
    state = net.blocks[0].core.device
    assert state is not None
    port = state.outputs["0"]
    assert float(port.limit(X)) == pytest.approx(3 * float(port.mean_square.sqrt()))
    port.train()
    port.batches.fill_(100)
    before = port.mean_square.clone()
    port(100 * X)
    assert torch.equal(port.mean_square, before)


def test_the_search_of_a_strength_is_left_out_of_a_range() -> None:
    """Its nudges are many, and some of them far stronger than those of training."""
    net = network("updates = adc(12)", "ep(beta=auto)")
    core = net.blocks[0].core
    core.configure(keep_states=True)
    squares = []
    for seed in range(2):
        result(net, seed)
        ends = [report.state for report in core.reports if report.phase == "nudged"]
        squares.append(torch.cat([end[0] for end in ends if end]).square().mean())
    assert core.device is not None and int(core.device.updates["0"].batches) == 2
    assert torch.isclose(core.device.updates["0"].mean_square, torch.stack(squares).mean())


@pytest.mark.parametrize("variant", ["centered", "positive", "negative"])
def test_the_update_of_aep_reads_the_states_of_all_phases(variant: str) -> None:
    estimator = AsymmetricPropagation(EquilibriumPropagation(0.3, variant))
    core = block(chain_energy([5, 4, 3], Tanh()), estimator)
    core.configure(keep_states=True)
    settings = DeviceSettings(updates=Converter(4, 1.0))
    core.device = Device("b", settings, core.energy.layers, [2], 1)
    out = core(normal(6, 5, seed=4))
    out.mean(0).sum().backward()
    found = {name: p.grad for name, p in core.energy.named_parameters() if p.grad is not None}
    free, *nudged = (
        [quantise(s, -1.0, 1.0, 15) for s in report.state]
        for report in core.reports
        if report.state
    )
    ends = {"centered": nudged, "positive": [*nudged, free], "negative": [free, *nudged]}[variant]
    scale = 0.6 if variant == "centered" else 0.3
    response = [(low - high) / scale for high, low in zip(*ends, strict=True)]
    for k in range(2):
        expected = (response[k + 1].T @ free[k] + free[k + 1].T @ response[k]) / len(out)
        (name,) = [n for n in found if f"s{k}_s{k + 1}" in n and n.endswith("weight")]
        assert torch.allclose(found[name], expected, rtol=1e-9, atol=1e-12)


# Reference results ------------------------------------------------------------------------


@pytest.mark.parametrize("bits", range(1, 13))
def test_converters_as_in_the_reference(bits: int) -> None:
    with h5py.File(BEYOND / "converters.h5") as file:
        x, y, index = (file[f"table/bits{bits}/{k}"][:] for k in ("x", "y", "index"))
        ties, at = (file[f"ties/bits{bits}/{k}"][:] for k in ("x", "index"))
        snr = float(file["snr/sampled_db"][bits - 1])
    levels = 2**bits
    found = quantise(torch.from_numpy(x), -1.0, 1.0, levels)
    assert np.abs(found.numpy() - y).max() <= 2e-12
    assert np.array_equal(((found.numpy() + 1) / 2 * (levels - 1)).round(), index)
    tied = quantise(torch.from_numpy(ties.astype(np.float64)), 0.0, float(levels - 1), levels)
    assert np.array_equal(tied.numpy(), at.astype(np.float64))
    n = 65536
    sine = torch.sin(2 * torch.pi * 1009 * torch.arange(n, dtype=torch.float64) / n + 0.1)
    error = quantise(sine, -1.0, 1.0, levels) - sine
    assert float(10 * (sine.square().mean() / error.square().mean()).log10()) == pytest.approx(
        snr, abs=1e-6
    )


def test_a_bit_more_is_six_decibels() -> None:
    n, bits = 65536, torch.arange(4, 13)
    sine = torch.sin(2 * torch.pi * 1009 * torch.arange(n, dtype=torch.float64) / n + 0.1)
    errors = [quantise(sine, -1.0, 1.0, 2 ** int(b)) - sine for b in bits]
    snr = torch.stack([10 * (sine.square().mean() / e.square().mean()).log10() for e in errors])
    slope = np.polyfit(bits.numpy(), snr.numpy(), 1)[0]
    assert slope == pytest.approx(6.02, abs=0.1)


@dataclass(frozen=True)
class Given(Array):
    """An array whose relative errors are given, by the shape of the weight."""

    forward: dict[tuple[int, ...], Tensor]
    backward: dict[tuple[int, ...], Tensor]

    def programmed(self, weight: Tensor, numbers: Numbers) -> Tensor:
        return weight * (1 + 0.05 * self.forward[tuple(weight.shape)])

    def transposed(self, held: Tensor, numbers: Numbers) -> Tensor:
        shape = tuple(held.shape)
        return held / (1 + 0.05 * self.forward[shape]) * (1 + 0.05 * self.backward[shape])

    @property
    def asymmetric(self) -> bool:
        return True


def loaded(file: h5py.File, device: str) -> tuple[EnergyBlock, Tensor]:
    """The block of the reference on that device, and what drives it."""
    core = block(chain_energy([9, 8, 6], Tanh()), EquilibriumPropagation(0.01))
    given = {name: torch.from_numpy(file[f"params/block0/{name}"][:]) for name in names()}
    with torch.no_grad():
        for held, k in zip(core.energy.couplings, range(2), strict=True):
            weights = held.ops["linear"]
            weights.weight.copy_(given[f"coupling{k}.weight"])
            weights.bias.copy_(given[f"coupling{k}.bias"])
    if device != "ideal":
        ways = [
            {t.shape: t for t in (torch.from_numpy(v[:]) for v in file[f"xi/{way}"].values())}
            for way in ("forward", "backward" if device == "mismatch" else "forward")
        ]
        arrays = [{tuple(shape): t for shape, t in way.items()} for way in ways]
        settings = DeviceSettings(Given(*arrays))
        core.device = Device("b", settings, core.energy.layers, [2], 1)
    x = torch.from_numpy(file["x"][:])
    maps = file["params/block0/feedforward"]
    return core, x @ torch.from_numpy(maps["linear.weight"][:]).T + torch.from_numpy(
        maps["linear.bias"][:]
    )


def names() -> list[str]:
    return [f"coupling{k}.{part}" for k in range(2) for part in ("weight", "bias")]


def close(found: Tensor, stated: np.ndarray, tolerance: float) -> bool:
    expected = torch.from_numpy(stated)
    return float((found - expected).norm() / expected.norm()) < tolerance


@pytest.mark.parametrize("device", ["ideal", "mismatch", "matched"])
def test_mismatched_arrays_as_in_the_reference(device: str) -> None:
    with h5py.File(BEYOND / "mismatch.h5") as file:
        core, drive = loaded(file, device)
        core.configure(keep_states=True)
        drive.requires_grad_()
        out = core(drive)
        free = core.reports[0].state
        assert free is not None
        for k, s in enumerate(free):
            assert close(s, file[f"{device}/free/block0/layer{k}"][:], 1e-9)
        cotangent = torch.from_numpy(file[f"{device}/cotangent/block0/layer2"][:]) / len(out)
        parameters = dict(core.energy.named_parameters())
        found = torch.autograd.grad(out, [drive, *parameters.values()], cotangent)
        for phase, report in zip(("plus", "minus"), core.reports[1:], strict=True):
            assert report.state is not None
            for k, s in enumerate(report.state):
                assert close(s, file[f"{device}/nudged_{phase}/block0/layer{k}"][:], 1e-9)
        order = dict(zip(parameters, found[1:], strict=True))
        assert close(found[0], file[f"{device}/drive_cotangent/ep/layer0"][:], 1e-7)
        for k in range(2):
            for part in ("weight", "bias"):
                (name,) = [n for n in order if f"s{k}_s{k + 1}" in n and n.endswith(part)]
                expected = file[f"{device}/grad_ep/block0/coupling{k}.{part}"][:]
                assert close(order[name], expected, 1e-7)


def test_implicit_gradients_are_those_of_the_devices_own_field() -> None:
    """With respect to the weights that it holds, whatever acts on the way back."""
    with h5py.File(BEYOND / "mismatch.h5") as file:
        core, drive = loaded(file, "mismatch")
        core.configure(estimator=Implicit(1e-14, 2000))
        drive.requires_grad_()
        out = core(drive)
        cotangent = torch.from_numpy(file["mismatch/cotangent/block0/layer2"][:]) / len(out)
        (found,) = torch.autograd.grad(out, drive, cotangent)
        weight = torch.from_numpy(file["params/block0/feedforward/linear.weight"][:])
        assert close(found @ weight, file["mismatch/input_cotangent/exact"][:], 1e-7)


# Programmed weights, by an independent transcription of the sources ------------------------


def pcm_by_hand(
    w: np.ndarray, high: float, seconds: float, xi: dict[str, np.ndarray]
) -> np.ndarray:
    cells = []
    for sign, way in ((1.0, "+"), (-1.0, "-")):
        target = np.clip(sign * w / high, 0.0, 1.0) * 25.0
        sigma = 0.26348 + 1.9650 * target / 25.0 - 1.1731 * (target / 25.0) ** 2
        written = np.maximum(target + sigma * xi[f"write{way}"], 0.0)
        relative = np.maximum(target / 25.0, 1e-7)
        mu = np.clip(-0.0155 * np.log(relative) + 0.0244, 0.049, 0.1)
        s = np.clip(-0.0125 * np.log(relative) - 0.0059, 0.008, 0.045)
        nu = np.abs(mu + s * xi[f"drift{way}"])
        t = seconds + 20.0
        drifted = written * (t / 20.0) ** (-nu)
        q = np.minimum(0.0088 / np.maximum((written / 25.0) ** 0.65, 1e-3), 0.2)
        noise = q * np.sqrt(np.log((t + 250e-9) / (2 * 250e-9)))
        cells.append(np.maximum(drifted + drifted * noise * xi[f"read{way}"], 0.0))
    result: np.ndarray = (cells[0] - cells[1]) * high / 25.0
    return result


def reram_by_hand(
    w: np.ndarray, high: float, c: Sequence[float], xi: dict[str, np.ndarray]
) -> np.ndarray:
    cells = []
    for sign, way in ((1.0, "+"), (-1.0, "-")):
        g = np.clip(sign * w / high, 0.0, 1.0) * 40.0
        sigma = np.polyval(list(c)[::-1], g / 40.0)
        cells.append(np.maximum(g + sigma * xi[f"write{way}"], 0.0))
    result: np.ndarray = (cells[0] - cells[1]) * high / 40.0
    return result


def drawn(shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    kinds = [f"{kind}{way}" for kind in ("write", "drift", "read") for way in "+-"]
    return {kind: rng.standard_normal(shape) for kind in kinds}


def numbers(xi: dict[str, np.ndarray]) -> Numbers:
    return Numbers(lambda k: torch.from_numpy(xi[k]), lambda k: torch.from_numpy(xi[k]))


@pytest.mark.parametrize("seconds", [0.0, 3600.0, 86400.0])
def test_phase_change_memory_as_its_source_has_it(seconds: float) -> None:
    w, xi = normal(7, 5, seed=2), drawn((7, 5))
    construct = ARRAYS["pcm"]
    arguments = {"range": 1.5, "time": seconds, "compensated": False, "transpose_mismatch": 0.0}
    found = construct.make(arguments).programmed(w, numbers(xi)).numpy()
    assert np.abs(found - pcm_by_hand(w.numpy(), 1.5, seconds, xi)).max() < 1e-6
    compensated = construct.make({**arguments, "compensated": True})
    restored = compensated.programmed(w, numbers(xi)).numpy()
    first = pcm_written(w.numpy(), 1.5, xi)
    assert np.abs(restored).mean() == pytest.approx(np.abs(first).mean(), rel=1e-9)


def pcm_written(w: np.ndarray, high: float, xi: dict[str, np.ndarray]) -> np.ndarray:
    cells = []
    for sign, way in ((1.0, "+"), (-1.0, "-")):
        r = np.clip(sign * w / high, 0.0, 1.0)
        sigma = 0.26348 + 1.9650 * r - 1.1731 * r**2
        cells.append(np.maximum(25.0 * r + sigma * xi[f"write{way}"], 0.0))
    result: np.ndarray = (cells[0] - cells[1]) * high / 25.0
    return result


@pytest.mark.parametrize(
    ("after", "c"),
    [
        ("second", (0.348, 16.030, -43.853, 45.393, -16.815)),
        ("day", (0.701, 22.086, -50.773, 47.095, -16.458)),
        ("two_days", (0.782, 20.274, -43.507, 37.062, -11.934)),
    ],
)
def test_resistive_memory_as_its_source_has_it(after: str, c: Sequence[float]) -> None:
    w, xi = normal(7, 5, seed=2), drawn((7, 5))
    array = ARRAYS["reram"].make({"range": "auto", "after": after, "transpose_mismatch": 0.0})
    found = array.programmed(w, numbers(xi)).numpy()
    expected = reram_by_hand(w.numpy(), float(w.abs().max()), c, xi)
    assert np.abs(found - expected).max() < 1e-6


def test_levels_of_a_weight_are_those_of_two_conductances() -> None:
    arguments = {
        "range": 1.0,
        "levels": 4,
        "write_noise": 0.0,
        "mismatch": 0.0,
        "transpose_mismatch": 0.0,
    }
    array = ARRAYS["array"].make(arguments)
    w = torch.linspace(-1.3, 1.3, 401, dtype=torch.float64)
    held = array.programmed(w, numbers(drawn((401,))))
    assert held.unique().tolist() == pytest.approx([k / 3 for k in range(-3, 4)])
    assert all(a <= b for a, b in pairwise(held.tolist()))
