"""Frames from a stream to a stream: all of them, in order, each what the network alone gives."""

import io
from pathlib import Path

import numpy as np
import pytest
from support.y4m_clips import FRAMES, pictures

from ripfdn_cli.errors import InputError, UnavailableError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.output_size import SizeRequest
from ripfdn_cli.upscaler import Upscaler
from ripfdn_cli.video.frame_streams import RawStream
from ripfdn_cli.video_jobs.frame_pipe import upscale_stream

WIDTH, HEIGHT = 32, 24


def network(weights: Path, *devices: str) -> NetworkSettings:
    return NetworkSettings(
        weights=str(weights), devices=devices or ("cpu",), engine="torch", precision="fp32", threads=1
    )


def raw() -> bytes:
    return b"".join(frame.tobytes() for frame in pictures())


def test_each_frame_is_what_the_network_gives(enlarging_weights: dict[int, Path]) -> None:
    output, shown = io.BytesIO(), []
    source = RawStream(io.BytesIO(raw()), WIDTH, HEIGHT)
    count = upscale_stream(
        source, output, SizeRequest(), network(enlarging_weights[2]), lambda: shown.append(1)
    )
    upscaler = Upscaler(enlarging_weights[2], device="cpu", engine="torch", precision="fp32", threads=1)
    expected = np.stack([upscaler.upscale(frame) for frame in pictures()])
    assert count == len(shown) == FRAMES
    frames = np.frombuffer(output.getvalue(), np.uint8).reshape(FRAMES, 2 * HEIGHT, 2 * WIDTH, 3)
    np.testing.assert_array_equal(frames, expected)


def test_half_a_frame_is_told_after_the_whole_ones(enlarging_weights: dict[int, Path]) -> None:
    output = io.BytesIO()
    source = RawStream(io.BytesIO(raw()[:-100]), WIDTH, HEIGHT)
    with pytest.raises(InputError, match="frame"):
        upscale_stream(source, output, SizeRequest(), network(enlarging_weights[2]), lambda: None)
    assert len(output.getvalue()) == (FRAMES - 1) * 4 * WIDTH * HEIGHT * 3


def test_a_missing_device_is_told(enlarging_weights: dict[int, Path]) -> None:
    source = RawStream(io.BytesIO(raw()), WIDTH, HEIGHT)
    with pytest.raises(UnavailableError, match="cuda:9"):
        upscale_stream(
            source, io.BytesIO(), SizeRequest(), network(enlarging_weights[2], "cuda:9"), lambda: None
        )
