"""Encoders for sound that a container doesn't hold: no sample loses bits on its way to FLAC."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.container import OutputContainer
from numpy.typing import NDArray

from ripfdn_cli.video.transcoding import add_encoder, converter


@pytest.mark.parametrize(("codec", "bits"), [("pcm_s16le", 16), ("pcm_s24le", 24)])
def test_flac_keeps_every_bit(codec: str, bits: int, tmp_path: Path) -> None:
    samples = np.random.default_rng(bits).integers(-(2 ** (bits - 1)), 2 ** (bits - 1), 9000, np.int64)
    write_pcm(tmp_path / "in.wav", codec, samples << (32 - bits))
    with av.open(tmp_path / "in.wav") as source, av.open(tmp_path / "out.flac", "w") as output:
        old = source.streams.audio[0]
        new = add_encoder(output, old, "flac")
        convert = converter(old, "flac", new)
        for packet in source.demux(old):
            if packet.size:
                mux(output, new, convert.convert(packet))
        mux(output, new, convert.flush())
    np.testing.assert_array_equal(decoded(tmp_path / "out.flac"), samples << (32 - bits))
    np.testing.assert_array_equal(decoded(tmp_path / "in.wav"), samples << (32 - bits))


def mux(output: OutputContainer, stream: Any, packets: Iterable[Any]) -> None:
    for packet in packets:
        packet.stream = stream
        output.mux(packet)


def write_pcm(path: Path, codec: str, samples: NDArray[np.int64]) -> None:
    """Mono, `samples` as if of 32 bits."""
    with av.open(path, "w") as output:
        stream: Any = output.add_stream(codec, rate=48000, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.astype(np.int32)[None], format="s32", layout="mono")
        frame.sample_rate = 48000
        resampler = av.AudioResampler(stream.codec_context.format, "mono", 48000)
        for part in [*resampler.resample(frame), None]:
            output.mux(stream.encode(part))


def decoded(path: Path) -> NDArray[np.int32]:
    """As 32-bit integers, by FFmpeg's own conversion."""
    resampler = av.AudioResampler("s32", "mono", 48000)
    with av.open(path) as source:
        frames = [part for frame in source.decode(audio=0) for part in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])
