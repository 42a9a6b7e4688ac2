"""Solvers of relaxations."""
