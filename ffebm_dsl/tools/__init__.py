"""Tools around a network: checking, measuring, comparing, drawing, editing, reporting."""
