"""Ways to run the network, the protocol they share, and which one is chosen."""
