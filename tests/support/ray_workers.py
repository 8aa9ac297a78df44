"""Processes of a Ray cluster on this machine, for tests that kill them."""

from pathlib import Path


def ray_workers(name: str) -> list[int]:
    """Process ids of this machine's Ray workers whose class is `name`."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdecimal():
            try:
                command = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if command.startswith(f"ray::{name}".encode()):
                found.append(int(process.name))
    return found
