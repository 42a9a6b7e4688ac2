"""What a training step costs: time against the convolution floor, memory, sweeps."""

from ffebm_dsl.tools.benchmarking.backprop import feedforward
from ffebm_dsl.tools.benchmarking.bench import Bench, BenchSettings, Spread, StepCost, bench
from ffebm_dsl.tools.benchmarking.floor import Floor, floor
from ffebm_dsl.tools.benchmarking.memory import peak_bytes

__all__ = [
    "Bench",
    "BenchSettings",
    "Floor",
    "Spread",
    "StepCost",
    "bench",
    "feedforward",
    "floor",
    "peak_bytes",
]
