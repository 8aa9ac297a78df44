"""Where pictures lie: files, and objects in stores that fsspec knows by a URL (s3://, gs://, memory:// …).

Files go through `atomic_file`. In a store an object appears under its name in one step, too: most put objects
atomically, and in the others it is written under a temporary name and renamed.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, cast
from urllib.parse import unquote

from ripfdn_cli.errors import InputError, OutputError, RipfdnError, UnavailableError, UsageError
from ripfdn_cli.files.atomic_file import (
    TEMPORARY_PREFIX,
    TEMPORARY_SUFFIX,
    check_writable,
    kind_of,
    output_error,
    remove_stale_temporaries,
    write_bytes,
)

Location: TypeAlias = Path
"""A Path, or for a URL a UPath: not a subclass, and with the methods of one."""

ATOMIC_STORES = frozenset(
    {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "oci", "hf", "r2", "memory"}
)
"""Protocols of stores where an object is there whole or not at all."""
_STALE_SECONDS = 24 * 3600
"""Temporary objects older than this are of runs that died: nobody can hold a lock on them."""
_LOCAL = ("file", "local")
UNKNOWN_SIZE = -1
_TIMES = ("LastModified", "Last-Modified", "mtime", "modified", "last_modified", "updated", "created")
"""What fsspec's file systems call the time of an object's last change."""


@dataclass(frozen=True)
class Stamp:
    """What tells one content of a file or object from another: `size` in bytes (`UNKNOWN_SIZE` where a store
    doesn't say) and modification time (ns), or what its store calls it (`etag`), or, where the store says
    neither or was not asked yet, the MD5 of what it holds.
    """

    size: int
    mtime_ns: int = 0
    etag: str = ""
    md5: str = ""

    @property
    def tells(self) -> bool:
        """Whether another content would have another stamp; its size alone doesn't tell."""
        return bool(self.mtime_ns or self.etag or self.md5)


Record = Callable[[Stamp], None]
"""Called with the stamp of a new content just before it gets its name; in a store once more after that, where
the store's own stamp tells more.
"""


StampOf = Callable[[Location], Stamp | None]


def is_url(name: str) -> bool:
    """Whether `name` has a scheme, as s3://."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", name) is not None


def path_of_url(url: str) -> Path | None:
    """The path that `url` is for, percent-encoded; None for one of a store. Raises UsageError for a file of
    another machine.
    """
    scheme, _, rest = url.partition("://")
    if scheme.lower() not in _LOCAL:
        return None
    host, slash, path = rest.partition("/")
    if host.lower() not in ("", "localhost") or not slash:
        raise UsageError(
            f"{url} names a file of the machine {host!r}, which can't be read; write file:///folder/name, or "
            "the path by itself"
        )
    return Path(unquote(slash + path))


def location(name: str) -> Location:
    """What a user's `name` means: a path, or a URL. Raises UnavailableError, UsageError."""
    if not name:
        raise UsageError("a name is empty; name a file or folder, or write . for the current folder")
    if not is_url(name):
        return Path(name)
    if (path := path_of_url(name)) is not None:
        return path
    try:
        from upath import UPath

        place = UPath(name)
        place.fs.invalidate_cache()  # which makes the file system: what it needs is missing now, not later
    except ImportError as error:
        reason = " ".join(str(error).split())
        raise UnavailableError(
            f"{name}: this needs a package that is not installed ({reason}); pip install "
            "'ripfdn-cli[remote]' installs those for S3, other stores need their own"
        ) from error
    except (ValueError, TypeError) as error:
        raise UsageError(f"{name}: {' '.join(str(error).split())}; write it as s3://bucket/folder") from error
    return cast(Path, place)


def is_remote(place: Location) -> bool:
    """Whether `place` lies in an object store."""
    return not isinstance(place, Path)


def is_folder(place: Location) -> bool:
    """Whether `place` is there and a folder. Raises InputError where a store can't say."""
    if is_remote(place):
        with _reading(place):
            return bool(_store(place).isdir(_path(place)))
    try:
        return place.is_dir()
    except PermissionError:  # of a folder around it
        return False


def stamp_of(place: Location) -> Stamp | None:
    """None where there is nothing that can be looked at."""
    try:
        if is_remote(place):
            return _stamp_of_info(_store(place).info(_path(place)))
        return stamp_of_status(place.stat())
    except OSError:
        return None


def stamp_of_read(place: Location, content: bytes, stamp: Stamp | None) -> Stamp | None:
    """The stamp of an input whose `content` was read after `stamp_of` gave its `stamp`: of the content where
    the store has nothing to tell it by.
    """
    if stamp is None or stamp.tells or not is_remote(place):
        return stamp
    return _stamp_of_content(content)


def stamp_of_status(status: os.stat_result) -> Stamp:
    """The stamp of a local file."""
    return Stamp(status.st_size, status.st_mtime_ns)


def check_publishable(place: Location, *, overwrite: bool, in_new_folder: bool = False) -> None:
    """Raises OutputError where `publish` to `place` would fail, as far as can be known before the work: in a
    folder that is there, or, with `in_new_folder`, one that is made for it.
    """
    if not is_remote(place):
        check_writable(place, overwrite=overwrite, in_new_folder=in_new_folder)
    elif not overwrite and stamp_of(place) is not None:
        raise OutputError(f"{place} exists already; choose another name, or pass `overwrite`")


def read_object(place: Location, most: int) -> bytes:
    """The content of an object of at most `most` bytes; of a longer one that much and a byte. Raises
    InputError.
    """
    with _reading(place):
        content: bytes = _store(place).cat_file(_path(place), start=0, end=most + 1)
        return content


def walk_objects(folder: Location) -> dict[str, Stamp]:
    """Stamps of all objects below `folder`, at any depth, by their paths from there, sorted.

    Raises InputError.
    """
    with _reading(folder):
        place = _path(folder).rstrip("/")
        try:
            found: dict[str, dict[str, Any]] = _store(folder).find(place, detail=True, refresh=True)
        except FileNotFoundError:
            return {}
        # Folders that web consoles make are objects whose names end with a slash.
        return {
            name[len(place) :].lstrip("/"): _stamp_of_info(info)
            for name, info in sorted(found.items())
            if info["type"] == "file" and not name.endswith("/") and len(name) > len(place)
        }


def read_objects(folder: Location, names: Iterable[str]) -> dict[str, bytes]:
    """Contents of small objects below `folder`, read side by side where the store can. Raises InputError."""
    paths = {f"{_path(folder).rstrip('/')}/{name}": name for name in names}
    if not paths:
        return {}
    with _reading(folder):
        contents = _store(folder).cat(list(paths))
        return {paths[path]: content for path, content in contents.items()}


def publish(place: Location, content: bytes, *, overwrite: bool, record: Record | None = None) -> None:
    """Make `content` appear as `place` in one step; what was there before stays where that fails.

    With `overwrite=False` something that is there already is an error. Raises OutputError.
    """
    if not is_remote(place):

        def before_publish(status: os.stat_result) -> None:
            if record is not None:
                record(stamp_of_status(status))

        write_bytes(place, content, overwrite=overwrite, before_publish=before_publish)
        return
    announced = _stamp_of_content(content)
    if record is not None:
        record(announced)
    with _writing(place):
        _put(place, content, overwrite)
        if record is None:
            return
        stamp = _stamp_of_info(_store(place).info(_path(place)))
    if stamp.etag != announced.md5:
        record(stamp)


def matches(recorded: Stamp, current: Stamp | None, place: Location) -> bool:
    """Whether `place`, whose stamp is `current` now, holds what was `recorded`. It is read where the record
    knows no more than its MD5.
    """
    if current is None or current.size not in (recorded.size, UNKNOWN_SIZE):
        return False
    if recorded.md5:
        return current.etag == recorded.md5 or _md5_of(place, recorded.size) == recorded.md5
    if is_remote(place) and not recorded.tells:
        return False
    return (current.mtime_ns, current.etag) == (recorded.mtime_ns, recorded.etag)


def make_folder(folder: Location) -> None:
    """Raises OutputError."""
    if is_remote(folder):
        if _protocol(folder) not in ATOMIC_STORES:  # which know no folders, and might make a bucket instead
            with _writing(folder):
                _store(folder).makedirs(_path(folder), exist_ok=True)
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        kind = kind_of(folder.stat().st_mode)
        raise OutputError(f"{folder} is {kind}, not a folder; choose another name") from error
    except OSError as error:
        raise output_error(folder, error) from error


def remove_stale(folder: Location) -> None:
    """Delete what killed runs left half-written in `folder`; what can't be deleted stays."""
    if not is_remote(folder):
        remove_stale_temporaries(folder)
    elif _protocol(folder) not in ATOMIC_STORES:
        with suppress(Exception):
            for info in _store(folder).ls(_path(folder), detail=True):
                stamp, name = _stamp_of_info(info), PurePosixPath(info["name"]).name
                temporary = name.startswith(TEMPORARY_PREFIX) and name.endswith(TEMPORARY_SUFFIX)
                if temporary and 0 < stamp.mtime_ns < time.time_ns() - _STALE_SECONDS * 10**9:
                    _store(folder).rm_file(info["name"])


def below(place: Location, folder: Location) -> str:
    """The path of `place` from `folder`."""
    if is_remote(place):
        return str(place).removeprefix(str(folder)).lstrip("/")
    return os.path.relpath(place, folder)


def full_name(place: Location) -> str:
    """A name that means the same from any folder."""
    return str(place) if is_remote(place) else str(place.absolute())


class Snapshot:
    """Stamps as they are when they are asked for; of what lies in stores as it was when its folder was
    listed, which takes one request for a thousand objects instead of one for each.
    """

    def __init__(self, folders: Iterable[Location] = ()) -> None:
        self._listed = {
            str(folder).rstrip("/") + "/": walk_objects(folder) for folder in folders if is_remote(folder)
        }

    def stamp_of(self, place: Location) -> Stamp | None:
        """As `stamp_of`, from the listing where there is one."""
        if is_remote(place):
            name = str(place)
            for folder, stamps in self._listed.items():
                if name.startswith(folder):
                    stamp = stamps.get(name.removeprefix(folder))
                    # Listings of web servers have names only.
                    return stamp if stamp is None or stamp.tells else stamp_of(place)
        return stamp_of(place)


def _put(place: Location, content: bytes, overwrite: bool) -> None:
    store, path = _store(place), _path(place)
    if _protocol(place) in ATOMIC_STORES:
        store.pipe_file(path, content, mode="overwrite" if overwrite else "create")
        return
    temporary = _path(place.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}{TEMPORARY_SUFFIX}")
    try:
        store.pipe_file(temporary, content)
        if not overwrite and store.exists(path):
            raise FileExistsError(path)
        store.mv(temporary, path)
    except BaseException:
        with suppress(Exception):
            store.rm_file(temporary)
        raise


def _store(place: Location) -> Any:
    """The fsspec file system that `place`, a URL, is in. What it remembers of listings is forgotten: others
    write there, too.
    """
    store = cast(Any, place).fs
    store.invalidate_cache()
    return store


def _path(place: Location) -> str:
    """What its file system calls `place`."""
    return str(cast(Any, place).path)


def _protocol(place: Location) -> str:
    return str(cast(Any, place).protocol)


def _stamp_of_info(info: dict[str, Any]) -> Stamp:
    """From what fsspec's file systems say of an object; they agree on names for its size only."""
    size = info.get("size")
    size = UNKNOWN_SIZE if size is None else int(size)
    etag = info.get("ETag") or info.get("etag") or ""
    if etag:
        return Stamp(size, etag=str(etag).strip('"'))
    for name in _TIMES:
        if (when := info.get(name)) is None:
            continue
        if isinstance(when, datetime):
            when = when.timestamp()
        if isinstance(when, int | float):  # of which a double holds microseconds
            return Stamp(size, mtime_ns=round(when * 1e6) * 1000)
        return Stamp(size, etag=str(when))
    return Stamp(size)


def _stamp_of_content(content: bytes) -> Stamp:
    return Stamp(len(content), md5=hashlib.md5(content, usedforsecurity=False).hexdigest())


def _md5_of(place: Location, size: int) -> str:
    content = read_object(place, size) if is_remote(place) else place.read_bytes()
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


@contextmanager
def _reading(place: Location) -> Iterator[None]:
    """Whatever a store raises becomes an InputError that names the object."""
    try:
        yield
    except RipfdnError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"can't read {place}: there is no such object; check the URL") from error
    except Exception as error:  # each store has exceptions of its own
        raise InputError(f"can't read {place}: {_reason(error)}; check the URL and your access") from error


@contextmanager
def _writing(place: Location) -> Iterator[None]:
    try:
        yield
    except RipfdnError:
        raise
    except FileExistsError as error:
        raise OutputError(f"{place} exists already; choose another name, or pass `overwrite`") from error
    except Exception as error:
        raise OutputError(f"can't write {place}: {_reason(error)}; check the URL and your access") from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
