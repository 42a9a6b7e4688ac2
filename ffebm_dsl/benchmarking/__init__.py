"""What a training step costs: time against the convolution floor, memory, sweeps."""

from ffebm_dsl.benchmarking.bench import Bench, BenchSettings, Spread, StepCost, bench
from ffebm_dsl.benchmarking.floor import Floor, floor
from ffebm_dsl.benchmarking.memory import peak_bytes

__all__ = [
    "Bench",
    "BenchSettings",
    "Floor",
    "Spread",
    "StepCost",
    "bench",
    "floor",
    "peak_bytes",
]
