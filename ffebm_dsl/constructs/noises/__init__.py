"""What accelerates the sweeps of a relaxation."""
