"""The command `ripfdn`: one module for each of its commands."""
