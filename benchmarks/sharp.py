"""How near weights come to what another network makes of JPEGs.

    python benchmarks/sharp.py Set14 BSD100 --teacher realesrgan_x4plus.onnx [--weights x4-sharp ...]

From each HR picture of the data sets the middle 128×128 px are saved as JPEG (Pillow's, 4:2:0), their
qualities spread evenly over 45 to 94, and upscaled ×4 by each of the weights and by the teacher.
Means over all pictures: RGB PSNR between both results; and of the differences of neighbouring pixels of luma,
the projection on the teacher's (1 where edges are as steep in the same places), their energy and their
correlation with the teacher's.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from photo import through_jpeg

from ripfdn_cli import Upscaler
from ripfdn_cli.evaluation.datasets import Pixels, find_data_set, load_pair
from ripfdn_cli.evaluation.markdown import markdown_table
from ripfdn_cli.foreign_networks import load_onnx
from ripfdn_cli.image_math.metrics import luma, psnr

SCALE = 4
SIDE = 128
QUALITIES = (45, 94)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--teacher", type=Path, required=True, metavar="ONNX")
    parser.add_argument(
        "--weights", action="append", help="may be repeated; x4-photo and x4-sharp by default"
    )
    parser.add_argument("--precision", default="fp32", help="of the teacher and the weights")
    arguments = parser.parse_args()
    jpegs = through_jpegs([crop for folder in arguments.folders for crop in crops(folder)])
    teacher = load_onnx(arguments.teacher, threads=None, precision=arguments.precision)
    wanted = [whole_numbers(teacher(jpeg.astype(np.float32) / np.float32(255))) for jpeg in jpegs]
    print(f"{len(jpegs)} JPEGs of {SIDE}×{SIDE} px")
    rows = []
    for name in arguments.weights or ["x4-photo", "x4-sharp"]:
        upscaler = Upscaler(name, precision=arguments.precision)
        results = [upscaler.upscale(jpeg) for jpeg in jpegs]
        scores = np.mean(
            [compared(ours, theirs) for ours, theirs in zip(results, wanted, strict=True)], axis=0
        )
        rows.append([Path(name).stem, f"{scores[0]:.2f}", *(f"{score:.3f}" for score in scores[1:])])
    print("\n".join(markdown_table(["weights", "RGB PSNR, dB", "projection", "energy", "correlation"], rows)))


def crops(folder: Path) -> Iterator[Pixels]:
    """The middle of each HR picture of a data set; of a smaller one, all of it."""
    for pair in find_data_set(folder, SCALE).pairs:
        hr = load_pair(pair, SCALE).hr
        assert hr is not None, f"{pair.name} has no HR picture"
        top, left = (max(0, side - SIDE) // 2 for side in hr.shape[:2])
        yield np.ascontiguousarray(hr[top : top + SIDE, left : left + SIDE])


def through_jpegs(pictures: list[Pixels]) -> list[Pixels]:
    qualities = np.linspace(*QUALITIES, len(pictures)).round().astype(int)
    return [through_jpeg(picture, int(quality)) for picture, quality in zip(pictures, qualities, strict=True)]


def whole_numbers(result: NDArray[np.float32]) -> Pixels:
    return (result.clip(0, 1) * 255).round().astype(np.uint8)


def compared(ours: Pixels, theirs: Pixels) -> tuple[float, float, float, float]:
    """RGB PSNR; projection, energy and correlation of the gradients of luma."""
    a, b = gradients(ours), gradients(theirs)
    ours_squared, theirs_squared, product = float(a @ a), float(b @ b), float(a @ b)
    return (
        psnr(ours.astype(np.float64), theirs.astype(np.float64)),
        product / theirs_squared,
        ours_squared / theirs_squared,
        product / (ours_squared * theirs_squared) ** 0.5,
    )


def gradients(pixels: Pixels) -> NDArray[np.float64]:
    plane = luma(pixels)
    return np.concatenate([np.diff(plane, axis=axis).ravel() for axis in (0, 1)])


if __name__ == "__main__":
    main()
