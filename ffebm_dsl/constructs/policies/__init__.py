"""What is done about a step whose numbers go wrong."""
