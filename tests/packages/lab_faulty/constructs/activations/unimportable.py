"""A file that cannot be imported."""

raise ImportError("no module named lab_drivers")
