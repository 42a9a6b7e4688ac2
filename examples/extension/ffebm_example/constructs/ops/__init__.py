"""Ops of maps, couplings and drives."""
