"""Every pixel format that FFmpeg's decoders give becomes RGB, and is known again after its own encoding."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support.video_clips import picture

from ripfdn_cli.video.codecs import codec_named
from ripfdn_cli.video.colour import ToRgb, colour_of
from ripfdn_cli.video.pixel_formats import described, is_encodable, shows_the_same


def formats_of_cameras() -> list[str]:
    """Those that FFmpeg's encoders of everyday codecs write: decoders of the same give no others."""
    codecs = (
        *("mjpeg", "prores_ks", "dnxhd", "ffv1", "libx264", "libx264rgb", "libx265", "utvideo", "huffyuv"),
        *("ffvhuff", "cfhd", "jpeg2000", "png", "gif", "qtrle", "dvvideo", "v210", "v410", "r210"),
    )
    names: dict[str, None] = {}
    for codec in codecs:
        try:
            names |= dict.fromkeys(entry.name for entry in av.Codec(codec, "w").video_formats or [])
        except av.codec.codec.UnknownCodecError:
            continue
    return sorted(name for name in names if "f16" not in name and name != "pal8")  # libswscale makes neither


@pytest.mark.parametrize("name", formats_of_cameras())
def test_frames_become_rgb_of_their_depth(name: str) -> None:
    pixels = picture(3, 64, 48)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format=name, dst_colorspace=5)
    rgb = ToRgb(frame, colour_of(frame, "rawvideo"))(frame)
    kind = described(name)
    assert rgb.dtype == (np.uint16 if kind.bits > 8 else np.uint8)
    assert rgb.shape == (48, 64, 4 if kind.has_alpha else 3)
    if kind.is_grey or kind.bits < 4:
        return
    shown = rgb[..., :3] / (257 if kind.bits > 8 else 1)
    middles = [(row, column) for row in (20, 36) for column in (8, 24, 40, 56)]  # of the patches
    for row, column in middles:
        assert shown[row, column] == pytest.approx(pixels[row, column], abs=12), (row, column)


@pytest.mark.parametrize(
    ("decoded", "encoded", "same"),
    [
        ("yuvj422p", "yuv422p", True),
        ("yuvj444p", "yuv444p", True),
        ("yuvj440p", "yuv440p", True),
        ("yuva444p12le", "yuva444p10le", True),
        ("yuv420p", "nv12", True),
        ("gbrap", "bgra", True),
        ("yuv422p", "yuv420p", False),
        ("yuv420p", "yuv420p10le", False),
        ("yuv420p", "yuva420p", False),
        ("gray", "yuv420p", False),
        ("yuv420p", "gray", True),
        ("gbrp", "yuv444p", False),
    ],
)
def test_what_shows_the_same(decoded: str, encoded: str, same: bool) -> None:
    assert shows_the_same(decoded, encoded) is same


@pytest.mark.parametrize("codec", ["x264", "x265", "av1", "vp9", "prores", "ffv1"])
def test_what_an_encoder_is_given_is_known_again(codec: str, tmp_path: Path) -> None:
    """Each format that may be chosen, through the encoder and a decoder."""
    encoder = codec_named(codec).encoder
    for entry in av.Codec(encoder, "w").video_formats or []:
        if not is_encodable(entry.name):
            continue
        path = tmp_path / f"{entry.name}{'.mov' if codec == 'prores' else '.nut'}"
        with av.open(str(path), "w") as container:
            stream = container.add_stream(encoder, rate=24)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = 64, 48, entry.name
            frame = av.VideoFrame.from_ndarray(picture(0, 64, 48), format="rgb24").reformat(format=entry.name)
            frame.pts, frame.time_base = 0, Fraction(1, 24)
            try:
                packets = [*stream.encode(frame), *stream.encode()]
            except av.FFmpegError:
                continue  # listed, and refused as experimental
            container.mux(packets)
        if described(entry.name).has_alpha and codec in ("vp9", "x265"):
            continue  # what lies beside the packets is not in NUT
        with av.open(str(path)) as container:
            found = next(container.decode(video=0)).format.name
        assert shows_the_same(found, entry.name), (found, entry.name)
