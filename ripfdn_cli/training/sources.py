"""From the settings to a source of patches: pictures checked and packed into memory, or streamed from
disk.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ripfdn_cli.errors import UsageError
from ripfdn_cli.training.degraded_crops import CropCutter
from ripfdn_cli.training.find_files import SizedFile, find_files, refuse_shrunk_copies
from ripfdn_cli.training.patches import (
    DEGRADING_STREAM,
    PackedPictures,
    Patches,
    PatchSource,
    Request,
    Sampler,
    generator,
    lr_sides,
)
from ripfdn_cli.training.pictures import (
    Advance,
    Copies,
    Pixels,
    Preparation,
    Skipped,
    TrainingPicture,
    in_threads,
    load_copies,
    measure,
)
from ripfdn_cli.training.recipe_degradation import degraded
from ripfdn_cli.training.reports import Listener
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.training.streaming import LARGEST_POOL, Lookahead, PoolSampler, StreamedPictures
from ripfdn_cli.training.teacher import Teacher, open_teacher
from ripfdn_cli.training.validation import ValidationSet

log = logging.getLogger(__name__)

SKIPPED_NAMED = 5
"""Skipped pictures that are named in warnings; a folder of thumbnails would fill the screen."""


@dataclass(frozen=True)
class OpenedSource:
    """The source of a run's patches, of how many pictures it has been made, and what teacher had part in
    it.
    """

    source: PatchSource
    pictures: int
    teacher: dict[str, str] = field(default_factory=dict)


def open_source(
    settings: TrainingSettings, validation: Sequence[ValidationSet], device: torch.device, listener: Listener
) -> OpenedSource:
    """Look at all pictures, say which are skipped, and make the others ready: in memory where they fit.

    Raises InputError and UsageError where nothing is left to train on.
    """
    teacher = open_teacher(settings) if settings.teacher else None  # its errors come first
    preparation = Preparation(
        scale=settings.scale,
        smallest_side=_smallest_lr_side(settings) * settings.scale,
        shrink=settings.shrink,
        shrink_above=settings.shrink_above,
        known=tuple(item for data in validation for item in data.thumbnails),
    )
    # LR that are degraded anew, or of smaller copies, have to be made.
    use_lr = not settings.degrade and settings.shrink == 1
    files = find_files(settings.data, settings.lr_folder, settings.scale, use_lr=use_lr)
    advance = listener.preparing("looking at pictures", len(files))
    outcomes = list(in_threads(lambda file: measure(file.path, preparation, file.lr), files, advance))
    refuse_shrunk_copies(_sized(outcomes), settings.scale)
    found = _usable_of(outcomes, len(files))
    if teacher is not None and settings.teacher_sees == "degraded":
        opened = _degraded_crops(found, preparation, teacher, settings, device, listener)
    elif _bytes(found, settings.scale) * (2 if _kept_twice(settings) else 1) <= settings.memory * 2**30:
        opened = _packed(found, preparation, teacher, settings, device, listener)
    elif teacher is not None:
        raise UsageError("a teacher needs all pictures in memory; raise `memory`, or train without `teacher`")
    else:
        opened = _streamed(found, preparation, settings, listener)
    for stage in settings.stages:  # what can't be drawn is found now, not in the last quarter of a long run
        opened.source.patches(Request(0, stage.patch, stage.batch, 0, 1))
    return opened


def _sized(outcomes: Sequence[Copies | Skipped]) -> Iterator[SizedFile]:
    """The files whose size is known, as they are."""
    for outcome in outcomes:
        if not isinstance(outcome, Skipped):
            yield SizedFile(outcome[0].path, outcome[0].height, outcome[0].width)
        elif outcome.size is not None:
            yield SizedFile(outcome.path, *outcome.size)


def _usable_of(outcomes: Sequence[Copies | Skipped], files: int) -> list[Copies]:
    """What is usable of `outcomes`; the rest is logged. Raises UsageError where nothing is."""
    skipped = [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
    for number, outcome in enumerate(skipped):
        level = logging.WARNING if number < SKIPPED_NAMED else logging.INFO
        log.log(level, "skipped: %s", outcome.reason)
    if len(skipped) > SKIPPED_NAMED:
        log.warning("skipped: %d more pictures; `verbose` names each", len(skipped) - SKIPPED_NAMED)
    usable = [outcome for outcome in outcomes if not isinstance(outcome, Skipped)]
    if not usable:
        raise UsageError(f"none of {files} pictures can be trained on; give others, or a smaller `patch`")
    return usable


def _packed(
    found: list[Copies],
    preparation: Preparation,
    teacher: Teacher | None,
    settings: TrainingSettings,
    device: torch.device,
    listener: Listener,
) -> OpenedSource:
    """All pictures decoded into memory: on the device where it has room and nothing has to happen to them
    before.
    """
    scale = settings.scale
    sizes = [int(lr_sides(copies, scale).prod(axis=1).sum()) for copies in found]
    begins = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    lr = np.empty((begins[-1], 3), np.uint8)
    hr = np.empty((begins[-1] * scale**2, 3), np.uint8)

    def load(index: int) -> Copies | Skipped:
        pairs = load_copies(found[index], preparation)
        if isinstance(pairs, Skipped):
            return pairs
        at = begins[index]
        for low, high in pairs:
            end = at + low.shape[0] * low.shape[1]
            lr[at:end], hr[at * scale**2 : end * scale**2] = low.reshape(-1, 3), high.reshape(-1, 3)
            at = end
        return found[index]

    advance = listener.preparing("decoding pictures", len(found))
    loaded = list(in_threads(load, range(len(found)), advance))
    usable = _usable_of(loaded, len(found))
    used = [index for index, copies in enumerate(loaded) if not isinstance(copies, Skipped)]
    pictures = [picture for copies in usable for picture in copies]
    starts = np.concatenate([begins[index] + _offsets(found[index], scale) for index in used])
    _log_set("in memory", usable)
    undistilled = hr.copy() if _kept_twice(settings) else hr
    if teacher is not None:
        advance = listener.preparing("asking the teacher", len(pictures))
        _mix_in(teacher, lr, hr, starts, pictures, scale, advance)
    sampler = Sampler(pictures, scale=scale, seed=settings.seed, by=settings.sampling)
    place = (
        torch.device("cpu") if settings.degrade or not _has_room(device, lr.nbytes + hr.nbytes) else device
    )

    def packed(targets: Pixels) -> PackedPictures:
        tensors = torch.from_numpy(lr), torch.from_numpy(targets)
        return PackedPictures(*tensors, starts, pictures, sampler, scale=scale, device=place)

    # On the device, or beside a CPU's long steps, cutting out takes next to no time.
    ahead = settings.degrade or place != device
    targets = packed(hr)
    degraded_from = targets if undistilled is hr else packed(undistilled)
    source = _finished(targets, settings, ahead=ahead, degraded_from=degraded_from)
    return OpenedSource(source, len(usable), _provenance(teacher))


def _mix_in(
    teacher: Teacher,
    lr: Pixels,
    hr: Pixels,
    starts: NDArray[np.int64],
    pictures: Sequence[TrainingPicture],
    scale: int,
    advance: Advance,
) -> None:
    """Put the teacher's targets in the place of `hr`."""
    for start, (height, width) in zip(starts, lr_sides(pictures, scale), strict=True):
        low = lr[start : start + height * width].reshape(height, width, 3)
        high = hr[start * scale**2 : (start + height * width) * scale**2]
        square = high.reshape(height * scale, width * scale, 3)
        square[:] = teacher.target(low, square)
        advance(1)


