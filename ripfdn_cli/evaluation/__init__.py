"""Scores, speed and reports of a network on data sets."""
