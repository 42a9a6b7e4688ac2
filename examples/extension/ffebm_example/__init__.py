"""Constructs for ffebm that an installed package brings."""
