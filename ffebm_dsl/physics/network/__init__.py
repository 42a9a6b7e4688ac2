"""Energy blocks as torch modules, and the chain of maps and blocks that a spec describes."""

from ffebm_dsl.physics.network.block import BlockSettings, EnergyBlock
from ffebm_dsl.physics.network.hybrid_network import (
    Auxiliary,
    HybridBlock,
    HybridNetwork,
    Inputs,
    LossTerm,
    MapWiring,
    Outcome,
    Probe,
    Wiring,
    label,
)
from ffebm_dsl.physics.network.initialise import Draw, initialise
from ffebm_dsl.physics.network.phase_report import PhaseReport

__all__ = [
    "Auxiliary",
    "BlockSettings",
    "Draw",
    "EnergyBlock",
    "HybridBlock",
    "HybridNetwork",
    "Inputs",
    "LossTerm",
    "MapWiring",
    "Outcome",
    "PhaseReport",
    "Probe",
    "Wiring",
    "initialise",
    "label",
]
