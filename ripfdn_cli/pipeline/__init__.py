"""What pictures and videos share on their way through the network."""
