"""Segments are closed, keep exact time in any time base, and appear whole or not at all."""

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.full_disk import files_of_at_most
from support.video_clips import picture
from support.video_facts import decoded

from ripfdn_cli.errors import OutputError, UnavailableError, UsageError
from ripfdn_cli.video.codecs import EncoderChoices, available_codecs, codec_named, pixel_format_for
from ripfdn_cli.video.colour import ColourTags
from ripfdn_cli.video.encoding import EncoderSettings, Segment, segment_packets, segment_writer
from ripfdn_cli.video.hdr import HdrMetadata, MasteringDisplay, hdr_metadata_of
from ripfdn_cli.video.pixel_formats import described

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


def test_settings_that_a_codec_does_not_have() -> None:
    hdr = HdrMetadata(light_level=(1000, 400))
    with pytest.raises(UsageError, match=r"`crf` 99: x264 takes 0 \(best\) to 51"):
        codec_named("x264").encoder_options(EncoderChoices(crf=99), HdrMetadata())
    with pytest.raises(UsageError, match="`preset` warp: x265 has ultrafast"):
        codec_named("x265").encoder_options(EncoderChoices(preset="warp"), HdrMetadata())
    with pytest.raises(UsageError, match="`crf` does not apply to FFV1"):
        codec_named("ffv1").encoder_options(EncoderChoices(crf=5), HdrMetadata())
    with pytest.raises(UsageError, match="FFV1 can't keep here; use `codec` x265"):
        codec_named("ffv1").encoder_options(EncoderChoices(), hdr)
    with pytest.raises(UsageError, match="`codec` divx is not known; available are x264"):
        codec_named("divx")


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


@pytest.mark.parametrize(
    ("codec", "bits", "chroma", "expected"),
    [
        ("x264", 8, (4, 4), "yuv420p"),
        ("x264", 8, (4, 8), "yuv422p"),
        ("x264", 8, (8, 8), "yuv444p"),
        ("x264", 10, (4, 4), "yuv420p10le"),
        ("x265", 12, (8, 8), "yuv444p12le"),
        ("av1", 10, (8, 8), "yuv420p10le"),
        ("prores", 8, (4, 4), "yuv422p10le"),
        ("ffv1", 16, (8, 8), "yuv444p16le"),
    ],
)
def test_the_pixel_format_follows_the_source(
    codec: str, bits: int, chroma: tuple[int, int], expected: str
) -> None:
    found = pixel_format_for(codec_named(codec), bits=bits, chroma=chroma, alpha=False, asked=None)
    assert found == expected


def test_depth_and_transparency_are_not_lost_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    found = pixel_format_for(codec_named("vp9"), bits=10, chroma=(4, 4), alpha=False, asked=None)
    if described(found).bits == 8:  # most builds of libvpx; those that can, keep ten
        assert "VP9 has at most 8 bits here and the input has 10" in caplog.text
        assert "`codec` x264 or x265 or av1" in caplog.text
    with pytest.raises(UsageError, match="x264 can't hold transparency"):
        pixel_format_for(codec_named("x264"), bits=8, chroma=(8, 8), alpha=True, asked=None)
    assert pixel_format_for(codec_named("ffv1"), bits=8, chroma=(8, 8), alpha=True, asked=None) == "yuva444p"
    with pytest.raises(UsageError, match="`pixel_format` rgb24: x264 has yuv420p"):
        pixel_format_for(codec_named("x264"), bits=8, chroma=(4, 4), alpha=False, asked="rgb24")


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        *(("h264", "x264"), ("libx264", "x264"), ("H264", "x264"), ("avc", "x264")),
        *(("hevc", "x265"), ("h265", "x265"), ("libx265", "x265")),
        *(("libsvtav1", "av1"), ("AV1", "av1"), ("libvpx-vp9", "vp9"), ("prores_ks", "prores")),
    ],
)
def test_codecs_have_the_names_that_people_use(name: str, codec: str) -> None:
    assert codec_named(name).name == codec


def x264_settings(path: Path) -> str:
    """What x264 writes into each stream of itself."""
    data = path.read_bytes()
    start = data.index(b"options: ")
    return data[start : data.index(b"\0", start)].decode()


def choose(**choices: Any) -> EncoderChoices:
    return EncoderChoices(preset="ultrafast", **choices)


