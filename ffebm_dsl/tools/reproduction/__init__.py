"""``ffebm verify``: a short training compared with the one that a spec has on file."""
