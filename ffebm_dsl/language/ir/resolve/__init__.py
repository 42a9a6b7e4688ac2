"""Syntax tree to resolved spec: names bound, templates expanded, expressions evaluated."""
