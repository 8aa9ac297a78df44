"""Picture files: pixels, depth, alpha, profiles and metadata, read and written."""
