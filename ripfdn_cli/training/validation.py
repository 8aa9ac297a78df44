"""How good the network is by now, on pictures it never trains on."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import InputError
from ripfdn_cli.evaluation.datasets import (
    LoadedPair,
    Pixels,
    find_data_set,
    load_pair,
    numbered,
    require_side,
)
from ripfdn_cli.image_math.metrics import PAPERS, Score, score
from ripfdn_cli.model.network import RIPFDN, to_checkpoint
from ripfdn_cli.training.pictures import thumbnail_of
from ripfdn_cli.upscaler import Upscaler


@dataclass(frozen=True)
class ValidationSet:
    """Pictures in memory; all have an HR."""

    name: str
    scale: int
    pairs: tuple[LoadedPair, ...]

    @property
    def thumbnails(self) -> list[tuple[str, NDArray[np.float32]]]:
        """The name (`set/picture`) of each picture and the thumbnail of its HR, (16, 16, 3)."""
        return [(f"{self.name}/{pair.name}", thumbnail_of(_hr(pair))) for pair in self.pairs]


def load_validation_sets(folders: Sequence[str], scale: int) -> list[ValidationSet]:
    """Each of `folders` as `ripfdn eval` reads and names it. Raises InputError, also for a set without HR
    pictures and for pictures that are too small to score.
    """
    sets = []
    named = numbered([find_data_set(Path(folder), scale) for folder in folders])
    for folder, found in zip(folders, named, strict=True):
        if not found.has_hr:
            raise InputError(
                f"{folder} has no HR pictures to compare with; give a validation set that has some"
            )
        pairs = tuple(load_pair(pair, scale) for pair in found.pairs)
        for pair in pairs:
            require_side(found.name, pair, PAPERS.smallest_side(scale))
        sets.append(ValidationSet(found.name, scale, pairs))
    return sets


def validate(network: RIPFDN, sets: Sequence[ValidationSet], device: str) -> dict[str, Score]:
    """Mean scores of `network` by set, under the papers' protocol, as `ripfdn eval` gives them in fp32."""
    upscaler = Upscaler(to_checkpoint(network, {}), device=device, engine="torch", precision="fp32")
    return score_sets(upscaler, sets)


def score_sets(upscaler: Upscaler, sets: Sequence[ValidationSet]) -> dict[str, Score]:
    """Mean scores of `upscaler` by set, under the papers' protocol."""
    return {data.name: _mean([_score(upscaler, pair, data.scale) for pair in data.pairs]) for data in sets}


def protocol_text(scale: int) -> str:
    """The protocol that scores are under, in words."""
    return PAPERS.text(scale)


def _score(upscaler: Upscaler, pair: LoadedPair, scale: int) -> Score:
    return score(upscaler.upscale(pair.lr), _hr(pair), scale=scale, protocol=PAPERS)


def _mean(scores: list[Score]) -> Score:
    return Score(
        psnr=sum(item.psnr for item in scores) / len(scores),
        ssim=sum(item.ssim for item in scores) / len(scores),
    )


def _hr(pair: LoadedPair) -> Pixels:
    assert pair.hr is not None
    return pair.hr
