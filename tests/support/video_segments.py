"""Segments of a video, encoded quickly."""

from fractions import Fraction
from pathlib import Path

from support.video_clips import picture

from ripfdn_cli.video.codecs import EncoderChoices, codec_named
from ripfdn_cli.video.colour import ColourTags
from ripfdn_cli.video.encoding import EncoderSettings, Segment, segment_writer
from ripfdn_cli.video.timeline import Timeline

FAST = {"x264": "ultrafast", "x265": "ultrafast", "av1": "12", "vp9": "5"}


FORMATS = {"x264": "yuv420p", "x265": "yuv420p10le", "av1": "yuv420p", "vp9": "yuv420p"}
FORMATS |= {"prores": "yuv422p10le", "ffv1": "yuv444p"}
BT709 = ColourTags(1, 1, 1)


def settings(
    codec: str = "x264", base: Fraction = Fraction(1, 24000), size: tuple[int, int] = (64, 48)
) -> EncoderSettings:
    return EncoderSettings(
        codec=codec_named(codec),
        width=size[0],
        height=size[1],
        pixel_format=FORMATS[codec],
        time_base=base,
        rate=Fraction(24),
        tags=BT709,
        choices=EncoderChoices(preset=FAST.get(codec)),
    )


def write(path: Path, times: list[int], encoder: EncoderSettings) -> Segment:
    with segment_writer(path, encoder) as written:
        for number, pts in enumerate(times):
            written.writer.add(picture(number, encoder.width, encoder.height), pts, 1)
    assert written.segment is not None
    return written.segment


def write_all(
    folder: Path, line: Timeline, encoder: EncoderSettings, length: int
) -> list[tuple[Path, Segment]]:
    """All frames of `line`, in segments of `length`."""
    segments = []
    for start in range(0, len(line), length):
        with segment_writer(folder / f"{start}.part", encoder) as written:
            for n in range(start, min(start + length, len(line))):
                frame = picture(n, encoder.width, encoder.height)
                written.writer.add(frame, int(line.pts[n]), int(line.durations[n]))
        assert written.segment is not None
        segments.append((folder / f"{start}.part", written.segment))
    return segments


def x264_settings(path: Path) -> str:
    """What x264 writes into each stream of itself."""
    data = path.read_bytes()
    start = data.index(b"options: ")
    return data[start : data.index(b"\0", start)].decode()
