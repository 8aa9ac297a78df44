"""What was made once and wants to be found again: bytes by key, in the user's cache folder.

Nothing here is trusted: every file carries the key it was made for and a checksum of all it holds, and one
that fails either is made anew. Deleting the folder costs time, nothing else.
"""

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path

from ripfdn_cli.errors import OutputError
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.files.storage import make_folder
from ripfdn_cli.files.user_folders import cache_folder

log = logging.getLogger(__name__)

_MAGIC = b"RIPFDN1\n"
_DIGEST = hashlib.sha256

_told: set[str] = set()
"""Folders that can't be written, of which the user knows."""

Key = dict[str, str]


def cache_root() -> Path:
    """The user's cache folder, RIPFDN_CACHE where that is set; it may not exist yet. Raises OutputError where
    there is none.
    """
    own = os.environ.get("RIPFDN_CACHE")
    return Path(own) if own else cache_folder()


@dataclass(frozen=True)
class SealedCache:
    """Files `*suffix` in the folder `name` of the cache, of at most `limit` bytes together: beyond it, those
    that were written longest ago are deleted. `what` they are is for messages.
    """

    name: str
    suffix: str
    what: str
    limit: int

    @property
    def folder(self) -> Path:
        """Where its files are; it may not be there yet. Raises OutputError where there is no cache."""
        return cache_root() / self.name

    def find(self, key: Key) -> bytes | None:
        """What was kept under `key`, or None where there is nothing, or nothing that can be trusted."""
        try:
            path = self._path(key)
            content = path.read_bytes()
        except (OSError, OutputError):
            return None
        payload = _checked(content, key)
        if payload is None:
            log.warning("%s is damaged or from another program; it is made again", path)
        return payload

    def keep(self, key: Key, payload: bytes, *, trim: bool = True) -> bool:
        """Keep `payload` under `key`. A folder that can't be written is one warning a process, and False:
        only time is lost. Who keeps thousands looks for old ones to delete only now and then: `trim`.
        """
        try:
            path = self._path(key)
            make_folder(path.parent)
            write_bytes(path, _sealed(key, payload))
            if trim:
                self._trim(path)
        except (OSError, OutputError) as error:
            if (here := f"{os.environ.get('RIPFDN_CACHE')} {self.name}") not in _told:
                _told.add(here)
                log.warning(
                    "%s can't be kept for the next run: %s; or set RIPFDN_CACHE to another folder",
                    self.what,
                    str(error).removesuffix(", or choose another").removesuffix("; choose another name"),
                )
            return False
        return True

    def _path(self, key: Key) -> Path:
        return self.folder / (_DIGEST(_encoded(key)).hexdigest()[:32] + self.suffix)

    def _trim(self, newest: Path) -> None:
        """Delete the oldest files until the folder is within the limit; never `newest`."""
        files = [(path.stat(), path) for path in newest.parent.glob(f"*{self.suffix}")]
        total = 0
        for status, path in sorted(files, key=lambda item: item[0].st_mtime, reverse=True):
            total += status.st_size
            if total > self.limit and path != newest:
                path.unlink(missing_ok=True)


def _encoded(key: Key) -> bytes:
    return json.dumps(key, sort_keys=True).encode()


def _sealed(key: Key, payload: bytes) -> bytes:
    """Magic, digest of the rest, length of the key, key, payload."""
    encoded = _encoded(key)
    body = len(encoded).to_bytes(4, "little") + encoded + payload
    return _MAGIC + _DIGEST(body).digest() + body


def _checked(content: bytes, key: Key) -> bytes | None:
    digest_end = len(_MAGIC) + _DIGEST().digest_size
    magic, digest, body = (
        content[: len(_MAGIC)],
        content[len(_MAGIC) : digest_end],
        content[digest_end:],
    )
    if magic != _MAGIC or digest != _DIGEST(body).digest():
        return None
    encoded = _encoded(key)
    head = len(encoded).to_bytes(4, "little") + encoded
    return body[len(head) :] if body.startswith(head) else None