def _degraded_crops(
    found: list[Copies],
    preparation: Preparation,
    teacher: Teacher,
    settings: TrainingSettings,
    device: torch.device,
    listener: Listener,
) -> OpenedSource:
    """A fixed set of degraded crops, with the teacher's results on them as targets: a network that is to undo
    degradation learns from what the teacher makes of the same pixels.
    """
    s, count, side = settings.scale, settings.crops, settings.crop
    if count * side**2 * 3 * (1 + s**2) > settings.memory * 2**30:
        raise UsageError(f"{count} crops of {side} px don't fit in memory; raise `memory`, or lower `crops`")
    cutter = CropCutter(found, preparation, settings)
    advance = listener.preparing("cutting crops", len(found))
    outcomes = list(in_threads(cutter.cut, range(len(found)), advance))
    usable = _usable_of(outcomes, len(found))
    lr, hr = cutter.cut_from([not isinstance(outcome, Skipped) for outcome in outcomes])
    advance = listener.preparing("asking the teacher", len(lr))
    for low, high in zip(lr, hr, strict=True):
        high[:] = teacher.target(low, high)
        advance(1)
    _log_set(f"in memory as {len(lr)} degraded crops", usable)
    crops = [TrainingPicture(Path(f"{number}"), side * s, side * s) for number in range(len(lr))]
    sampler = Sampler(crops, scale=s, seed=settings.seed, by=settings.sampling)
    place = device if _has_room(device, lr.nbytes + hr.nbytes) else torch.device("cpu")
    tensors = torch.from_numpy(lr.reshape(-1, 3)), torch.from_numpy(hr.reshape(-1, 3))
    starts = np.arange(len(lr), dtype=np.int64) * side**2
    source = PackedPictures(*tensors, starts, crops, sampler, scale=s, device=place)
    return OpenedSource(source, len(usable), _provenance(teacher))


