"""Terms of one layer of an energy."""
