"""Ops of feedforward maps, couplings and readouts. Names and arguments follow PyTorch."""
