"""How far tiled results are from the untiled picture: tiles padded and cropped, as others do, and ours.

    python benchmarks/tiling.py [PICTURE] [--tile 48] [--precision fp32]

Prints, for 8-bit output and the default weights, the largest difference in levels and the share of samples
that differ at all. Without a picture it takes the sample in examples/, mirrored to leave room for tiles.
"""

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ripfdn_cli import Upscaler

SAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.png"
HALOS = (16, 32, 48, 64, 96)


def pad_and_crop(whole: Upscaler, pixels: NDArray[np.uint8], tile: int, halo: int) -> NDArray[np.uint8]:
    """Each tile with its halo upscaled as if it were a picture of its own, the halo cropped."""
    height, width = pixels.shape[:2]
    s = whole.scale
    output = np.empty((s * height, s * width, 3), np.uint8)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            above, before = min(halo, top), min(halo, left)
            large = whole.upscale(pixels[top - above : top + tile + halo, left - before : left + tile + halo])
            kept = output[s * top : s * (top + tile), s * left : s * (left + tile)]
            kept[:] = large[s * above :, s * before :][: kept.shape[0], : kept.shape[1]]
    return output


def difference(result: NDArray[np.uint8], expected: NDArray[np.uint8]) -> str:
    levels = np.abs(result.astype(np.int16) - expected)
    return f"{levels.max():3d} levels, {100 * (levels > 0).mean():8.4f} %"


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("picture", nargs="?", type=Path)
    parser.add_argument("--tile", type=int, default=48)
    parser.add_argument("--precision", default="fp32")
    arguments = parser.parse_args()
    pixels = np.array(Image.open(arguments.picture or SAMPLE).convert("RGB"))
    if arguments.picture is None:
        pixels = np.pad(pixels, ((0, 192), (0, 192), (0, 0)), mode="reflect")
    precision = arguments.precision
    whole = Upscaler("x4", precision=precision, tile=None)
    expected = whole.upscale(pixels)
    height, width = pixels.shape[:2]
    print(f"{width}×{height} px, tiles of {arguments.tile} px, {whole.engine_name} {whole.precision}")
    print(f"{'halo':>4}  {'pad and crop':>24}  {'ripfdn':>24}")
    for halo in HALOS:
        usual = pad_and_crop(whole, pixels, arguments.tile, halo)
        ours = Upscaler("x4", precision=precision, tile=arguments.tile, halo=halo).upscale(pixels)
        print(f"{halo:4}  {difference(usual, expected):>24}  {difference(ours, expected):>24}", flush=True)


if __name__ == "__main__":
    main()
