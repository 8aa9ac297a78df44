"""The one writer of files: a final name holds either what it held before or the whole new file, never half of
one.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ripfdn_cli.errors import OutputError

TEMPORARY_PREFIX = ".ripfdn-"
"""Files whose name starts so are unfinished writes of a run that was killed; they can be deleted."""


def write_bytes(path: Path, data: bytes, *, overwrite: bool = True) -> None:
    """Write `data` under `path` in one step: temporary sibling, fsync, rename, fsync of the folder.

    Raises OutputError naming `path` where that can't be done; what was under `path` before then is untouched.
    With `overwrite=False` an existing `path` is an OutputError too, even one that appeared a moment ago.
    """
    with replacing(path, overwrite=overwrite) as stream:
        stream.write(data)


@contextmanager
def replacing(path: Path, *, overwrite: bool = True) -> Iterator[IO[bytes]]:
    """A binary stream whose content appears under `path` when the block ends without an exception.

    On an exception `path` keeps what it had. Errors of the file system become OutputError.
    """
    try:
        with _temporary_sibling(path) as (stream, temporary):
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
            _publish(temporary, path, overwrite)
    except OSError as error:
        raise output_error(path, error) from error


def output_error(path: Path, error: OSError) -> OutputError:
    """The OutputError that tells a user why `path` can't be written."""
    if isinstance(error, FileExistsError):
        return OutputError(f"{path} exists already; choose another name, or pass --overwrite")
    reason = error.strerror or str(error) or type(error).__name__
    return OutputError(
        f"can't write {path}: {reason}; check the folder's space and permissions, or choose another"
    )


@contextmanager
def _temporary_sibling(path: Path) -> Iterator[tuple[IO[bytes], Path]]:
    stream = tempfile.NamedTemporaryFile(  # noqa: SIM115 - closed below, whatever happens
        dir=path.parent, prefix=TEMPORARY_PREFIX, suffix=".tmp", delete=False
    )
    temporary = Path(stream.name)
    try:
        yield stream, temporary
    finally:
        with suppress(
            OSError
        ):  # a full disk fails the close's flush too; the first error is the one to report
            stream.close()
        temporary.unlink(missing_ok=True)


def _publish(temporary: Path, path: Path, overwrite: bool) -> None:
    temporary.chmod(_mode_of(path))
    if overwrite:
        temporary.replace(path)
    else:
        # link() fails where the name exists, which rename() does not.
        os.link(temporary, path)
    _fsync_folder(path.parent)


def _mode_of(path: Path) -> int:
    """Permissions of the file that is replaced, else those that open() would give."""
    if path.exists():
        return path.stat().st_mode & 0o777
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _fsync_folder(folder: Path) -> None:
    if os.name == "nt":  # Windows can't open folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
