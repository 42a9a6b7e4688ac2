"""What joins layers to each other and to ports, and the keys of its settings."""
