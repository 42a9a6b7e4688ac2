"""Kinds of energy."""
