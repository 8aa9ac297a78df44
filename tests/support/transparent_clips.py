"""Videos with transparency made by code, and their alpha read by libvpx or by the native decoder."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from support.video_clips import picture

OPTIONS = {
    "libvpx-vp9": {"crf": "10", "b": "0", "cpu-used": "5", "auto-alt-ref": "0"},
    "libvpx": {"crf": "4", "b": "2M", "cpu-used": "5", "auto-alt-ref": "0"},
}
_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}


def transparent_picture(number: int, width: int = 48, height: int = 32) -> NDArray[np.uint8]:
    """`picture`, opaque to the left, half transparent in the middle, and not there to the right."""
    alpha = np.zeros((height, width, 1), np.uint8)
    alpha[:, : width // 3] = 255
    alpha[:, width // 3 : 2 * width // 3] = 128
    return np.concatenate([picture(number, width, height), alpha], axis=2)


def make_transparent_clip(path: Path, codec: str, pixel_format: str, frames: int = 6) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=24, options=OPTIONS.get(codec, {}))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = 48, 32, pixel_format
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(transparent_picture(number), format="rgba")
            frame = frame.reformat(format=pixel_format)
            frame.pts, frame.time_base = number, Fraction(1, 24)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def make_transparent_gif(path: Path, frames: int = 4) -> Path:
    """Opaque to the left, transparent to the right; GIF has nothing between."""
    pictures = []
    for number in range(frames):
        pixels = transparent_picture(number)
        pixels[..., 3] = np.where(pixels[..., 3] > 0, 255, 0)
        pictures.append(Image.fromarray(pixels))
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, disposal=2)
    return path


def rgba_frames(path: Path) -> list[NDArray[np.uint8]]:
    """(H, W, 4), by a decoder that decodes transparency."""
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        decoder: Any = stream.codec_context
        if decoder.name in _DECODERS:
            decoder = av.CodecContext.create(_DECODERS[decoder.name], "r")
            decoder.extradata = stream.codec_context.extradata
        packets = [packet for packet in container.demux(stream) if packet.size]
        frames = [frame for packet in (*packets, None) for frame in decoder.decode(packet)]
    return [frame.to_ndarray(format="rgba") for frame in frames]
