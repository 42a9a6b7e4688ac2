"""Comparison of two specs: whether they are the same network, possibly split differently."""
