"""What a run's network would see, as one picture: LR patches with their targets beside them."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ripfdn_cli.errors import UsageError
from ripfdn_cli.files.storage import check_publishable, publish
from ripfdn_cli.training.losses import sharpened
from ripfdn_cli.training.patches import PatchSource, Request
from ripfdn_cli.training.pictures import Pixels
from ripfdn_cli.training.reports import Listener, Silence
from ripfdn_cli.training.settings import Stage, TrainingSettings
from ripfdn_cli.training.sources import open_source
from ripfdn_cli.training.validation import load_validation_sets

GAP, GROUND = 8, 128
"""Pixels around each pair, and their grey."""


def write_pair_sheet(
    settings: TrainingSettings, count: int, path: Path, *, overwrite: bool, listener: Listener | None = None
) -> None:
    """As `ripfdn_cli.training.show_pairs` says."""
    _refuse_among_pictures(path, settings)
    check_publishable(path, overwrite=overwrite)
    validation = load_validation_sets(settings.val, settings.scale)
    opened = open_source(settings, validation, torch.device("cpu"), listener or Silence())
    try:
        pairs = first_pairs(opened.source, settings, count)
    finally:
        opened.source.close()
    stream = io.BytesIO()
    Image.fromarray(pair_sheet(pairs, settings.scale)).save(stream, "PNG")
    publish(path, stream.getvalue(), overwrite=overwrite)


def _refuse_among_pictures(path: Path, settings: TrainingSettings) -> None:
    """Raises UsageError where the page would replace a picture of the run, or become one."""
    for folder in (*settings.data, *settings.lr_folder, *settings.val):
        if path.resolve().is_relative_to(Path(folder).resolve()):
            raise UsageError(
                f"{path} lies in {folder}, where the run reads pictures; name a place outside it"
            )


def first_pairs(source: PatchSource, settings: TrainingSettings, count: int) -> list[tuple[Pixels, Pixels]]:
    """The first `count` pairs of the run, in the order of its steps: LR (patch, patch, 3) and target
    (s·patch, s·patch, 3) uint8.
    """
    stage = settings.stages[0]
    pairs: list[tuple[Pixels, Pixels]] = []
    while len(pairs) < count:
        step = len(pairs) // stage.batch
        wanted = min(stage.batch, count - len(pairs))
        lr, hr = source.patches(Request(step, stage.patch, stage.batch, 0, wanted))
        lows, highs = (patches.permute(0, 2, 3, 1).numpy() for patches in (lr, _target(hr, stage)))
        pairs += zip(lows, highs, strict=True)
    return pairs


def _target(hr: Tensor, stage: Stage) -> Tensor:
    """What the network learns of `hr` (N, 3, H, W): uint8, rounded where it is sharpened."""
    if not stage.sharpen:
        return hr
    return (sharpened(hr.float() / 255, stage.sharpen, stage.overshoot) * 255).round().to(torch.uint8)


def pair_sheet(pairs: Sequence[tuple[Pixels, Pixels]], scale: int) -> Pixels:
    """`pairs` in rows, about as many px high as wide: on the left LR with each pixel `scale` px wide, on the
    right its target.
    """
    side = pairs[0][1].shape[0]
    columns = max(1, round(math.sqrt(len(pairs) / 2)))
    rows = -(-len(pairs) // columns)
    shape = (rows * (side + GAP) + GAP, columns * (2 * side + GAP) + GAP, 3)
    sheet = np.full(shape, GROUND, np.uint8)
    for index, (lr, hr) in enumerate(pairs):
        row, column = divmod(index, columns)
        top, left = GAP + row * (side + GAP), GAP + column * (2 * side + GAP)
        enlarged = lr.repeat(scale, axis=0).repeat(scale, axis=1)
        sheet[top : top + side, left : left + 2 * side] = np.hstack([enlarged, hr])
    return sheet
