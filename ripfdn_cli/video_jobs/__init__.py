"""A video's way: planned, upscaled in segments that survive a crash, joined, checked."""
