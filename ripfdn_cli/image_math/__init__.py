"""Arithmetic on arrays of pixels, in NumPy only."""
