"""Will the disk hold what a video job writes? Estimated before, measured while it runs."""

import logging
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from ripfdn_cli.errors import DiskFullError
from ripfdn_cli.files.storage import is_folder

log = logging.getLogger(__name__)

COPIES = 2
"""Segments, and the file they are joined into before they are deleted."""
_RESERVE = 64 * 2**20
_LEAST_PART = 8
"""An estimate can be so many times too high (still pictures, cartoons)."""


@dataclass
class DiskWatch:
    """Watches the disk of `folder` for a job of `frames` frames, about `frame_bytes` each before the first is
    written, and `other_bytes` beside them in the result.
    """

    folder: Path
    frames: int
    frame_bytes: float
    other_bytes: int = 0
    _warned: bool = field(default=False, init=False)

    def expected(self, done: int = 0, written: int = 0) -> int:
        """Bytes still to be written, when `done` frames took `written` bytes."""
        each = written / done if done else self.frame_bytes
        return int((self.frames - done) * each + (COPIES - 1) * self.frames * each) + self.other_bytes

    def check_before(self, done: int, written: int) -> None:
        """Raises DiskFullError where the job can't possibly fit; warns where it probably won't."""
        needed, free = self.expected(done, written), self._free()
        sure = needed if done else needed // _LEAST_PART
        if sure > free:
            raise DiskFullError(
                f"{self.folder.parent} has {_gigabytes(free)} free and the result takes about "
                f"{_gigabytes(needed)} while it is made; free some space, or choose another `output`"
            )
        self._warn(needed, free)

    def check_after_segment(self, done: int, written: int, largest: int) -> None:
        """Raises DiskFullError before the next segment could fill the disk; warns once when the rest won't
        fit.
        """
        free = self._free()
        if done < self.frames and free < 2 * largest + _RESERVE:
            raise DiskFullError(
                f"{self.folder.parent} has {_gigabytes(free)} left; {done} of {self.frames} frames are done "
                "and kept; free some space, and run it again"
            )
        self._warn(self.expected(done, written), free)

    def _warn(self, needed: int, free: int) -> None:
        if needed > free and not self._warned:
            self._warned = True
            log.warning(
                "%s has %s free and about %s are needed; what is done is kept if it runs out",
                self.folder.parent,
                _gigabytes(free),
                _gigabytes(needed),
            )

    def _free(self) -> int:
        place = next(place for place in (self.folder, *self.folder.absolute().parents) if is_folder(place))
        return shutil.disk_usage(place).free


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
