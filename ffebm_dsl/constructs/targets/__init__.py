"""What a network is to predict."""
