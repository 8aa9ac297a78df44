"""The same jobs on the machines of a cluster."""
