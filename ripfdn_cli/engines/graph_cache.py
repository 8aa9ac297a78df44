"""What an engine made once and wants to find again: bytes by key, in the user's cache folder.

Nothing here is trusted: every file carries the key it was made for and a checksum of all it holds, and one
that fails either is made anew. Deleting the folder costs seconds, nothing else.
"""

import hashlib
import json
import logging
import os
from pathlib import Path

from platformdirs import user_cache_path

from ripfdn_cli.errors import OutputError
from ripfdn_cli.files.atomic_file import write_bytes

log = logging.getLogger(__name__)

LARGEST_CACHE = 256 * 2**20
"""Bytes over which the files that were written longest ago are deleted."""
SUFFIX = ".graph"
_MAGIC = b"RIPFDN1\n"
_DIGEST = hashlib.sha256

Key = dict[str, str]


def cache_folder() -> Path:
    """The folder of all cached graphs, under RIPFDN_CACHE where that is set; it may not exist yet."""
    own = os.environ.get("RIPFDN_CACHE")
    return (Path(own) if own else user_cache_path("ripfdn", appauthor=False)) / "graphs"


def find(key: Key) -> bytes | None:
    """What was kept under `key`, or None where there is nothing, or nothing that can be trusted."""
    path = _path(key)
    try:
        content = path.read_bytes()
    except OSError:
        return None
    payload = _checked(content, key)
    if payload is None:
        log.warning("%s is damaged or not ours; it is made again", path)
    return payload


def keep(key: Key, payload: bytes) -> None:
    """Keep `payload` under `key`. A folder that can't be written is a warning: only time is lost."""
    path = _path(key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, _sealed(key, payload))
        _trim(path)
    except (OSError, OutputError) as error:
        log.warning("the converted network can't be kept for the next run: %s", error)


def _path(key: Key) -> Path:
    return cache_folder() / (_DIGEST(_encoded(key)).hexdigest()[:32] + SUFFIX)


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


def _trim(newest: Path) -> None:
    """Delete the oldest files until the folder is within LARGEST_CACHE; never `newest`."""
    files = sorted(newest.parent.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime, reverse=True)
    total = 0
    for path in files:
        total += path.stat().st_size
        if total > LARGEST_CACHE and path != newest:
            path.unlink(missing_ok=True)
