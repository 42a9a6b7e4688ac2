"""What is read off an IR: counts, plain data, notation, places in the text."""
