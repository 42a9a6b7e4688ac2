"""Learning rates over epochs."""
