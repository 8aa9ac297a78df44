"""Pictures' way, one or a million: planned, upscaled, written, resumed."""
