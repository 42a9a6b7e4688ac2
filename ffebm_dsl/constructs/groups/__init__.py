"""Parts of a model with settings of their own."""
