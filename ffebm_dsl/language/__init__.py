"""The language: from text to a resolved network, without torch."""
