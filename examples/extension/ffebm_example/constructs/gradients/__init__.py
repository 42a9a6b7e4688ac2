"""Gradient estimators."""
