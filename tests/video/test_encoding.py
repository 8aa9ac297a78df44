"""Segments are closed, keep exact time in any time base, and appear whole or not at all."""

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from support.full_disk import files_of_at_most
from support.video_clips import picture
from support.video_facts import decoded
from support.video_segments import BT709, FORMATS, settings, write, x264_settings

from ripfdn_cli.errors import OutputError, UnavailableError, UsageError
from ripfdn_cli.video.codecs import EncoderChoices, available_codecs, codec_named
from ripfdn_cli.video.encoding import EncoderSettings, segment_packets, segment_writer


@pytest.mark.parametrize(
    "base", [Fraction(1, 24000), Fraction(1, 1000), Fraction(1, 90000), Fraction(1001, 30000)]
)
@pytest.mark.parametrize("codec", FORMATS)
def test_times_come_back_exactly(codec: str, base: Fraction, tmp_path: Path) -> None:
    times = [10_000_000 + 41 * n + n % 3 for n in range(12)]
    segment = write(tmp_path / "a.part", times, settings(codec, base))
    found = list(segment_packets(tmp_path / "a.part", segment, base))
    assert sorted(packet.pts for packet in found) == times
    assert found[0].is_keyframe
    assert found[0].pts == times[0]
    assert len(decoded(tmp_path / "a.part")) == 12


@pytest.mark.parametrize("frames", [1, 2])
def test_x265_keeps_time_with_few_frames(frames: int, tmp_path: Path) -> None:
    """Its own decoding times are whatever was in memory then: now and then, so more than once."""
    times = [1000 * n for n in range(frames)]
    segments = [write(tmp_path / f"{n}", times, settings("x265", size=(192, 128))) for n in range(12)]
    assert len(set(segments)) == 1
    found = segment_packets(tmp_path / "0", segments[0], Fraction(1, 24000))
    assert [packet.pts for packet in found] == times


@pytest.mark.parametrize("codec", FORMATS)
def test_the_same_frames_make_the_same_bytes(codec: str, tmp_path: Path) -> None:
    first, second = (write(tmp_path / name, list(range(8)), settings(codec)) for name in "ab")
    assert first == second


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with segment_writer(tmp_path / "a.part", settings()) as written:
            written.writer.add(picture(0, 64, 48), 0, 1)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 100, 3000])
def test_a_full_disk_is_an_error_and_leaves_nothing(size: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0)

    def write_noise() -> None:
        with segment_writer(tmp_path / "a.part", settings("ffv1")) as written:
            for number in range(4):
                written.writer.add(noise.integers(0, 255, (48, 64, 3), np.uint8), number, 1)

    with files_of_at_most(size), pytest.raises(OutputError, match=r"can't write .*a\.part"):
        write_noise()
    assert list(tmp_path.iterdir()) == []


def test_times_that_go_back_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="frame at 5 after one at 5"):
        write(tmp_path / "a.part", [5, 5], settings())


def level_of(path: Path) -> int:
    """level_idc of the first H.264 sequence parameter set (ITU-T H.264, 7.3.2.1.1)."""
    data = path.read_bytes()
    start = data.index(b"\x00\x00\x01\x67")
    return data[start + 6]


@pytest.mark.slow
def test_8k_has_the_level_that_allows_it(tmp_path: Path) -> None:
    encoder = settings(size=(7680, 4320))
    with segment_writer(tmp_path / "a.part", encoder) as written:
        written.writer.add(np.zeros((4320, 7680, 3), np.uint8), 0, 1000)
    assert level_of(tmp_path / "a.part") == 60


def test_4k_has_the_level_that_allows_it(tmp_path: Path) -> None:
    with segment_writer(tmp_path / "a.part", settings(size=(3840, 2160))) as written:
        written.writer.add(np.zeros((2160, 3840, 3), np.uint8), 0, 1000)
    assert level_of(tmp_path / "a.part") == 51


def test_an_encoder_without_its_hardware_says_so(tmp_path: Path) -> None:
    names = [codec.name for codec in available_codecs() if codec.name.endswith(("_nvenc", "_qsv", "_amf"))]
    if not names:
        pytest.skip("this build of FFmpeg has no hardware encoders")
    encoder = EncoderSettings(
        codec_named(names[-1]), 256, 256, "nv12", Fraction(1, 24), Fraction(24), tags=BT709
    )
    with (
        pytest.raises(UnavailableError, match="hardware and driver"),
        segment_writer(tmp_path / "a.part", encoder),
    ):
        pass


def test_x264_makes_the_same_on_any_number_of_processors(tmp_path: Path) -> None:
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs two processors, and to be able to do without one")
    encoder = replace(settings(size=(320, 256)), choices=EncoderChoices())
    before = os.sched_getaffinity(0)
    times = list(range(30))
    with_all = write(tmp_path / "a.part", times, encoder)
    try:
        os.sched_setaffinity(0, {min(before)})
        with_one = write(tmp_path / "b.part", times, encoder)
    finally:
        os.sched_setaffinity(0, before)
    assert with_all == with_one
    for _ in range(8):
        assert write(tmp_path / "b.part", times, encoder) == with_all
    assert "sliced_threads=0" in x264_settings(tmp_path / "a.part")


def test_odd_sides_are_refused_where_they_can_not_be_coded() -> None:
    with pytest.raises(
        UsageError, match="ask for 66×50 with `width` and `height`, or use `pixel_format=yuv444p`"
    ):
        settings(size=(65, 49))
    settings("ffv1", size=(65, 49))
