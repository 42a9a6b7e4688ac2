"""Many runs of one spec: what a sweep trains, and what its runs show together."""
