"""Initialisers of weights."""
