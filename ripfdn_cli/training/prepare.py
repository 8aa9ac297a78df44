"""A folder of photographs made into a set to train on: tiles of one size, without those that teach little.

Each picture that is done is a line of the journal in the set's folder, so that the same call goes on where a
killed one has stopped.
"""

import base64
import io
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli.errors import OutputError, RipfdnError, UsageError
from ripfdn_cli.files.atomic_file import write_bytes
from ripfdn_cli.files.durable_log import DurableLog, open_log
from ripfdn_cli.files.encoded_text import encoded
from ripfdn_cli.files.storage import make_folder
from ripfdn_cli.image_math.metrics import LUMA_WEIGHTS
from ripfdn_cli.training.find_files import pictures_in
from ripfdn_cli.training.pictures import NEAR_DUPLICATE_RMS, Pixels, in_threads, read_rgb, thumbnail_of

JOURNAL, LEFT_OUT = "prepared.jsonl", "left-out.txt"
SMALLEST_SIDE = 128
"""Of a picture."""
WHOLE = 1.25
"""Times a tile's side up to which a picture's is not divided."""
FLATTEST = 1.0
"""Grey levels (RMS) of detail at half size below which a tile is flat."""
SOFTEST = 0.45
"""Ratio of detail at full size to that at half size below which a tile is soft. Of crops of 82 photographs,
98 % had more than 0.57 (median 0.81); blurred by a σ of 1 px, or enlarged to twice their size by bicubic,
half had less than 0.40.
"""
SAME_CORRELATION = 0.95
"""Of thumbnails of the same thing; textures of one colour have alike thumbnails that don't correlate."""
REASONS = ("flat", "soft", "near duplicate", "unreadable or small")


@dataclass(frozen=True)
class PreparedSet:
    """What is in the folder of a set by now: `left_out` counts tiles (pictures of the last) by REASONS."""

    pictures: int
    tiles: int
    left_out: dict[str, int]


@dataclass(frozen=True)
class Tiling:
    """Sides of tiles and how far neighbours overlap at least, in px. Raises UsageError for what can't be."""

    tile: int = 480
    overlap: int = 240

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.tile:
            raise UsageError(f"`overlap` {self.overlap} must be less than `tile` {self.tile}")

    def side(self, length: int) -> int:
        """Of tiles on an axis of `length` px: all of it where a second tile would show little more."""
        return length if length <= WHOLE * self.tile else self.tile

    def starts(self, length: int) -> list[int]:
        """Where tiles begin on an axis of `length` px: evenly, as few as overlap that far."""
        last = length - self.side(length)
        steps = -(-last // (self.tile - self.overlap))
        return [round(last * step / max(steps, 1)) for step in range(steps + 1)]


@dataclass(frozen=True)
class _Tile:
    """One of a picture; `reason` says why it is left out."""

    top: int
    left: int
    thumbnail: str
    reason: str = ""
    file: str = ""


@dataclass(frozen=True)
class _Looked:
    """A picture with its tiles as far as it can be judged by itself."""

    path: Path
    pixels: Pixels | None
    thumbnail: str
    tiles: tuple[_Tile, ...]
    reason: str = ""


def prepare(
    folder: Path, output: Path, tiling: Tiling, *, progress: Callable[[int, int], None] | None = None
) -> PreparedSet:
    """Cut the pictures under `folder` into PNG tiles in `output`, which is made if it isn't there, or go on
    with it. Left out, and listed in the file LEFT_OUT there, are tiles that are flat or soft, near duplicates
    of tiles and pictures before them (larger files come first), and pictures that can't be read or are small.

    `progress` is told how many pictures are done, of how many. Raises UsageError for a set of another tiling
    or of pictures that have changed since, InputError, and OutputError.
    """
    if output.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"{output} lies in {folder}, whose pictures it is made of; name a folder beside it")
    paths = sorted(pictures_in(folder), key=lambda path: (-path.stat().st_size, path))
    make_folder(output)
    with _journal(output, tiling) as journal:
        done = {line["picture"]: line for line in journal.lines[1:]}
        seen = _Seen(), _Seen()
        for line in journal.lines[1:]:
            _remember(line, seen)
        waiting = [path for path in paths if not _is_done(path, folder, done)]
        _tell(progress, len(paths) - len(waiting), len(paths))
        names = _names(paths, folder)
        for number, looked in enumerate(_looked_at(waiting, tiling), len(paths) - len(waiting) + 1):
            line = _decided(looked, names[looked.path], folder, seen)
            _write_tiles(looked, line, tiling, output)
            journal.append(line)
            _remember(line, seen)
            done[line["picture"]] = line
            _tell(progress, number, len(paths))
        lines = list(done.values())
    write_bytes(output / LEFT_OUT, encoded("".join(_left_out_lines(lines, folder))))
    return _summary(lines)


