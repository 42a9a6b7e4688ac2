"""Energy blocks as torch modules, and the chain of maps and blocks that a spec describes."""

from ffebm_dsl.physics.network.block import EnergyBlock, LossScale, PhaseReport
from ffebm_dsl.physics.network.chain import (
    HybridBlock,
    HybridNetwork,
    MapWiring,
    Outcome,
    Probe,
    Wiring,
    cross_entropy,
    label,
    mse,
)
from ffebm_dsl.physics.network.initialise import INITIALISERS, initialise

__all__ = [
    "INITIALISERS",
    "EnergyBlock",
    "HybridBlock",
    "HybridNetwork",
    "LossScale",
    "MapWiring",
    "Outcome",
    "PhaseReport",
    "Probe",
    "Wiring",
    "cross_entropy",
    "initialise",
    "label",
    "mse",
]
