"""Energies of analog blocks: couplings, phi, and the update rules they imply."""

from ffebm_dsl.physics.energy.constraints import (
    keep_nonnegative,
    keep_zero_diagonal,
    project,
    project_after,
    projections,
    release,
)
from ffebm_dsl.physics.energy.energy import Energy
from ffebm_dsl.physics.energy.hopfield import HopfieldEnergy
from ffebm_dsl.physics.energy.op_chain import Coupling, Drive, OpChain
from ffebm_dsl.physics.energy.oscillator import OscillatorEnergy
from ffebm_dsl.physics.energy.resistive import ResistiveEnergy
from ffebm_dsl.physics.energy.terms import LayerTerm
from ffebm_dsl.physics.energy.weights import OpWeights

__all__ = [
    "Coupling",
    "Drive",
    "Energy",
    "HopfieldEnergy",
    "LayerTerm",
    "OpChain",
    "OpWeights",
    "OscillatorEnergy",
    "ResistiveEnergy",
    "keep_nonnegative",
    "keep_zero_diagonal",
    "project",
    "project_after",
    "projections",
    "release",
]
