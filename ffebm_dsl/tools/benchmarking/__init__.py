"""Costs of a training step: time relative to the convolution floor, memory, sweeps."""

from ffebm_dsl.tools.benchmarking.backprop import feedforward
from ffebm_dsl.tools.benchmarking.floor import floor
from ffebm_dsl.tools.benchmarking.peak_memory import peak_bytes
from ffebm_dsl.tools.benchmarking.step_costs import Bench, BenchSettings, Spread, bench

__all__ = [
    "Bench",
    "BenchSettings",
    "Spread",
    "bench",
    "feedforward",
    "floor",
    "peak_bytes",
]
