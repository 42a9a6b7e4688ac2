"""Random changes of a batch in training."""
