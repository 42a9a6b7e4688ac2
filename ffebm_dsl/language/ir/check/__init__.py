"""Shapes inferred and compared, and what a spec cannot mean."""
