"""Views of an IR: counts, plain data, notation, places in the text."""
