"""How much memory this machine has to give."""

import os
import sys
from contextlib import suppress
from pathlib import Path

_LARGEST_DEFAULT = 4 * 2**30
"""Bytes. Larger tiles than these bring little: the halo is then under a seventh of the work."""
_ASSUMED = 8 * 2**30
"""Bytes, of a machine that doesn't say what it has."""
_CONTAINER_LIMIT = Path("/sys/fs/cgroup/memory.max")


def default_memory() -> int:
    """Bytes that tiles may take where the user names no budget: a quarter of the machine's memory, or of the
    container's where it is limited, and at most 4 GiB.
    """
    return min(_LARGEST_DEFAULT, machine_memory() // 4)


def machine_memory() -> int:
    """Bytes of memory that this process could have at the most."""
    return min(_physical_memory(), _container_limit())


def _physical_memory() -> int:
    if sys.platform != "win32":
        with suppress(ValueError, OSError):
            return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return _ASSUMED


def _container_limit() -> int:
    with suppress(OSError, ValueError):  # no cgroup, or "max"
        return int(_CONTAINER_LIMIT.read_text())
    return 2**63
