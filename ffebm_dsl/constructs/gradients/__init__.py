"""Gradient estimators of energy blocks."""
