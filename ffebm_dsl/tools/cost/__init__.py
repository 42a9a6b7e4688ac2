"""Cost of a network in joules and seconds, at published prices."""
