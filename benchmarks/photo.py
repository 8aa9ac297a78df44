"""Compare weights on pictures from the wild: `python benchmarks/photo.py FOLDER... [--weights x4 ...]`.

Each data set's LR pictures are upscaled as they are and after being saved as JPEG (Pillow's, 4:2:0) at
several qualities; Y-PSNR by the papers' protocol, as `ripfdn eval` has it.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ripfdn_cli import Upscaler
from ripfdn_cli.evaluation.datasets import LoadedPair, Pixels, find_data_set, load_pair
from ripfdn_cli.image_math.metrics import PAPERS, score

QUALITIES = (80, 60, 40)
SCALE = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--weights", action="append", help="may be repeated; x4 and x4-photo by default")
    parser.add_argument(
        "--quality", action="append", type=int, help="may be repeated; 80, 60 and 40 by default"
    )
    arguments = parser.parse_args()
    qualities = (None, *(arguments.quality or QUALITIES))
    print("| data set | weights | clean | " + " | ".join(f"JPEG {q}" for q in qualities if q) + " |")
    print("| --- " * (2 + len(qualities)) + "|")
    for folder in arguments.folders:
        data_set = find_data_set(folder, SCALE)
        pairs = [load_pair(pair, SCALE) for pair in data_set.pairs]
        for weights in arguments.weights or ("x4", "x4-photo"):
            upscaler = Upscaler(weights)
            cells = [f"{mean_psnr(upscaler, pairs, quality):.3f}" for quality in qualities]
            print(f"| {data_set.name} | {Path(weights).stem} | {' | '.join(cells)} |", flush=True)


def mean_psnr(upscaler: Upscaler, pairs: list[LoadedPair], quality: int | None) -> float:
    values = []
    for pair in pairs:
        assert pair.hr is not None, f"{pair.name} has no HR picture"
        result = upscaler.upscale(pair.lr if quality is None else through_jpeg(pair.lr, quality))
        values.append(score(result, pair.hr, scale=SCALE, protocol=PAPERS).psnr)
    return float(np.mean(values))


def through_jpeg(pixels: Pixels, quality: int) -> Pixels:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=quality, subsampling="4:2:0")
    with Image.open(stream) as image:
        return np.array(image.convert("RGB"))


if __name__ == "__main__":
    main()
