"""Metrics beside PSNR and SSIM, computed by libraries that the extras `metrics`, `perceptual` and `niqe`
install.
"""

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.errors import UnavailableError, UsageError
from ripfdn_cli.evaluation.backbones import import_perceptual, loading_backbone, loading_file
from ripfdn_cli.image_math.metrics import PAPERS, PEAK, cut_border

Pixels = NDArray[np.uint8]
Compare = Callable[[Pixels, Pixels], float]
"""The value of a result against its reference, both (H, W, 3) uint8 RGB of one size."""

MS_SSIM_SCALES, MS_SSIM_WINDOW = 5, 11
NIQE_BLOCK = 96
"""Side in px; of one block alone there are no statistics."""


@dataclass(frozen=True)
class Metric:
    """A metric that a library computes.

    `name`: as users give it; `heading`: in tables; `text`: one line that says what a number is; `best`: max
    or min; `digits`: decimals to show; `smallest_side`: of a picture upscaled by a scale, in px; `load`:
    gives the function, and raises UnavailableError where something that it needs is not on the machine.
    """

    name: str
    heading: str
    text: str
    best: Callable[[Iterable[float]], float]
    digits: int
    smallest_side: Callable[[int], int]
    load: Callable[[int], Compare]

    def loaded_once(self) -> Self:
        """Itself, with what `load` gives for a scale kept, for the next of several data sets."""
        return replace(self, load=cache(self.load))

    @property
    def key(self) -> str:
        """The name in records and in headings of CSV."""
        return self.name.replace("-", "_")


def metrics_named(names: Sequence[str]) -> list[Metric]:
    """The metrics of these names, each once. Raises UsageError."""
    for name in names:
        if name not in METRICS:
            raise UsageError(f"`metric` {name} is not one of {', '.join(METRICS)}")
    return [METRICS[name] for name in dict.fromkeys(names)]


def _ms_ssim(scale: int) -> Compare:
    try:
        from pytorch_msssim import ms_ssim
    except ImportError as error:
        raise _not_installed("ms-ssim") from error
    border = PAPERS.border_at(scale)

    def compare(result: Pixels, reference: Pixels) -> float:
        planes = [_plane(cut_border(PAPERS.values(pixels), border)) for pixels in (result, reference)]
        return float(ms_ssim(*planes, data_range=PEAK))

    return compare


def _ssimulacra2(scale: int) -> Compare:
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ImportError as error:
        raise _not_installed("ssimulacra2") from error

    def compare(result: Pixels, reference: Pixels) -> float:
        return float(compute_ssimulacra2(_as_file(reference), _as_file(result)))

    return compare


def _lpips(scale: int) -> Compare:
    image = import_perceptual("torchmetrics.image", "`metric` lpips")
    with loading_backbone("alexnet", "`metric` lpips"):
        metric = image.LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)

    def value(result: Any, reference: Any) -> float:
        distance = float(metric(result, reference))
        metric.reset()
        return distance

    return _learned(value)


def _dists(scale: int) -> Compare:
    dists = import_perceptual("torchmetrics.functional.image.dists", "`metric` dists")
    with loading_backbone("vgg16", "`metric` dists"):
        network = dists.DISTSNetwork()  # its metric makes one anew, 500 MB, for every picture
    return _learned(lambda result, reference: float(network(result, reference)))


def _learned(value: Callable[[Any, Any], float]) -> Compare:
    """By `value` of (1, 3, H, W) float32 in [0, 1]."""
    import torch

    def compare(result: Pixels, reference: Pixels) -> float:
        with torch.no_grad():
            return value(_in_unit_range(result), _in_unit_range(reference))

    return compare


def _niqe(scale: int) -> Compare:
    wanted_by = "`metric` niqe"
    pyiqa = import_perceptual("pyiqa", wanted_by, extra="niqe")
    folder = import_perceptual("pyiqa.utils.download_util", wanted_by, extra="niqe").DEFAULT_CACHE_DIR
    model = Path(folder) / "niqe_modelparameters.mat"
    fetch = "import pyiqa; pyiqa.create_metric('niqe')"
    with loading_file(model, "the statistics of natural pictures", wanted_by, fetch):
        metric = pyiqa.create_metric("niqe", device="cpu")

    def compare(result: Pixels, reference: Pixels) -> float:
        return float(metric(_in_unit_range(result)))

    return compare


def _in_unit_range(pixels: Pixels) -> Any:
    import torch

    return torch.from_numpy(np.moveaxis(pixels, 2, 0)[None].astype(np.float32) / np.float32(255))


def _plane(values: NDArray[Any]) -> Any:
    """(H, W) as the tensor (1, 1, H, W), float64."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(values, np.float64)[None, None])


def _as_file(pixels: Pixels) -> io.BytesIO:
    """A BMP in memory: what the library reads."""
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "bmp")
    return stream


def _not_installed(name: str) -> UnavailableError:
    return UnavailableError(
        f"`metric` {name} needs a package that is not installed; pip install 'ripfdn-cli[metrics]'"
    )


METRICS = {
    metric.name: metric
    for metric in (
        Metric(
            "ms-ssim",
            f"MS-SSIM {PAPERS.name}",
            f"MS-SSIM {PAPERS.name}: of five scales (Wang et al. 2003), on the luma of protocol {PAPERS.name}"
            ", cut as there; package pytorch-msssim. 1: equal.",
            max,
            4,
            lambda scale: MS_SSIM_WINDOW * 2 ** (MS_SSIM_SCALES - 1) + 2 * PAPERS.border_at(scale),
            _ms_ssim,
        ),
        Metric(
            "ssimulacra2",
            "SSIMULACRA2",
            "SSIMULACRA2: of 8-bit sRGB, whole pictures; package ssimulacra2. 100: equal, 70: high quality, "
            "below 0: very poor.",
            max,
            2,
            lambda scale: 8,
            _ssimulacra2,
        ),
        Metric(
            "lpips",
            "LPIPS (AlexNet)",
            "LPIPS: version 0.1 on AlexNet (Zhang et al. 2018), of 8-bit RGB, whole pictures; torchmetrics. "
            "0: equal, less is better.",
            min,
            4,
            lambda scale: 64,
            _lpips,
        ),
        Metric(
            "dists",
            "DISTS",
            "DISTS: on VGG16 (Ding et al. 2020), of 8-bit RGB, whole pictures at their own size; "
            "torchmetrics. 0: equal, less is better.",
            min,
            4,
            lambda scale: 32,
            _dists,
        ),
        Metric(
            "niqe",
            "NIQE",
            "NIQE: how far 8-bit luma is from the statistics of natural pictures (Mittal et al. 2013), whole "
            "pictures, HR not looked at; pyiqa. Less is better.",
            min,
            3,
            lambda scale: 2 * NIQE_BLOCK,
            _niqe,
        ),
    )
}
