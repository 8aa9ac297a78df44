"""Files that are whole or not there, paths and object stores alike, and append-only logs."""
