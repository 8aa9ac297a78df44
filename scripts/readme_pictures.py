"""Draws the README's comparison: a JPEG as the web has them, enlarged four times by bicubic, by us and by
another network, with the seconds that each took.

    python scripts/readme_pictures.py --rival realesrgan_x4plus.onnx

Writes docs/images/comparison.png, and prints the seconds for the README. Without --picture it takes the
sample in examples/, saved as a JPEG; without --rival there is no other network. All networks run in one
precision, and the first run of each isn't counted.
"""

import argparse
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ripfdn_cli import Upscaler
from ripfdn_cli.evaluation.speed import machine_name
from ripfdn_cli.foreign_networks import load_onnx

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "examples" / "astronaut.png"
OUTPUT = ROOT / "docs" / "images" / "comparison.png"
CROP = (62, 42, 84)  # left, top and side in px of the sample
CAPTION_HEIGHT, GAP = 48, 8


@dataclass(frozen=True)
class Panel:
    """A result, and the least seconds that it took: by the clock, and of the processor's cores together."""

    name: str
    image: Image.Image
    seconds: float | None = None
    processor_seconds: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--picture", type=Path, help="a JPEG; the sample as one where there is none")
    parser.add_argument("--quality", type=int, default=60, help="of the sample as a JPEG")
    parser.add_argument("--crop", type=int, nargs=3, default=CROP, metavar=("LEFT", "TOP", "SIDE"))
    parser.add_argument("--weights", default="x4-sharp")
    parser.add_argument("--rival", type=Path, help="an .onnx file")
    parser.add_argument("--rival-name", default="Real-ESRGAN x4plus")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--rounds", type=int, default=3, help="runs that are timed; the fastest counts")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    given = Image.open(arguments.picture or as_jpeg(SAMPLE, arguments.quality)).convert("RGB")
    large = (4 * given.width, 4 * given.height)
    time_it = partial(timed, rounds=arguments.rounds)
    upscaler = Upscaler(arguments.weights, precision=arguments.precision)
    panels = [
        Panel("input, pixels repeated", given.resize(large, Image.Resampling.NEAREST)),
        time_it("bicubic", lambda: given.resize(large, Image.Resampling.BICUBIC)),
        time_it(f"ripfdn {arguments.weights}", lambda: upscaler.upscale(given)),
    ]
    if arguments.rival is not None:
        network = load_onnx(arguments.rival, threads=None, precision=arguments.precision)
        pixels = np.asarray(given, np.float32) / np.float32(255)
        panels.append(time_it(arguments.rival_name, lambda: as_image(network(pixels))))
    print(f"{machine_name('cpu')}, {given.width}×{given.height} px, {arguments.precision}")
    for panel in panels[1:]:
        print(f"{panel.name:24} {panel.seconds:8.3f} s  {panel.processor_seconds:8.3f} s of processor time")
    left, top, side = arguments.crop
    box = (4 * left, 4 * top, 4 * (left + side), 4 * (top + side))
    sheet = side_by_side([captioned(panel.image.crop(box), caption(panel)) for panel in panels])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(arguments.output, optimize=True)
    print(f"wrote {arguments.output}, {sheet.width}×{sheet.height} px")


def as_jpeg(path: Path, quality: int) -> io.BytesIO:
    """The picture in `path` as most programs save a JPEG: colour at half its resolution."""
    stream = io.BytesIO()
    Image.open(path).convert("RGB").save(stream, "JPEG", quality=quality)
    return stream


def timed(name: str, run: Callable[[], Image.Image], *, rounds: int) -> Panel:
    """What `run` makes, and its fastest of so many runs after the first."""
    image, clock, processor = run(), [], []
    for _ in range(rounds):
        start, start_of_processor = time.perf_counter(), time.process_time()
        image = run()
        clock.append(time.perf_counter() - start)
        processor.append(time.process_time() - start_of_processor)
    return Panel(name, image, min(clock), min(processor))


def as_image(unit: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Image.Image:
    """(H, W, 3) in 0..1."""
    return Image.fromarray(np.rint(unit.clip(0, 1) * 255).astype(np.uint8))


def caption(panel: Panel) -> str:
    """With the seconds of all cores together, which other programs change less than those of the clock."""
    if panel.processor_seconds is None:
        return panel.name
    return f"{panel.name}\n{panel.processor_seconds:.2f} s of processor time"


def captioned(picture: Image.Image, text: str) -> Image.Image:
    panel = Image.new("RGB", (picture.width, picture.height + CAPTION_HEIGHT), "white")
    panel.paste(picture)
    middle = (picture.width // 2, picture.height + CAPTION_HEIGHT // 2)
    ImageDraw.Draw(panel).text(middle, text, fill="black", anchor="mm", align="center", font_size=16)
    return panel


def side_by_side(panels: list[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (sum(p.width + GAP for p in panels) - GAP, panels[0].height), "white")
    for index, panel in enumerate(panels):
        sheet.paste(panel, (index * (panel.width + GAP), 0))
    return sheet


if __name__ == "__main__":
    main()
