"""Constructs, a folder for each table."""
