"""Compare weights on pictures from the wild: `python benchmarks/photo.py FOLDER... [--weights x4 ...]`.

Each data set's LR pictures are upscaled as they are and after being saved as JPEG (Pillow's, 4:2:0) at
several qualities; Y-PSNR by the papers' protocol, as `ripfdn eval` has it. With `--scale 2` or 3, results of
weights for ×4 are shrunk to the size that is scored, as `ripfdn upscale` does.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ripfdn_cli import Upscaler
from ripfdn_cli.evaluation.datasets import LoadedPair, Pixels, find_data_set, load_pair
from ripfdn_cli.image_math.metrics import PAPERS, score
from ripfdn_cli.pictures.resampling import resize

QUALITIES = (80, 60, 40)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--scale", type=int, default=4, choices=(2, 3, 4))
    parser.add_argument(
        "--weights", action="append", help="may be repeated; x<scale> and x4-photo by default"
    )
    parser.add_argument(
        "--quality", action="append", type=int, help="may be repeated; 80, 60 and 40 by default"
    )
    arguments = parser.parse_args()
    qualities = (None, *(arguments.quality or QUALITIES))
    print("| data set | weights | clean | " + " | ".join(f"JPEG {q}" for q in qualities if q) + " |")
    print("| --- " * (2 + len(qualities)) + "|")
    for folder in arguments.folders:
        data_set = find_data_set(folder, arguments.scale)
        pairs = [load_pair(pair, arguments.scale) for pair in data_set.pairs]
        for weights in arguments.weights or (f"x{arguments.scale}", "x4-photo"):
            upscaler = Upscaler(weights)
            cells = [f"{mean_psnr(upscaler, pairs, quality, arguments.scale):.3f}" for quality in qualities]
            print(f"| {data_set.name} | {Path(weights).stem} | {' | '.join(cells)} |", flush=True)


def mean_psnr(upscaler: Upscaler, pairs: list[LoadedPair], quality: int | None, scale: int) -> float:
    values = []
    for pair in pairs:
        assert pair.hr is not None, f"{pair.name} has no HR picture"
        result = upscaler.upscale(pair.lr if quality is None else through_jpeg(pair.lr, quality))
        shrunk = resize(result, pair.hr.shape[1], pair.hr.shape[0])
        values.append(score(shrunk, pair.hr, scale=scale, protocol=PAPERS).psnr)
    return float(np.mean(values))


def through_jpeg(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(stream) as image:
        return np.array(image.convert("RGB"))


if __name__ == "__main__":
    main()
