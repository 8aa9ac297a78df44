"""How far results in half precision are from those in fp32, on what shows it best.

    python benchmarks/half_precision.py [--weights x4-fast ...] [--precision bf16] [--engine openvino]

On twelve skies, nearly even and of random colours, and on forty uniform colours from all over the gamut, all
of 48×48 px, as 8 and 16 bits and floats. Of each kind the worst picture's largest difference of a channel's
mean (shift) and root mean square of all differences (RMS), in levels of 255.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli import Upscaler, list_weights
from ripfdn_cli.evaluation.markdown import markdown_table

SIDE = 48
SKIES, COLOURS = 12, 40
LEVELS: dict[str, int] = {"uint8": 255, "uint16": 65535, "float32": 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--weights", action="append", help="may be repeated; all by default")
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--precision", default="bf16")
    arguments = parser.parse_args()
    kinds = pictures(np.random.default_rng(7))
    rows = []
    for name in arguments.weights or list_weights():
        exact = Upscaler(name, device="cpu", engine=arguments.engine, precision="fp32")
        half = Upscaler(name, device="cpu", engine=arguments.engine, precision=arguments.precision)
        for dtype in LEVELS:
            figures = [worst([difference(half, exact, x, dtype) for x in kind]) for kind in kinds]
            rows.append([name, dtype, *(f"{figure:.3f}" for pair in figures for figure in pair)])
    heads = ("weights", "pixels", "skies: shift", "RMS", "uniform colours: shift", "RMS")
    print("\n".join(markdown_table(heads, rows)))


def pictures(random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Skies and uniform colours (n, 48, 48, 3), whole levels of 255."""
    down, across = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j, 0:1:1j][:2]
    colours, slopes = random.integers(5, 250, (SKIES, 3)), random.integers(-40, 40, (SKIES, 3))
    skies = np.rint(colours[:, None, None] + slopes[:, None, None] * (down + across / 4)).clip(0, 255)
    uniform = random.integers(0, 256, (COLOURS, 3)).astype(np.float64)
    return skies, np.broadcast_to(uniform[:, None, None], (COLOURS, SIDE, SIDE, 3))


def difference(
    half: Upscaler, exact: Upscaler, picture: NDArray[np.float64], dtype: str
) -> NDArray[np.float64]:
    """Of both results, in levels of 255."""
    top = LEVELS[dtype]
    pixels = (picture * (top / 255)).astype(dtype)
    ours, theirs = (upscaler.upscale(pixels).astype(np.float64) for upscaler in (half, exact))
    return np.asarray((ours - theirs) * (255 / top), np.float64)


def worst(differences: list[NDArray[np.float64]]) -> tuple[float, float]:
    """Shift and RMS of the worst picture."""
    shifts = (float(np.abs(x.mean(axis=(0, 1))).max()) for x in differences)
    return max(shifts), max(float(np.sqrt(np.square(x).mean())) for x in differences)


if __name__ == "__main__":
    main()
