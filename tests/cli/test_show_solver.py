"""``ffebm show`` names the solver that relaxes a phase."""

from __future__ import annotations

import pytest

from ffebm_dsl import SourceFile, compile_spec
from ffebm_dsl.build import build
from ffebm_dsl.cli.show_relaxation import solver_in_words
from ffebm_dsl.constructs.solvers.auto import Auto, Mixed
from ffebm_dsl.language.registry import ENERGIES, EnergyConstruct, register
from ffebm_dsl.physics.energy import Energy, HopfieldEnergy
from ffebm_dsl.physics.interfaces import MIXED_MEMORY, STEPWISE_FACTOR, Sweeps

SPEC = """ffe 1.1
hardware noisy {{ noise = [read(0.1)] }}
model m {{
  input  x: image(1, 4, 4)
  target y: label(3)
  block b {{
    relax free   {{ sweeps = 30  tolerance = {tolerance}  {free} }}
    relax nudged {{ sweeps = 9  tolerance = {nudged} }}
    feedforward u = x |> conv2d(2, kernel=3, padding=1)
    energy {energy} {on} {{
      layer s1: [2, 4, 4] {activation}
      layer s2: [3] {activation}
      u -> s1
      s1 <-> s2 : {chain} flatten() |> linear()
      {more}
    }}
    out = s2
  }}
  readout logits = b
  loss = cross_entropy(logits, y)
}}
"""

CHOSEN = "solver auto: plain or over-relaxed, by sample"
OWN = "solver auto: plain (a layer acts on itself)"
STRETCHED = "solver auto: over-relaxed by 1.5"
MIXED = "solver auto: anderson(memory=2)"
GIVEN = {
    "tolerance": "1e-4",
    "nudged": "1e-4",
    "free": "",
    "energy": "hopfield",
    "activation": "hard_sigmoid",
    "on": "",
    "chain": "",
    "more": "",
}


@pytest.mark.parametrize(
    ("parts", "free", "nudged"),
    [
        ({}, CHOSEN, CHOSEN),
        ({"nudged": "0"}, CHOSEN, "solver auto: plain (no tolerance)"),
        (
            {"tolerance": "0"},
            "solver auto: plain (no tolerance)",
            "solver auto: plain (as the free phase is)",
        ),
        ({"free": "damping = 0.2"}, "", "solver auto: plain (as the free phase is)"),
        ({"free": "over_relaxation = 1.2"}, "", "solver auto: plain (as the free phase is)"),
        (
            {"free": "solver = anderson(memory=2)"},
            "solver anderson(memory=2)",
            "solver auto: plain (as the free phase is)",
        ),
        ({"free": "solver = plain"}, "solver plain", "solver auto: plain (as the free phase is)"),
        (
            {"free": "order = synchronous"},
            "solver auto: plain (coupled layers move together)",
            "solver auto: plain (as the free phase is)",
        ),
        ({"on": "on noisy"}, *["solver auto: plain (noise)"] * 2),
        ({"more": "s2 <-> s2 : linear()"}, OWN, OWN),
        ({"more": "s2 : memory(12)"}, STRETCHED, STRETCHED),
        (
            {"more": "s2 : memory(12)", "nudged": "0"},
            STRETCHED,
            "solver auto: plain (no tolerance)",
        ),
        ({"chain": "softmax_pool2d(2) |>"}, MIXED, MIXED),
        (
            {"chain": "softmax_pool2d(2) |>", "nudged": "0"},
            MIXED,
            "solver auto: plain (no tolerance)",
        ),
        ({"chain": "softmax_pool2d(2) |>", "free": "damping = 0.2"}, "", MIXED),
        ({"chain": "softmax_pool2d(2) |>", "more": "s2 : memory(12)"}, OWN, OWN),
        ({"chain": "softmax_pool2d(2) |>", "on": "on noisy"}, *["solver auto: plain (noise)"] * 2),
        ({"energy": "oscillator", "activation": "angle"}, STRETCHED, STRETCHED),
        (
            {"energy": "oscillator", "activation": "angle", "more": "s2 <-> s2 : linear()"},
            *[OWN] * 2,
        ),
        (
            {"energy": "oscillator", "activation": "angle", "free": "order = synchronous"},
            "solver auto: plain (coupled layers move together)",
            STRETCHED,
        ),
        ({"chain": "max_pool2d(2) |>"}, *["solver auto: plain (live max pooling)"] * 2),
        ({"chain": "max_pool2d(2) |>", "free": "routing = frozen(after=4)"}, CHOSEN, CHOSEN),
    ],
)
def test_what_is_shown_is_what_is_built(parts: dict[str, str], free: str, nudged: str) -> None:
    spec = compile_spec(SourceFile("m.ffe", SPEC.format(**GIVEN | parts))).spec
    (block,) = spec.model.blocks
    noises = {device.name: device.arguments["noise"] for device in spec.hardware}
    words = [
        solver_in_words(block, relax, noises.get(block.hardware, ()))
        for relax in (block.free, block.nudged)
    ]
    assert words == [free, nudged]
    if "max_pool2d" not in parts.get("chain", ""):  # what is live is known as it relaxes
        settings = build(spec).blocks[0].core.settings
        built = [p.solver.fitted(p) for p in (settings.free, settings.nudged)]
        assert isinstance(built[0], Auto) == (free == CHOSEN)
        assert isinstance(built[1], Auto) or nudged != CHOSEN
        factors = [getattr(solver, "factor", 1.0) for solver in built]
        assert factors == [
            STEPWISE_FACTOR if words == STRETCHED else 1.0 for words in (free, nudged)
        ]
        kept = [solver.memory if isinstance(solver, Mixed) else 0 for solver in built]
        assert kept == [MIXED_MEMORY if words == MIXED else 0 for words in (free, nudged)]


class Unstated(HopfieldEnergy):
    """An energy of an extension that does not say how it may be accelerated."""

    acceleration = Energy.acceleration


def test_an_energy_that_states_no_acceleration_is_swept_plainly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stated = ENERGIES["hopfield"]
    for kept in ("_entries", "_read"):  # restored after the test
        monkeypatch.setattr(ENERGIES, kept, dict(getattr(ENERGIES, kept)))
    own = EnergyConstruct("unstated", stated.doc, equation=stated.equation, make=Unstated)
    register(own, "energies")
    text = SPEC.format(**GIVEN | {"energy": "unstated"})
    spec = compile_spec(SourceFile("m.ffe", text)).spec
    (block,) = spec.model.blocks
    words = solver_in_words(block, block.free, ())
    assert words == "solver auto: plain (energy unstated states no acceleration)"
    settings = build(spec).blocks[0].core.settings
    assert isinstance(settings.free.solver.fitted(settings.free), Sweeps)
