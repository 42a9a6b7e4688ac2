"""Devices: programmed weights and converters, with their random imperfections."""

from ffebm_dsl.physics.hardware.device import Device
from ffebm_dsl.physics.hardware.quantise import quantise

__all__ = ["Device", "quantise"]
