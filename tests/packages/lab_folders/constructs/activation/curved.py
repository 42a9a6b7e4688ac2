"""In a folder that is not a table."""
