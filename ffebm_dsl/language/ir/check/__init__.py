"""Shape inference and the checks of a resolved spec."""
