"""Costs of a training step: time relative to the convolution floor, memory, sweeps."""
