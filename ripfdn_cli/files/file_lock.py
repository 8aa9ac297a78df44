"""A lock that one process holds at a time, on every platform, and that a killed process holds no longer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ripfdn_cli.errors import UsageError
from ripfdn_cli.files.atomic_file import output_error
from ripfdn_cli.files.storage import make_folder


@contextmanager
def locked(path: Path, *, busy: str, seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock file `path`, which is made where it isn't there, its folder too.

    Raises UsageError with the message `busy` where another process holds it and doesn't let go within
    `seconds`, OutputError where it can't be made.
    """
    lock = FileLock(path, thread_local=False)
    make_folder(path.parent)
    try:
        lock.acquire(timeout=seconds)
    except Timeout as error:
        raise UsageError(busy) from error
    except OSError as error:
        raise output_error(path, error) from error
    try:
        yield
    finally:
        lock.release()
