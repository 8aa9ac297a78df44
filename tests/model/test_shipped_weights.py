"""What is installed is what weights/README.md says it is: by hash, recorded scores and one small picture."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ripfdn_cli import Upscaler
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.image_math.metrics import PAPERS, score
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.weights_store import shipped_folder

SAMPLE = Path(__file__).parents[2] / "examples" / "astronaut.png"
FILES = sorted(shipped_folder().glob("*.safetensors"))
README = (shipped_folder() / "README.md").read_text(encoding="utf-8")
DATA_SETS = ("Set5", "Set14", "BSD100")

each_file = pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])


def row(path: Path) -> dict[str, str]:
    """The file's line of the README's table, by column."""
    lines = [line.strip("|").split("|") for line in README.splitlines() if line.startswith("|")]
    header = [cell.strip() for cell in lines[0]]
    cells = next(line for line in lines if line[0].strip() == f"`{path.name}`")
    return dict(zip(header, (cell.strip() for cell in cells), strict=True))


@each_file
def test_the_readme_names_its_hash(path: Path) -> None:
    digest = row(path)["SHA-256"].strip("`")
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


@each_file
def test_the_readme_has_the_scores_of_its_provenance(path: Path) -> None:
    recorded = Checkpoint.load(path).provenance["scores"]
    for name in DATA_SETS:
        psnr, ssim = (float(number) for number in row(path)[name].split(" / "))
        assert psnr == pytest.approx(recorded[name]["psnr"], abs=0.0006)
        assert ssim == pytest.approx(recorded[name]["ssim"], abs=0.00006)


@each_file
def test_it_scores_on_the_sample_what_the_readme_says(path: Path) -> None:
    upscaler = Upscaler(path, device="cpu", precision="fp32")
    with Image.open(SAMPLE) as sample:
        hr = np.array(sample.convert("RGB"))
    result = upscaler.upscale(imresize(hr, 1 / upscaler.scale))
    measured = score(result, hr, scale=upscaler.scale, protocol=PAPERS).psnr
    assert measured == pytest.approx(float(row(path)["sample"]), abs=0.01)
    bicubic = score(imresize(imresize(hr, 1 / upscaler.scale), upscaler.scale), hr, scale=upscaler.scale)
    if path.stem != "x4-sharp":
        assert measured > bicubic.psnr + 1


def test_sharp_weights_clean_a_jpeg_and_sharpen_it() -> None:
    """Against x4-photo: where the picture is flat there is less left of the blocks, and edges are steeper."""
    with Image.open(SAMPLE) as sample:
        small = sample.convert("RGB").resize((96, 96), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=50)
    pixels = np.array(Image.open(stream))
    flat, steep = {}, {}
    for name in ("x4-photo", "x4-sharp"):
        luma = Upscaler(name, device="cpu", precision="fp32").upscale(pixels).astype(float).mean(axis=2)
        slopes = np.hypot(*np.gradient(luma)).ravel()
        flat[name], steep[name] = np.quantile(slopes, 0.25), np.quantile(slopes, 0.99)
    assert flat["x4-sharp"] < 0.8 * flat["x4-photo"]
    assert steep["x4-sharp"] > 1.2 * steep["x4-photo"]
