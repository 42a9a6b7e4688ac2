"""Devices: programmed weights, converters, and the draws that make one device of its kind."""

from ffebm_dsl.physics.hardware.device import Device
from ffebm_dsl.physics.hardware.quantise import quantise

__all__ = ["Device", "quantise"]
