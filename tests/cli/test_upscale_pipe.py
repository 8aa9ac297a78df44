"""Frames through `ripfdn upscale - -o -`, against the same frames as a video file."""

import hashlib
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.commands import QUICK
from support.y4m_clips import FRAMES, RATE, pictures, y4m

pytestmark = pytest.mark.any_precision


def hashes(source: Any) -> list[tuple[str, int, int, str]]:
    """Format, size and a hash of the samples of each frame."""

    def of(frame: av.VideoFrame) -> tuple[str, int, int, str]:
        digest = hashlib.sha256()
        for plane in frame.planes:
            lines = np.frombuffer(memoryview(plane), np.uint8).reshape(plane.height, plane.line_size)
            row = plane.width * (2 if "10le" in frame.format.name else 1)
            digest.update(np.ascontiguousarray(lines[:, :row]).data)
        return frame.format.name, frame.width, frame.height, digest.hexdigest()

    with av.open(source) as container:
        return [of(frame) for frame in container.decode(video=0)]


@pytest.fixture
def options(enlarging_weights: dict[int, Path]) -> list[str]:
    return ["--weights", str(enlarging_weights[4]), *QUICK]


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "ripfdn_cli", "upscale", *arguments]


def piped(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command("-", "-o", "-", *arguments), input=data, capture_output=True, check=False)


@pytest.mark.parametrize(("pixel_format", "full"), [("yuv420p", False), ("yuv444p10le", True)])
def test_frames_are_those_of_the_video_file(
    pixel_format: str, full: bool, options: list[str], tmp_path: Path
) -> None:
    data = y4m(pixel_format, full=full)
    result = piped(data, *options)
    assert result.returncode == 0, result.stderr
    assert b"which y4m can't state" in result.stderr
    (tmp_path / "a.y4m").write_bytes(data)
    video = command(str(tmp_path / "a.y4m"), "-o", str(tmp_path / "a.mkv"), "--codec", "ffv1", *options)
    subprocess.run(video, check=True)
    expected = hashes(str(tmp_path / "a.mkv"))
    assert len(set(expected)) == FRAMES - 1
    assert hashes(io.BytesIO(result.stdout)) == expected
    with av.open(io.BytesIO(result.stdout)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == RATE
        assert stream.codec_context.color_range == (2 if full else 1)


def test_raw_frames_are_upscaled_as_pictures(options: list[str], tmp_path: Path) -> None:
    frames = pictures()
    result = piped(b"".join(frame.tobytes() for frame in frames), "--raw", "32x24", *options)
    assert result.returncode == 0, result.stderr
    found = np.frombuffer(result.stdout, np.uint8).reshape(FRAMES, 96, 128, 3)
    from ripfdn_cli.upscaler import Upscaler

    upscaler = Upscaler(options[1], engine="torch", device="cpu", threads=1)
    for frame, shown in zip(frames, found, strict=True):
        np.testing.assert_array_equal(shown, upscaler.upscale(frame))


def test_the_size_may_be_said(options: list[str]) -> None:
    result = piped(y4m().replace(b" A0:0 ", b" A4:3 ", 1), "--width", "64", *options)
    assert result.stdout.startswith(b"YUV4MPEG2 W64 H48 F30000:1001 Ip A4:3 C420")
    assert {(width, height) for _, width, height, _ in hashes(io.BytesIO(result.stdout))} == {(64, 48)}


def test_frames_come_out_while_others_still_go_in(options: list[str]) -> None:
    frame = pictures()[0].tobytes()
    with subprocess.Popen(
        command("-", "-o", "-", "--raw", "32x24", "-q", *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(3):
            process.stdin.write(frame)
            process.stdin.flush()
        assert len(process.stdout.read(16 * len(frame))) == 16 * len(frame)
        process.stdin.close()
        assert len(process.stdout.read()) == 2 * 16 * len(frame)


def test_what_is_wrong_is_said_in_a_line(options: list[str]) -> None:
    result = piped(y4m()[:-100], "-q", *options)
    assert result.returncode == 4
    assert b"error: stdin ends within a frame; check the program that writes it\n" in result.stderr
    result = piped(y4m(), "-q", "--quality", "90")
    assert result.returncode == 2
    assert result.stderr.startswith(b"ripfdn: error: --quality is for pictures")


def test_a_reader_that_leaves_ends_it(options: list[str]) -> None:
    with subprocess.Popen(
        command("-", "-o", "-", "-q", *options),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, errors = process.communicate(y4m())
    assert process.returncode == 1
    assert errors == b""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-", "-o", "x.mkv"], "from stdin to stdout"),
        (["clip.mp4", "-o", "-"], "from stdin to stdout"),
        (["-", "-o", "x.png", "--raw", "8x8"], "--raw"),
        (["a.png", "-o", "x.png", "--raw", "8x8"], "--raw"),
    ],
)
def test_frames_go_from_stdin_to_stdout_only(arguments: list[str], message: str) -> None:
    result = subprocess.run(command(*arguments), input=y4m(), capture_output=True, check=False)
    assert result.returncode == 2
    assert message in result.stderr.decode()
