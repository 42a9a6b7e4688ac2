"""Sweeps and searches over the settings of a spec, and comparison of their runs."""
