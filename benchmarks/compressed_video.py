"""Compare weights on video from H.264: `python benchmarks/compressed_video.py FOLDER... [--weights x4 ...]`.

Each data set's HR pictures become clips under a camera that moves by a pixel a frame: shrunk by MATLAB's
bicubic, written as YUV4MPEG2, encoded by x264 at several qualities (and not at all), decoded, upscaled.
Y-PSNR against the HR frames by the papers' protocol, as `ripfdn eval` has it. With `--scale 2` or 3, results
of weights for ×4 are shrunk to the size that is scored, as `ripfdn upscale` does.
"""

import argparse
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from ripfdn_cli import Upscaler
from ripfdn_cli.evaluation.datasets import Pixels, find_data_set
from ripfdn_cli.image_math.matlab_bicubic import imresize
from ripfdn_cli.image_math.metrics import PAPERS, score
from ripfdn_cli.pictures.resampling import resize

QUALITIES = (23, 28, 35)
FRAMES = 6
SCORED = (1, 4)
"""Frames that are scored: none is the keyframe."""
TO_RGB = av.video.reformatter.Interpolation.BICUBIC | av.video.reformatter.Interpolation.ACCURATE_RND


@dataclass(frozen=True)
class Clip:
    """`hr` and `lr`: frames (H, W, 3), the latter shrunk by `scale`."""

    hr: list[Pixels]
    lr: list[Pixels]
    scale: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--scale", type=int, default=4, choices=(2, 3, 4))
    parser.add_argument(
        "--weights", action="append", help="may be repeated; x<scale> and x4-photo by default"
    )
    parser.add_argument("--limit", type=int, help="only so many pictures of each data set")
    parser.add_argument("--crf", action="append", type=int, help="may be repeated; 23, 28 and 35 by default")
    arguments = parser.parse_args()
    qualities = arguments.crf or QUALITIES
    print("| data set | weights | clean | " + " | ".join(f"crf {crf}" for crf in qualities) + " |")
    print("| --- " * (3 + len(qualities)) + "|")
    for folder in arguments.folders:
        data_set = find_data_set(folder, arguments.scale)
        pictures = [pair.hr for pair in data_set.pairs if pair.hr][: arguments.limit]
        clips = [moving(np.array(Image.open(path).convert("RGB")), arguments.scale) for path in pictures]
        coded = {crf: [through_x264(clip.lr, crf) for clip in clips] for crf in (None, *qualities)}
        decoded = {crf: [frames for frames, _ in results] for crf, results in coded.items()}
        bits = [np.mean([bits for _, bits in results]) for results in coded.values()]
        cells = [f"{number:.2f}" for number in bits]
        print(f"| {data_set.name} | bits a pixel | {' | '.join(cells)} |", flush=True)
        for weights in arguments.weights or (f"x{arguments.scale}", "x4-photo"):
            upscaler = Upscaler(weights)
            cells = [f"{mean_psnr(upscaler, clips, frames):.3f}" for frames in decoded.values()]
            print(f"| {data_set.name} | {Path(weights).stem} | {' | '.join(cells)} |", flush=True)


def moving(picture: Pixels, scale: int) -> Clip:
    """`picture` under a camera that moves to the right and down, by a pixel of the small frames a frame."""
    height, width = ((side - scale * FRAMES) // (2 * scale) * 2 * scale for side in picture.shape[:2])
    starts = [scale * number for number in range(FRAMES)]
    hr = [np.ascontiguousarray(picture[s : s + height, s : s + width]) for s in starts]
    return Clip(hr, [imresize(frame, 1 / scale) for frame in hr], scale)


def through_x264(frames: list[Pixels], crf: int | None) -> tuple[list[Pixels], float]:
    """What a player shows of `frames` as Y4M (4:2:0, BT.601) and, with `crf`, after x264 at its defaults; and
    the size of the file in bits a pixel.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.y4m"
        write(path, "wrapped_avframe", pictures_as_yuv(frames), {})
        if crf is not None:
            coded = path.with_suffix(".mkv")
            write(coded, "libx264", read(path), {"crf": str(crf), "preset": "medium"})
            path = coded
        shown = [
            frame.to_ndarray(format="rgb24", src_colorspace=5, interpolation=TO_RGB).astype(
                np.uint8, copy=False
            )
            for frame in read(path)
        ]
        return shown, 8 * path.stat().st_size / sum(frame.shape[0] * frame.shape[1] for frame in frames)


def pictures_as_yuv(frames: list[Pixels]) -> Iterator[av.VideoFrame]:
    for pixels in frames:
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        yield frame.reformat(format="yuv420p", dst_colorspace=5, interpolation=TO_RGB)


def read(path: Path) -> list[av.VideoFrame]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def write(path: Path, codec: str, frames: Iterable[av.VideoFrame], options: dict[str, str]) -> None:
    with av.open(str(path), "w") as container:
        stream: av.VideoStream | None = None
        for number, frame in enumerate(frames):
            if stream is None:
                added = container.add_stream(codec, rate=24, options=options)
                assert isinstance(added, av.VideoStream)
                stream = added
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
            frame.pts, frame.time_base = number, Fraction(1, 24)
            frame.pict_type = 0
            container.mux(stream.encode(frame))
        assert stream is not None, "a clip has frames"
        container.mux(stream.encode())


def mean_psnr(upscaler: Upscaler, clips: list[Clip], decoded: list[list[Pixels]]) -> float:
    values = []
    for clip, frames in zip(clips, decoded, strict=True):
        for number in SCORED:
            hr = clip.hr[number]
            shrunk = resize(upscaler.upscale(frames[number]), hr.shape[1], hr.shape[0])
            values.append(score(shrunk, hr, scale=clip.scale, protocol=PAPERS).psnr)
    return float(np.mean(values))


if __name__ == "__main__":
    main()
