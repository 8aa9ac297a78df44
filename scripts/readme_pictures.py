"""Draws the README's comparison: the sample picture enlarged four times as it is, by bicubic, and by us.

    python scripts/readme_pictures.py

Writes docs/images/comparison.png. Takes the default weights.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from ripfdn_cli import Upscaler

ROOT = Path(__file__).parents[1]
SAMPLE = ROOT / "examples" / "astronaut.png"
OUTPUT = ROOT / "docs" / "images" / "comparison.png"
CROP = (62, 42, 62 + 84, 42 + 84)  # left, top, right, bottom in px of the sample
CAPTION_HEIGHT = 28


def captioned(picture: Image.Image, caption: str) -> Image.Image:
    panel = Image.new("RGB", (picture.width, picture.height + CAPTION_HEIGHT), "white")
    panel.paste(picture)
    middle = (picture.width // 2, picture.height + CAPTION_HEIGHT // 2)
    ImageDraw.Draw(panel).text(middle, caption, fill="black", anchor="mm", font_size=16)
    return panel


def main() -> None:
    sample = Image.open(SAMPLE).convert("RGB")
    ours = Image.fromarray(Upscaler("x4").upscale(np.asarray(sample)))
    large = (ours.width, ours.height)
    pictures = {
        "input (pixels repeated)": sample.resize(large, Image.Resampling.NEAREST),
        "bicubic": sample.resize(large, Image.Resampling.BICUBIC),
        "ripfdn x4": ours,
    }
    scale = ours.width // sample.width
    left, top, right, bottom = (scale * side for side in CROP)
    box = (left, top, right, bottom)
    panels = [captioned(picture.crop(box), caption) for caption, picture in pictures.items()]
    gap = 8
    sheet = Image.new("RGB", (sum(p.width + gap for p in panels) - gap, panels[0].height), "white")
    for index, panel in enumerate(panels):
        sheet.paste(panel, (index * (panel.width + gap), 0))
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(OUTPUT, optimize=True)
    print(f"wrote {OUTPUT.relative_to(ROOT)}, {sheet.width}×{sheet.height} px")


if __name__ == "__main__":
    main()
