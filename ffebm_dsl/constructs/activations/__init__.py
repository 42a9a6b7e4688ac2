"""Activations of the layers of energy blocks."""
