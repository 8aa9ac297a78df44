"""The network: its dimensions and tile grid, checkpoints, and weights by name."""
