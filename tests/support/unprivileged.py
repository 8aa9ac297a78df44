"""Tests of permissions where the tests run as root, who may read everything."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def as_nobody(*places: Path) -> Iterator[None]:
    """A block as a user who may read what everybody may; all users may reach `places` meanwhile."""
    with ExitStack() as stack:
        if os.geteuid() == 0:
            for folder in {parent for place in places for parent in place.absolute().parents}:
                mode = folder.stat().st_mode
                if mode & 0o005 != 0o005:
                    stack.callback(folder.chmod, mode & 0o7777)
                    folder.chmod(mode & 0o7777 | 0o055)
            stack.callback(os.seteuid, 0)
            os.seteuid(_NOBODY)
        yield