def _provenance(teacher: Teacher | None) -> dict[str, str]:
    return {} if teacher is None else teacher.provenance


def _streamed(
    found: list[Copies], preparation: Preparation, settings: TrainingSettings, listener: Listener
) -> OpenedSource:
    """Every picture is decoded once to see that it can be, and again when it is drawn from."""

    def check(copies: Copies) -> Copies | Skipped:
        pairs = load_copies(copies[:1], preparation)
        return pairs if isinstance(pairs, Skipped) else copies

    advance = listener.preparing("checking pictures", len(found))
    usable = _usable_of(list(in_threads(check, found, advance)), len(found))
    limit = int(settings.memory * 2**30)
    mean = _bytes(usable, settings.scale) / len(usable)
    pool = max(1, min(LARGEST_POOL, int(0.8 * limit / mean)))
    _log_set(f"streamed, {pool} at a time in memory", usable)
    sampler = PoolSampler(usable, scale=settings.scale, seed=settings.seed, pool=pool)
    checked = replace(preparation, aligned=True)
    source = StreamedPictures(usable, sampler, checked, cache_bytes=limit)
    return OpenedSource(_finished(source, settings, ahead=True, degraded_from=source), len(usable))


class Degraded:
    """`source` with its LR made anew, as from the wild, from the HR patches of `pictures`: the same source,
    or one of the same patches before a teacher had part in them. The same for the same seed and step.
    """

    def __init__(
        self, source: PatchSource, pictures: PatchSource, *, scale: int, seed: int, kind: str = "mild"
    ) -> None:
        self._source, self._pictures = source, pictures
        self._scale, self._seed, self._kind = scale, seed, kind

    def patches(self, request: Request) -> Patches:
        """As PatchSource says: LR degraded from HR, each by its own random numbers, and the targets of the
        source.
        """
        _, targets = self._source.patches(request)
        hr = targets if self._pictures is self._source else self._pictures.patches(request)[1]
        squares = hr.permute(0, 2, 3, 1).numpy()
        made = []
        for index, square in enumerate(squares, request.first):
            random = generator(self._seed, DEGRADING_STREAM, request.step, index)
            made.append(degraded(square, self._scale, self._kind, random))
        return torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2), targets

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def _finished(
    source: PatchSource, settings: TrainingSettings, *, ahead: bool, degraded_from: PatchSource
) -> PatchSource:
    if settings.degrade:
        source = Degraded(
            source, degraded_from, scale=settings.scale, seed=settings.seed, kind=settings.degradations
        )
    return Lookahead(source, workers=settings.workers) if ahead and settings.workers else source


def _smallest_lr_side(settings: TrainingSettings) -> int:
    """Pixels of LR under which a picture is of no use."""
    if settings.teacher_sees == "degraded":
        return settings.crop
    return min(stage.patch for stage in settings.stages)


def _kept_twice(settings: TrainingSettings) -> bool:
    """Whether LR are made of pictures that a teacher's targets must not replace."""
    return bool(settings.teacher) and settings.degrade and settings.teacher_sees == "clean"


def _has_room(device: torch.device, wanted: int) -> bool:
    """Whether half of what is free on `device` is enough; the rest is for the network."""
    if device.type != "cuda":
        return device.type == "cpu"
    free, _ = torch.cuda.mem_get_info(device)
    return wanted < free / 2


def _bytes(found: Sequence[Copies], scale: int) -> int:
    pixels = sum(int(lr_sides(copies, scale).prod(axis=1).sum()) for copies in found)
    return pixels * 3 * (1 + scale**2)


def _offsets(copies: Copies, scale: int) -> NDArray[np.int64]:
    """Where each copy's LR begins after the first's."""
    sizes = lr_sides(copies, scale).prod(axis=1)
    return np.asarray(np.cumsum(sizes) - sizes)


def _log_set(how: str, usable: Sequence[Copies]) -> None:
    originals = sum(copies[0].pixels for copies in usable) / 1e6
    smaller = sum(len(copies) - 1 for copies in usable)
    log.info(
        "%d pictures of %.1f megapixels, and %d smaller copies; %s", len(usable), originals, smaller, how
    )
