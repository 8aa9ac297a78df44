"""The one writer of files: a final name holds either what it held before or the whole new file, never half of
one.
"""

import errno
import os
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from ripfdn_cli.errors import DiskFullError, OutputError

if sys.platform != "win32":  # where an open file can't be deleted anyway
    import fcntl

TEMPORARY_PREFIX, TEMPORARY_SUFFIX = ".ripfdn-", ".tmp"
"""Files whose name starts and ends so are unfinished writes: of a run that was killed, unless one is at it
now, which `remove_stale_temporaries` knows.
"""
_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
_KINDS = {
    stat.S_IFREG: "a file",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
}
_umask_lock = threading.Lock()

BeforePublish = Callable[[os.stat_result], None]
"""Called with the status of the whole, synced file just before it gets its final name."""


def write_bytes(
    path: Path, data: bytes, *, overwrite: bool = True, before_publish: BeforePublish | None = None
) -> None:
    """Write `data` under `path` in one step: temporary sibling, fsync, rename, fsync of the folder.

    Raises OutputError naming `path` where that can't be done, DiskFullError where there is no space; what was
    under `path` before then is untouched. With `overwrite=False` an existing `path` is an OutputError too,
    even one that appeared a moment ago. The file keeps size and modification time that `before_publish` saw.
    """
    with replacing(path, overwrite=overwrite, before_publish=before_publish) as stream:
        stream.write(data)


@contextmanager
def replacing(
    path: Path, *, overwrite: bool = True, before_publish: BeforePublish | None = None
) -> Iterator[IO[bytes]]:
    """A binary stream whose content appears under `path` when the block ends without an exception.

    On an exception `path` keeps what it had. Errors of the file system become OutputError.
    """
    _check_kinds(path)
    try:
        with _temporary_sibling(path) as (stream, temporary):
            yield stream
            stream.flush()
            temporary.chmod(_mode_of(path))
            os.fsync(stream.fileno())
            if before_publish is not None:
                before_publish(os.fstat(stream.fileno()))
            if os.name == "nt":  # which can't rename an open file
                stream.close()
            _publish(temporary, path, overwrite)
    except OSError as error:
        raise output_error(path, error) from error


def publish(whole: Path, path: Path, *, overwrite: bool = True) -> None:
    """Give the finished file `whole`, on the same file system, its name `path` in one step, synced.

    Raises OutputError, with `overwrite=False` for a `path` that exists too; then `whole` stays.
    """
    try:
        with whole.open("rb+") as stream:
            os.fsync(stream.fileno())
        whole.chmod(_mode_of(path))
        _publish(whole, path, overwrite)
        whole.unlink(missing_ok=True)
    except OSError as error:
        raise output_error(path, error) from error


def check_writable(path: Path, *, overwrite: bool = True, in_new_folder: bool = True) -> None:
    """Raises OutputError where a file can't be written to `path`: for what comes before minutes of work. With
    `in_new_folder`, its folder may be made later, and the one that it would be made in counts.
    """
    _check_kinds(path)
    if not in_new_folder and not path.parent.is_dir():
        raise output_error(path, FileNotFoundError(errno.ENOENT, "there is no such folder"))
    if not overwrite and os.path.lexists(path):
        raise output_error(path, FileExistsError())
    folder = next((parent for parent in path.absolute().parents if os.path.lexists(parent)), path.parent)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise output_error(path, error) from error


def kind_of(mode: int) -> str:
    """What a file's mode (`st_mode`) says it is: "a file", "a folder", "a device" and so on."""
    return _KINDS.get(stat.S_IFMT(mode), "something else")


def _check_kinds(path: Path) -> None:
    """Raises OutputError where `path` is there and not a file, or lies in what is not a folder. A new file
    would take the place of a device, for everyone on the machine.
    """
    if (kind := _kind_at(path)) not in (None, "a file"):
        raise OutputError(f"can't write {path}: it is {kind}, not a file; choose another name")
    around = next((folder for folder in path.absolute().parents if os.path.lexists(folder)), None)
    if around is not None and (kind := _kind_at(around)) not in (None, "a folder"):
        raise OutputError(f"can't write {path}: {around} is {kind}, not a folder; choose another name")


def _kind_at(path: Path) -> str | None:
    try:
        return kind_of(path.stat().st_mode)
    except OSError:  # nothing there, or nothing that may be looked at: writing to it will tell
        return None


def remove_stale_temporaries(folder: Path) -> int:
    """Delete what killed runs left half-written in `folder`; how many files that were.

    A file that a live process is writing is locked by it, and stays. Files that can't be deleted stay too.
    """
    removed = 0
    with suppress(OSError):
        for entry in list(os.scandir(folder)):
            if entry.name.startswith(TEMPORARY_PREFIX) and entry.name.endswith(TEMPORARY_SUFFIX):
                with suppress(OSError):
                    removed += _remove_unlocked(Path(entry.path))
    return removed


def output_error(path: Path, error: OSError) -> OutputError:
    """The OutputError that tells a user why `path` can't be written."""
    if isinstance(error, FileExistsError):
        return OutputError(f"{path} exists already; choose another name, or pass `overwrite`")
    if error.errno in _FULL:
        return DiskFullError(f"can't write {path}: {error.strerror}; free some space, and run it again")
    reason = error.strerror or str(error) or type(error).__name__
    return OutputError(
        f"can't write {path}: {reason}; check the folder's space and permissions, or choose another"
    )


@contextmanager
def _temporary_sibling(path: Path) -> Iterator[tuple[IO[bytes], Path]]:
    stream = _locked_temporary(path.parent)
    temporary = Path(stream.name)
    try:
        yield stream, temporary
    finally:
        with suppress(OSError):  # a full disk fails the close's flush too; the first error is reported
            stream.close()
        temporary.unlink(missing_ok=True)


def _locked_temporary(folder: Path) -> IO[bytes]:
    """A new file that `remove_stale_temporaries` leaves alone for as long as it is open."""
    while True:
        stream: IO[bytes] = tempfile.NamedTemporaryFile(  # noqa: SIM115 - the caller closes it
            dir=folder, prefix=TEMPORARY_PREFIX, suffix=TEMPORARY_SUFFIX, delete=False
        )
        if _lock(stream.fileno()):
            return stream
        # Someone took it for stale between its creation and its lock, and has it open to delete it.
        stream.close()


def _lock(descriptor: int) -> bool:
    """Lock the open file. True where the file system knows no locks; False where another has it, or it has no
    name any more.
    """
    named = True
    if sys.platform != "win32":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        named = os.fstat(descriptor).st_nlink > 0
    return named


def _remove_unlocked(path: Path) -> bool:
    if sys.platform != "win32":
        with path.open("rb+") as stream:
            if not _lock(stream.fileno()):
                return False
            path.unlink()
    else:
        path.unlink()
    return True


def _publish(temporary: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
    else:
        _rename_to_new(temporary, path)
    _fsync_folder(path.parent)


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename unless `path` exists: link() fails then, which rename() does not (but on Windows)."""
    if sys.platform == "win32":
        temporary.rename(path)
    else:
        try:
            os.link(temporary, path)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # A file system without links (FAT, some network shares): as near as it gets.
            if os.path.lexists(path):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST)) from error
            temporary.replace(path)


def _mode_of(path: Path) -> int:
    """Permissions of the file that is replaced, else those that open() would give."""
    if path.exists():
        return path.stat().st_mode & 0o777
    with _umask_lock:  # which belongs to the whole process, and can't be read without being set
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
