"""Memory and attention of one layer of tokens: a reference computed in two independent ways."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest
import torch
from torch import Tensor

from ffebm_dsl.build import build
from ffebm_dsl.language.diagnostics import SourceFile
from ffebm_dsl.language.ir import compile_spec
from ffebm_dsl.physics.network import EnergyBlock

HERE = Path(__file__).parent
TEXT = (HERE / "tokens.ffe").read_text(encoding="utf-8")
LEFT_OUT = {"memory": "attention(", "attention": "memory(", "both": "?"}
NAMES = {
    "z_unit_bias.bias": "bias",
    "z_memory.weight": "memory.weight",
    "z_attention.query": "attention.query",
    "z_attention.key": "attention.key",
}
STATES, GRADIENTS, ENERGIES = 1e-9, 1e-7, 1e-10


@pytest.fixture(scope="module")
def reference() -> h5py.File:
    return h5py.File(HERE / "tokens.h5", "r")


def read(reference: h5py.File, path: str) -> Tensor:
    return torch.as_tensor(reference[path][()])


def close(ours: Tensor, theirs: Tensor, tolerance: float) -> bool:
    return float((ours - theirs).norm()) <= tolerance * float(theirs.norm())


def block_of(reference: h5py.File, variant: str, gradient: str = "ep(beta=0.01)") -> EnergyBlock:
    lines = [line for line in TEXT.splitlines() if LEFT_OUT[variant] not in line]
    spec = compile_spec(SourceFile("tokens.ffe", "\n".join(lines)), {"gradient": gradient}).spec
    core = build(spec, dtype=torch.float64).blocks[0].core
    weights = core.energy.weights()
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(read(reference, f"params/{NAMES[name]}").reshape(weight.shape))
    core.configure(keep_states=True)
    return core


@pytest.mark.parametrize("variant", LEFT_OUT)
def test_phi_energy_and_force_at_a_random_state(reference: h5py.File, variant: str) -> None:
    core, u = block_of(reference, variant), read(reference, "u")
    z = read(reference, "random_state/z").requires_grad_()
    at = f"random_state/{variant}"
    energy = core.energy.energy([z], [u])
    assert close(core.energy.phi([z], [u]).detach(), read(reference, f"{at}/phi"), ENERGIES)
    assert close(energy.detach(), read(reference, f"{at}/energy"), ENERGIES)
    weights = {name: w.detach() for name, w in core.energy.weights().items()}
    force = core.energy.bind([u], weights).pre_activation([z.detach()], 0)
    assert close(force, read(reference, f"{at}/force"), ENERGIES)
    (fall,) = torch.autograd.grad(-energy.sum(), z)
    assert close(fall, read(reference, f"{at}/minus_dE_dz"), ENERGIES)


@pytest.mark.parametrize("variant", LEFT_OUT)
@pytest.mark.parametrize(
    ("gradient", "group"),
    [("ep(beta=0.01)", "ep"), ("implicit(tolerance=1e-14, sweeps=5000)", "exact"),
     ("unrolled(sweeps=600)", "exact")],
)  # fmt: skip
def test_states_and_gradients(
    reference: h5py.File, variant: str, gradient: str, group: str
) -> None:
    core = block_of(reference, variant, gradient)
    u = read(reference, "u").requires_grad_()
    out = core(u)
    assert isinstance(out, Tensor)
    cotangent = read(reference, "cotangent")
    (out * cotangent).flatten(1).sum(1).mean().backward()
    phases = ("free", "nudged_plus", "nudged_minus") if group == "ep" else ("free",)
    for phase, report in zip(phases, core.reports, strict=False):
        assert report.state is not None
        assert close(report.state[0], read(reference, f"{variant}/{phase}"), STATES)
    energy = core.energy.energy([out.detach()], [u.detach()]).detach()
    assert close(energy, read(reference, f"{variant}/free_energy"), ENERGIES)
    assert close(u.grad, read(reference, f"{variant}/grad_{group}/u"), GRADIENTS)
    for name, weight in core.energy.weights().items():
        theirs = read(reference, f"{variant}/grad_{group}/{NAMES[name]}")
        assert weight.grad is not None
        assert close(weight.grad, theirs.reshape(weight.shape), GRADIENTS), name