def test_what_is_asked_of_x264_reaches_it(tmp_path: Path) -> None:
    def said(choices: EncoderChoices) -> str:
        write(tmp_path / "a.part", [0, 1, 2], replace(settings(), choices=choices))
        return x264_settings(tmp_path / "a.part")

    assert "rc=crf mbtree=0 crf=18.0" in said(choose())
    assert "deblock=1:1:1" in said(EncoderChoices(tune="animation"))
    assert "rc=abr" in said(choose(bitrate=2_000_000))
    assert "bitrate=2000" in said(choose(bitrate=2_000_000))
    assert "aq=3:" in said(choose(options=(("aq-mode", "3"), ("aq-strength", "0.7"))))
    assert "ref=5" in said(choose(options=(("x264-params", "ref=5"),)))
    assert "ref=4" in said(choose(options=(("ref", "4"),)))  # a name that FFmpeg doesn't know, but x264


def test_what_is_asked_of_others_reaches_them(tmp_path: Path) -> None:
    def size(codec: str, choices: EncoderChoices) -> int:
        encoder = replace(settings(codec, size=(192, 128)), choices=choices)
        return write(tmp_path / "a.part", list(range(12)), encoder).size

    for codec in ("x265", "av1", "vp9"):
        preset = FAST[codec]
        low, high = (size(codec, EncoderChoices(preset=preset, bitrate=rate)) for rate in (20_000, 2_000_000))
        assert low < high
    assert size("av1", EncoderChoices(preset="12", tune="psnr")) > 0
    grain = EncoderChoices(preset="ultrafast", tune="grain")
    assert size("x265", grain) != size("x265", EncoderChoices(preset="ultrafast"))
    with_all, with_few = (EncoderChoices(preset="5", options=(("g", number),)) for number in ("1", "99"))
    assert size("vp9", with_all) > size("vp9", with_few)  # keyframes


@pytest.mark.parametrize(
    ("codec", "choices", "said"),
    [
        ("x264", EncoderChoices(tune="loud"), "`tune` loud: x264 has film, animation"),
        ("ffv1", EncoderChoices(tune="film"), "`tune` film: FFV1 has none"),
        ("ffv1", EncoderChoices(bitrate=10**6), "`bitrate` does not apply to FFV1"),
        ("x264", EncoderChoices(bitrate=10**6, crf=20), "`crf` and `bitrate` contradict each other"),
        ("vp9", EncoderChoices(options=(("lag-in-frame", "1"),)), "did you mean lag-in-frames"),
        ("x264", EncoderChoices(options=(("warp", "9"),)), "`encoder_options` warp=9: x264 says "),
        ("x265", EncoderChoices(options=(("warp", "9"),)), "`encoder_options` warp=9: x265 says "),
        ("x264", EncoderChoices(options=(("aq-mode", "lots"),)), "aq-mode=lots: x264 says "),
    ],
)
def test_what_an_encoder_does_not_have_is_said(
    codec: str, choices: EncoderChoices, said: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=said):
        write(tmp_path / "a.part", [0], replace(settings(codec), choices=choices))
    assert list(tmp_path.iterdir()) == []


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


DISPLAY = MasteringDisplay(
    primaries=(
        (Fraction(17, 25), Fraction(8, 25)),
        (Fraction(53, 200), Fraction(69, 100)),
        (Fraction(3, 20), Fraction(3, 50)),
        (Fraction(3127, 10000), Fraction(329, 1000)),
    ),
    luminance=(Fraction(1, 200), Fraction(1000)),
)


@pytest.mark.parametrize("codec", ["x264", "x265", "av1"])
def test_mastering_data_is_in_the_pictures(codec: str, tmp_path: Path) -> None:
    encoder = EncoderSettings(
        codec=codec_named(codec),
        width=64,
        height=64,
        pixel_format="yuv420p10le",
        time_base=Fraction(1, 24),
        rate=Fraction(24),
        tags=ColourTags(9, 9, 16),
        hdr=HdrMetadata(DISPLAY, (1000, 400)),
        choices=EncoderChoices(preset=FAST[codec]),
    )
    write(tmp_path / "a.part", [0, 1, 2], encoder)
    found = hdr_metadata_of(decoded(tmp_path / "a.part"))
    assert found.light_level == (1000, 400)
    assert found.mastering is not None
    assert found.mastering.primaries is not None
    for have, want in zip(found.mastering.primaries, DISPLAY.primaries or (), strict=True):
        assert [float(x) for x in have] == pytest.approx([float(x) for x in want], abs=1e-4)
    assert [float(x) for x in found.mastering.luminance or ()] == pytest.approx([0.005, 1000], rel=2e-3)
