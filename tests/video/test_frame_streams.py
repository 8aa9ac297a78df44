import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from support.y4m_clips import FRAMES, y4m

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.picture import DEFAULT_MAX_PIXELS
from ripfdn_cli.video.files import probe, scan
from ripfdn_cli.video.frame_streams import Y4M_MAGIC, RawStream, Resumed, Y4mStream
from ripfdn_cli.video.frames import VideoFrames


def frames_of(
    data: bytes, max_pixels: int = DEFAULT_MAX_PIXELS
) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
    with Y4mStream(io.BytesIO(data[len(Y4M_MAGIC) :]), data[: len(Y4M_MAGIC)], max_pixels) as stream:
        yield from stream.frames()


def test_every_frame_comes_out_in_order() -> None:
    frames = list(frames_of(y4m()))
    assert len(frames) == FRAMES
    assert {frame.shape for frame in frames} == {(24, 32, 3)}
    assert [n for n in range(1, FRAMES) if np.array_equal(frames[n], frames[n - 1])] == [3]


def test_parameters_of_frames_are_no_damage() -> None:
    data = y4m().replace(b"FRAME\n", b"FRAME Ip\n")
    assert len(list(frames_of(data))) == FRAMES


@pytest.mark.parametrize("cut", [1, 5, 7, 100, 1158, 1159, 1160, 2000, 4700])
def test_an_end_within_a_frame_is_an_error_after_the_frames_before_it(cut: int) -> None:
    data, size = y4m(), 24 * 32 * 3 // 2 + len(b"FRAME\n")
    frames = frames_of(data[:-cut])
    whole = FRAMES - 1 - (cut - 1) // size
    if cut % size == 0:
        assert len(list(frames)) == FRAMES - cut // size
        return
    for _ in range(whole):
        next(frames)
    with pytest.raises(InputError, match="stdin ends within a frame"):
        next(frames)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"YUV4MPEG2", "can't read stdin"),
        (b"YUV4MPEG2 W0 H24\n", "can't read stdin"),
        (b"YUV4MPEG2 W32 H24 F25:1 Ip C420\n", "no frames"),
        (b"YUV4MPEG2 W32 H24 F25:1 Ip C999\nFRAME\n" + bytes(9999), "can't read stdin"),
    ],
)
def test_damage_is_an_error(data: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        list(frames_of(data))


def test_large_frames_are_refused_by_their_header() -> None:
    with pytest.raises(InputError, match="`max_pixels`"):
        list(frames_of(y4m(), max_pixels=24 * 32 - 1))
    assert len(list(frames_of(y4m(), max_pixels=24 * 32))) == FRAMES


def test_raw_frames() -> None:
    data = bytes(range(24)) * 2
    assert [frame.tolist() for frame in RawStream(io.BytesIO(data), 4, 2).frames()] == [
        np.arange(24).reshape(2, 4, 3).tolist()
    ] * 2
    with pytest.raises(InputError, match="1 of 24 bytes"):
        list(RawStream(io.BytesIO(data + b"x"), 4, 2).frames())


def test_what_was_read_of_a_stream_is_not_lost() -> None:
    for size in (1, 2, 3, 100):
        resumed = Resumed(b"ab", io.BytesIO(b"cdef"))
        assert b"".join(iter(partial(resumed.read, size), b"")) == b"abcdef"
        assert resumed.count == 6


def test_interlaced_frames_become_whole_ones() -> None:
    """An edge that moves between the two fields of a frame is a comb, whose teeth go."""
    clips = []
    for kind in (b"It", b"Ip"):
        data = b"YUV4MPEG2 W96 H24 F25:1 " + kind + b" C420\n"
        for number in range(5):
            edges = 10 + 16 * number + 8 * (np.arange(24)[:, None] % 2)
            luma = np.where(np.arange(96) < edges, 200, 50).astype(np.uint8)
            data += b"FRAME\n" + luma.tobytes() + bytes([128]) * (luma.size // 2)
        clips.append(np.stack(list(frames_of(data))).astype(int))
    whole, combed = (np.abs(np.diff(clip, axis=1)).sum(axis=(1, 2, 3)) for clip in clips)
    assert len(whole) == len(combed) == 5
    assert (whole < combed / 4).all()


PLACES = {b"C420jpeg": (0.5, 0.5), b"C420mpeg2": (0.0, 0.5), b"C420paldv": (0.0, 0.0)}
"""Px from the middle of the first pixel to that of the first chroma sample, across and down (yuv4mpeg(5))."""


def chroma_ramps(tag: bytes) -> bytes:
    """One frame of even luma, whose blue rises by 4 a sample across, and whose red by 4 a sample down."""
    across, down = np.meshgrid(96 + 4 * np.arange(16), 96 + 4 * np.arange(12))
    planes = (np.full((24, 32), 126), across, down)
    frame = b"".join(plane.astype(np.uint8).tobytes() for plane in planes)
    return b"YUV4MPEG2 W32 H24 F25:1 Ip A1:1 " + tag + b"\nFRAME\n" + frame


@pytest.mark.parametrize("tag", PLACES)
@pytest.mark.parametrize("from_file", [False, True])
def test_chroma_lies_where_the_header_says(tag: bytes, from_file: bool, tmp_path: Path) -> None:
    """By the equations of BT.601, at pixels away from the edges."""
    data, (right, below) = chroma_ramps(tag), PLACES[tag]
    if from_file:
        path = tmp_path / "a.y4m"
        path.write_bytes(data)
        info = probe(path)
        frame = next(VideoFrames(path, info, scan(path, info.index).times)()).pixels.astype(float)
    else:
        frame = next(frames_of(data)).astype(float)
    luma = (126 - 16) * 255 / 219
    blue = luma + 1.772 * 255 / 224 * (96 + 2 * (np.arange(32) - right) - 128)
    red = luma + 1.402 * 255 / 224 * (96 + 2 * (np.arange(24) - below) - 128)
    assert np.abs(frame[8:-8, 8:-8, 2] - blue[None, 8:-8]).max() < 1.1
    assert np.abs(frame[8:-8, 8:-8, 0] - red[8:-8, None]).max() < 1.1


@pytest.mark.parametrize("tag", PLACES)
def test_results_say_where_their_chroma_lies(tag: bytes) -> None:
    """They say another place than some inputs, and have the same colours there."""
    source, result = chroma_ramps(tag), io.BytesIO()
    with Y4mStream(io.BytesIO(source), b"", DEFAULT_MAX_PIXELS) as stream:
        writer = stream.writer(result, 32, 24)
        for frame in stream.frames():
            writer.add(frame)
        writer.close()
    assert b" C420mpeg2 " in result.getvalue().partition(b"\n")[0]
    have, want = (next(frames_of(data)).astype(int) for data in (result.getvalue(), source))
    assert np.abs(have - want)[8:-8, 8:-8].max() <= 2
