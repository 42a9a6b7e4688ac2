"""In a folder that is no table."""
