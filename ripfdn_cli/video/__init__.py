"""Video files: frames, timing, colour, every other stream, and encoders."""
