"""Make a file in weights/ of what a training run gave: score it, and say in it where it comes from.

    python scripts/ship_weights.py runs/x4/best.safetensors x4 Set5 Set14 BSD100 --from 'the x4 before'

Prints what weights/README.md has to say of it, and what it gains over the file that it replaces. One that
gains less than 0.02 dB on any of the sets is not installed.
"""

import argparse
import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.image_math.metrics import PAPERS, Score, score
from ripfdn_cli.model.checkpoint import Checkpoint
from ripfdn_cli.model.mixing import mixed
from ripfdn_cli.training.settings import TrainingSettings
from ripfdn_cli.training.validation import load_validation_sets, protocol_text, score_sets
from ripfdn_cli.upscaler import Upscaler

SAMPLE = Path(__file__).parents[1] / "examples" / "astronaut.png"
FOLDER = Path(__file__).parents[1] / "weights"
DATA = (
    "649 photographs: CLIC 2025 validation and final test (part; Unsplash License), CID22 training split "
    "(CC BY-SA 4.0), BSDS500 train and test (research use)"
)


LEAST_GAIN = 0.02
"""dB by which a file must be better than the one it replaces, on every set."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("trained", type=Path, help="the file of the run")
    parser.add_argument("name", help="what it shall be called, as x4")
    parser.add_argument("folders", nargs="+", help="data sets to score it on")
    parser.add_argument("--from", dest="start", required=True, help="what the run started from, in words")
    parser.add_argument(
        "--blend",
        nargs=2,
        metavar=("FILE", "SHARE"),
        help="mix in the weights that the run started from: SHARE of the run's, the rest of FILE's",
    )
    parser.add_argument("--anyway", action="store_true", help="install it whatever it gains")
    parser.add_argument("--data", default=DATA, help="what it was trained on, with licences")
    arguments = parser.parse_args()
    try:
        checkpoint = loaded(arguments.trained, arguments.blend)
        scale = checkpoint.config.scale
        sets = load_validation_sets(arguments.folders, scale)
    except (ValueError, RipfdnError) as error:
        parser.error(str(error))
    scores = score_sets(Upscaler(checkpoint, device="cpu", precision="fp32"), sets)
    provenance = checkpoint.provenance | {
        "data": arguments.data,
        "licence": "MIT",
        "init_from": arguments.start,
        "settings": TrainingSettings.from_mapping(
            checkpoint.provenance["settings"], source=str(arguments.trained)
        ).as_published(),
        "protocol": protocol_text(scale),
        "scores": {
            name: {"psnr": round(value.psnr, 4), "ssim": round(value.ssim, 5)}
            for name, value in scores.items()
        },
    }
    target = FOLDER / f"{arguments.name}.safetensors"
    gains = gained(scores, target)
    for name, gain in gains.items():
        print(f"{name}: {gain:+.3f} dB")
    if any(gain < LEAST_GAIN for gain in gains.values()) and not arguments.anyway:
        parser.error(f"{target} is kept: less than {LEAST_GAIN} dB gained; --anyway installs it all the same")
    replace(checkpoint, provenance=provenance).save(target)
    cells = [f"{value.psnr:.3f} / {value.ssim:.4f}".replace("/ 0.", "/ .") for value in scores.values()]
    print(f"| `{target.name}` | ×{scale} | {' | '.join(cells)} | {sample_psnr(target):.2f} |")
    print(f"SHA-256 `{hashlib.sha256(target.read_bytes()).hexdigest()}`")  # the last column
    print(f"{provenance['steps']} steps, {provenance['seconds'] / 60:.0f} minutes, {provenance['device']}")


def loaded(trained: Path, blend: tuple[str, str] | None) -> Checkpoint:
    """Raises ValueError where `blend` has no number or another network, and RipfdnError for a bad file."""
    checkpoint = Checkpoint.load(trained)
    if blend is None:
        return checkpoint
    start, share = Checkpoint.load(Path(blend[0])), float(blend[1])
    return mixed([(share, checkpoint), (1 - share, start)])


def gained(scores: dict[str, Score], target: Path) -> dict[str, float]:
    """By set, the PSNR in `scores` over what the file `target` records of itself; empty without a file."""
    if not target.exists():
        return {}
    before = Checkpoint.load(target).provenance["scores"]
    return {name: value.psnr - before[name]["psnr"] for name, value in scores.items() if name in before}


def sample_psnr(weights: Path) -> float:
    """Y-PSNR on the sample picture, shrunk by bicubic."""
    upscaler = Upscaler(weights, device="cpu", precision="fp32")
    with Image.open(SAMPLE) as sample:
        hr = np.array(sample.convert("RGB"))
    result = upscaler.upscale(imresize(hr, 1 / upscaler.scale))
    return score(result, hr, scale=upscaler.scale, protocol=PAPERS).psnr


if __name__ == "__main__":
    main()
