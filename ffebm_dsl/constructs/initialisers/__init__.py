"""How weights are drawn."""
