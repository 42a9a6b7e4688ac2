"""Measurements. Nothing here is imported by ffebm or asserted by a test of speed."""
