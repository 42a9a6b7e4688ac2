"""What a training step costs: time against the convolution floor, memory, sweeps, accuracy."""

from ffebm_dsl.tools.benchmarking.accuracy import Accuracy, Nearness, accuracy, gradients, nearness
from ffebm_dsl.tools.benchmarking.bench import Bench, BenchSettings, Spread, StepCost, bench
from ffebm_dsl.tools.benchmarking.floor import Floor, floor
from ffebm_dsl.tools.benchmarking.memory import peak_bytes

__all__ = [
    "Accuracy",
    "Bench",
    "BenchSettings",
    "Floor",
    "Nearness",
    "Spread",
    "StepCost",
    "accuracy",
    "bench",
    "floor",
    "gradients",
    "nearness",
    "peak_bytes",
]
