"""The physics: energies, their relaxation to equilibrium, gradients, and networks of them."""