class _Seen:
    """Thumbnails with their names."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._rows = np.empty((256, 0), np.float32)

    def add(self, name: str, thumbnail: str) -> None:
        row = _unpacked(thumbnail)
        count = len(self._names)
        if count == len(self._rows) or not count:
            larger = np.empty((max(256, 2 * count), len(row)), np.float32)
            larger[:count] = self._rows[:count] if count else 0
            self._rows = larger
        self._rows[count] = row
        self._names.append(name)

    def same_as(self, thumbnail: str) -> str | None:
        """The name of one that shows nearly the same."""
        if not self._names:
            return None
        row = _unpacked(thumbnail)
        rows = self._rows[: len(self._names)]
        for index in np.flatnonzero(((rows - row) ** 2).mean(axis=1) < NEAR_DUPLICATE_RMS**2):
            if _correlation(rows[index], row) >= SAME_CORRELATION:
                return self._names[index]
        return None


def detail(grey: NDArray[np.float32]) -> tuple[float, float]:
    """How strong detail is in (H, W) grey levels at full and at half size: the RMS of each pixel's difference
    from the mean of its four neighbours.
    """
    height, width = (side // 2 for side in grey.shape)
    half = grey[: 2 * height, : 2 * width].reshape(height, 2, width, 2).mean(axis=(1, 3))
    return _roughness(grey), _roughness(half)


def _roughness(grey: NDArray[np.float32]) -> float:
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.sqrt(((grey[1:-1, 1:-1] - around / 4) ** 2).mean()))


def _looked_at(paths: Sequence[Path], tiling: Tiling) -> Iterator[_Looked]:
    """Each of `paths`, a few at a time: whole pictures wait in memory until their tiles are written."""
    at_once = 2 * (os.cpu_count() or 1)
    for first in range(0, len(paths), at_once):
        few = paths[first : first + at_once]
        yield from in_threads(lambda path: _look(path, tiling), few, lambda _: None)


def _look(path: Path, tiling: Tiling) -> _Looked:
    try:
        pixels = read_rgb(path)
    except RipfdnError as error:
        return _Looked(path, None, "", (), str(error))
    height, width = pixels.shape[:2]
    if min(height, width) < min(SMALLEST_SIDE, tiling.tile):
        reason = f"{width}×{height} px, and {min(SMALLEST_SIDE, tiling.tile)} px per side are needed"
        return _Looked(path, None, "", (), reason)
    grey = (pixels @ (np.asarray(LUMA_WEIGHTS) / sum(LUMA_WEIGHTS))).astype(np.float32)
    tiles = tuple(
        _Tile(top, left, _packed(_cut(pixels, top, left, tiling)), _fault(_cut(grey, top, left, tiling)))
        for top in tiling.starts(height)
        for left in tiling.starts(width)
    )
    return _Looked(path, pixels, _packed(pixels), tiles)


def _fault(grey: NDArray[np.float32]) -> str:
    fine, coarse = detail(grey)
    if coarse < FLATTEST:
        return "flat"
    return "soft" if fine < SOFTEST * coarse else ""


def _cut(pixels: NDArray[Any], top: int, left: int, tiling: Tiling) -> NDArray[Any]:
    height, width = (tiling.side(length) for length in pixels.shape[:2])
    return pixels[top : top + height, left : left + width]


def _decided(looked: _Looked, name: str, folder: Path, seen: tuple[_Seen, _Seen]) -> dict[str, Any]:
    """The line of the journal: also what is a near duplicate of what has been seen before."""
    status = looked.path.stat()
    picture = looked.path.relative_to(folder).as_posix()
    line = {"picture": picture, "bytes": status.st_size, "modified": status.st_mtime_ns}
    same = seen[0].same_as(looked.thumbnail) if looked.thumbnail else None
    reason = looked.reason or (f"near duplicate of {same}" if same else "")
    tiles = []
    for tile in () if reason else looked.tiles:
        twin = None if tile.reason else seen[1].same_as(tile.thumbnail)
        fault = f"near duplicate of {twin}" if twin else tile.reason
        file = "" if fault else f"{name}-{tile.top}-{tile.left}.png"
        tiles.append({**asdict(tile), "reason": fault, "file": file})
    return {**line, "reason": reason, "thumbnail": looked.thumbnail, "tiles": tiles}


def _write_tiles(looked: _Looked, line: dict[str, Any], tiling: Tiling, output: Path) -> None:
    for tile in line["tiles"]:
        if tile["file"]:
            assert looked.pixels is not None
            stream = io.BytesIO()
            Image.fromarray(_cut(looked.pixels, tile["top"], tile["left"], tiling)).save(stream, "PNG")
            make_folder((output / tile["file"]).parent)
            write_bytes(output / tile["file"], stream.getvalue())


def _remember(line: dict[str, Any], seen: tuple[_Seen, _Seen]) -> None:
    if line["thumbnail"] and not line["reason"]:
        seen[0].add(line["picture"], line["thumbnail"])
    for tile in line["tiles"]:
        if tile["file"]:
            seen[1].add(tile["file"], tile["thumbnail"])


def _is_done(path: Path, folder: Path, done: dict[str, dict[str, Any]]) -> bool:
    line = done.get(path.relative_to(folder).as_posix())
    if line is None:
        return False
    status = path.stat()
    if (line["bytes"], line["modified"]) != (status.st_size, status.st_mtime_ns):
        raise UsageError(f"{path} has changed since its tiles were made; name a new folder for the set")
    return True


@contextmanager
def _journal(output: Path, tiling: Tiling) -> Iterator[DurableLog]:
    """The open journal of the set in `output`; its first line holds the `tiling`."""
    path = output / JOURNAL
    if not path.exists() and any(output.iterdir()):
        raise OutputError(f"{output} holds other files; name a new folder for the set")
    first = {"format": "ripfdn-prepared", "version": 1, **asdict(tiling)}
    with open_log(path) as journal:
        if not journal.lines:
            journal.restart(first)
        elif (found := journal.lines[0]) != first:
            raise UsageError(
                f"{output} was made with tile {found.get('tile')} and overlap {found.get('overlap')}; "
                "give the same, or name a new folder"
            )
        yield journal


def _names(paths: Sequence[Path], folder: Path) -> dict[Path, str]:
    """Below the set's folder, without tile and suffix: as the picture's, with its suffix where another has
    the same.
    """
    plain = {path: path.relative_to(folder).with_suffix("").as_posix() for path in paths}
    counts = Counter(name.casefold() for name in plain.values())
    return {
        path: name if counts[name.casefold()] == 1 else f"{name}{path.suffix.replace('.', '_')}"
        for path, name in plain.items()
    }


def _left_out_lines(lines: Sequence[dict[str, Any]], folder: Path) -> Iterator[str]:
    for line in sorted(lines, key=lambda line: str(line["picture"])):
        place = (folder / line["picture"]).as_posix()
        if line["reason"]:
            yield f"{place}: {line['reason']}\n"
        for tile in line["tiles"]:
            if tile["reason"]:
                yield f"{place} at {tile['left']},{tile['top']}: {tile['reason']}\n"


def _summary(lines: Sequence[dict[str, Any]]) -> PreparedSet:
    tiles = [tile for line in lines for tile in line["tiles"]]
    reasons = [_kind(reason) for item in [*lines, *tiles] if (reason := item["reason"])]
    counts = {reason: reasons.count(reason) for reason in REASONS}
    used = sum(any(tile["file"] for tile in line["tiles"]) for line in lines)
    return PreparedSet(used, sum(bool(tile["file"]) for tile in tiles), counts)


def _kind(reason: str) -> str:
    return next((kind for kind in REASONS if reason.startswith(kind)), REASONS[-1])


def _packed(pixels: Pixels) -> str:
    return base64.b64encode(np.rint(thumbnail_of(pixels)).astype(np.uint8).tobytes()).decode()


def _unpacked(thumbnail: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(thumbnail), np.uint8).astype(np.float32)


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Of two thumbnails without the mean of each channel; 1 where one of them is flat."""
    centred = [(x.reshape(-1, 3) - x.reshape(-1, 3).mean(axis=0)).ravel() for x in (one, other)]
    norms = float(np.linalg.norm(centred[0]) * np.linalg.norm(centred[1]))
    return float(centred[0] @ centred[1]) / norms if norms else 1.0


def _tell(progress: Callable[[int, int], None] | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)
