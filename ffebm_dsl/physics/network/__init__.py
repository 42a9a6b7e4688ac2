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
from ffebm_dsl.physics.network.formats import in_full_precision, lowered, remarks
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
    "in_full_precision",
    "initialise",
    "label",
    "lowered",
    "mse",
    "remarks",
]
