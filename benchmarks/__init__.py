"""Benchmarks. They are not imported by ffebm, and no test asserts their times."""
