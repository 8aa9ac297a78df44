"""Weights from the web, by pooch: retried, checked by their hash, through the proxies of the environment."""

import hashlib
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

from ripfdn_cli.errors import InputError
from ripfdn_cli.files.storage import is_url, path_of_url

Progress = Callable[[int, int], None]
"""Called with the bytes that are here, and how many there are (0 where the server doesn't say)."""

RETRIES = 2
"""After a connection that broke or a hash that is wrong; with 1 s of waiting before the first, then 2 s."""
_LARGEST = 16 * 2**20
_TIMEOUT = 30.0
_CHUNK = 2**16


def fetch(source: str, sha256: str, progress: Progress | None = None) -> bytes:
    """The content behind `source` (a URL, or the path of a file) that has the hash `sha256`.

    Raises InputError, UsageError; leaves nothing behind.
    """
    path = path_of_url(source) if is_url(source) else Path(source)
    if path is None:
        return _downloaded(source, sha256, progress)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"can't read {path}: {error.strerror}; pass a file or an address as `url`"
        ) from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise _wrong_hash(source, f"its SHA-256 is {found}, not {sha256}")
    return content


def _downloaded(url: str, sha256: str, progress: Progress | None) -> bytes:
    import pooch
    from requests import HTTPError, RequestException

    pooch.get_logger().setLevel(logging.WARNING)
    downloader = pooch.HTTPDownloader(_Meter(url, progress), chunk_size=_CHUNK, timeout=_TIMEOUT)
    name = "weights"
    with tempfile.TemporaryDirectory() as folder:
        store = pooch.create(
            folder,
            base_url="",
            registry={name: f"sha256:{sha256}"},
            urls={name: url},
            retry_if_failed=RETRIES,
        )
        try:
            return Path(store.fetch(name, downloader=downloader)).read_bytes()
        except HTTPError as error:
            raise InputError(f"{error}; try again later, or give a mirror as `url`") from error
        except (RequestException, OSError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"can't download {url}: {reason}; check the network and the proxy (HTTPS_PROXY), "
                "or give a mirror or a file as `url`"
            ) from error
        except ValueError as error:  # pooch's for a hash, and for an address that it can't use
            if "hash" not in str(error).lower():
                raise InputError(f"can't download {url}: {error}; write it as https://…") from error
            raise _wrong_hash(url, f"its SHA-256 is not {sha256}") from error


def _wrong_hash(source: str, what: str) -> InputError:
    return InputError(f"{source} is not the expected file: {what}; it was not kept")


class _Meter:
    """What pooch tells of its progress."""

    def __init__(self, url: str, progress: Progress | None) -> None:
        self._url, self._progress = url, progress
        self._total = self._done = 0

    @property
    def total(self) -> int:
        return self._total

    @total.setter
    def total(self, value: int) -> None:
        """The beginning of a try."""
        self._total, self._done = value, 0

    def update(self, count: int) -> None:
        self._done += count
        if self._done > _LARGEST + _CHUNK:
            raise InputError(f"{self._url} is over {_LARGEST >> 20} MiB; it is not a weights file")
        if self._progress is not None:
            self._progress(min(self._done, self._total or self._done), self._total)

    def reset(self) -> None:
        self._done = 0

    def close(self) -> None:
        """There is nothing to close."""
