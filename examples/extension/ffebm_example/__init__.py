"""Constructs for ffebm in an installed package."""
