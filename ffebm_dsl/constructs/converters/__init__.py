"""Converters between the digital and the analog side."""
