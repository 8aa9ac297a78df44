"""Whether an exported network is the network: both run on the same pictures, on the CPU."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.engines.engine import Engine, TileJob
from ripfdn_cli.errors import InternalError
from ripfdn_cli.exporting.export_target import Form, Runner
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.image_math.metrics import psnr
from ripfdn_cli.model.architecture import attention_geometry

LARGEST_PSNR_DIFFERENCE = 0.01
"""dB, of 8-bit results from a photograph."""
LARGEST_DIFFERENCE = {False: 1e-4, True: 1e-2}
"""Of any sample, in parts of the result's range (at least 1); with fp32 and with fp16 weights. Rounding gives
3e-6 and 2e-3.
"""
_SHAPES = ((1, 15, 15), (1, 16, 23), (2, 48, 40), (1, 27, 70))
"""(N, H, W) on which a network of any size is compared: the smallest, odd ones, a batch."""

Pictures = NDArray[np.float32]
"""(N, H, W, 3) RGB, nominally in [0, 1]."""


@dataclass(frozen=True)
class Agreement:
    """The largest `difference` of any sample, in parts of the result's range (at least 1), and the largest
    `psnr_difference` of any photograph, in dB.
    """

    difference: float
    psnr_difference: float


def check_agreement(run: Runner, engine: Engine, form: Form) -> Agreement:
    """Compare `run`, an exported network, with `engine`, which runs ours in fp32.

    Raises InternalError where they differ by more than rounding, OutOfMemoryError where a fixed tile doesn't
    fit.
    """
    shapes = _SHAPES if form.tile is None else ((1, *form.tile),)
    parts = [_compared(run, engine, shape, seed) for seed, shape in enumerate(shapes)]
    # NumPy's maximum of a NaN and a number is the NaN, and a NaN is not within bounds.
    agreement = Agreement(
        float(np.max([part.difference for part in parts])),
        float(np.max([part.psnr_difference for part in parts])),
    )
    if not (
        agreement.difference <= LARGEST_DIFFERENCE[form.half]
        and agreement.psnr_difference <= LARGEST_PSNR_DIFFERENCE
    ):
        raise InternalError(
            f"the exported network differs from ripfdn's own by {agreement.difference:.2g} of its range and "
            f"{agreement.psnr_difference:.2g} dB; nothing was written; please report it with your versions"
        )
    return agreement


def _compared(run: Runner, engine: Engine, shape: tuple[int, int, int], seed: int) -> Agreement:
    """Both on noise and on photographs of `shape` (N, H, W)."""
    count, height, width = shape
    noise = np.random.default_rng(seed).random((*shape, 3), np.float32)
    ours, theirs = _both(run, engine, noise)
    difference = _difference(ours, theirs)
    scale = engine.scale
    targets = [photograph(scale * height, scale * width, seed + 100 * index) for index in range(count)]
    small = np.stack([imresize(target, size=(height, width)) for target in targets])
    ours, theirs = _both(run, engine, small.astype(np.float32) / np.float32(255))
    psnr_differences = [
        abs(psnr(_levels(ours[index]), target) - psnr(_levels(theirs[index]), target))
        for index, target in enumerate(targets)
    ]
    return Agreement(float(np.max([difference, _difference(ours, theirs)])), float(np.max(psnr_differences)))


def _both(run: Runner, engine: Engine, pictures: Pictures) -> tuple[Pictures, Pictures]:
    """What the engine and the exported network make of `pictures`."""
    _, height, width, _ = pictures.shape
    geometry = attention_geometry(height=height, width=width)
    (ours,) = engine.run([TileJob(pictures, geometry, keep=(0, height, 0, width))])
    theirs = run(np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))).transpose(0, 2, 3, 1)
    if theirs.shape != ours.shape or theirs.dtype != ours.dtype:
        raise InternalError(
            f"the exported network gives {theirs.dtype} {theirs.shape} where ripfdn's own gives {ours.dtype} "
            f"{ours.shape}; nothing was written; please report it with your versions"
        )
    return ours, theirs


def _difference(ours: Pictures, theirs: Pictures) -> float:
    return float(np.abs(theirs - ours).max()) / max(1.0, float(np.abs(ours).max()))


def _levels(result: Pictures) -> NDArray[np.float32]:
    """8-bit levels that stay floats: what is no number stays none, and shows."""
    levels: NDArray[np.float32] = np.rint(255 * result.clip(0, 1))
    return levels


def photograph(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """(height, width, 3) RGB with what photographs have and noise hasn't: a spectrum that falls with
    frequency, shading, hard edges.
    """
    noise = np.random.default_rng(seed).standard_normal((height, width, 3))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = np.inf  # no mean
    spectrum = np.fft.rfft2(noise, axes=(0, 1)) / frequency[..., None]
    texture = np.fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    y, x = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    disc = np.hypot(y - 0.4, x - 0.6) < 0.3
    picture = 0.45 + 0.15 * texture / texture.std() + 0.2 * y - 0.3 * disc
    pixels: NDArray[np.uint8] = np.rint(255 * picture.clip(0, 1)).astype(np.uint8)
    return pixels
