"""Names bound, templates expanded, values worked out: syntax tree to resolved spec."""
