"""Solvers, which accelerate the sweeps of a relaxation."""
