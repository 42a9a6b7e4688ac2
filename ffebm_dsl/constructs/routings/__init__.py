"""How max pooling in couplings chooses."""
