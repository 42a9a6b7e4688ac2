"""``ffebm verify``: a short training compared with the reference of its spec."""
