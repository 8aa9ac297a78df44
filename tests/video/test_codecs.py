from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.video_segments import FAST, settings, write, x264_settings

from ripfdn_cli.errors import UsageError
from ripfdn_cli.video.codecs import EncoderChoices, codec_named, pixel_format_for, warn_of_lost_bits
from ripfdn_cli.video.hdr import HdrMetadata
from ripfdn_cli.video.pixel_formats import described


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


def chosen(codec: str, **source: Any) -> str:
    """The pixel format for a source of 8-bit 4:2:0, but for what `source` says of it."""
    known: dict[str, Any] = {"bits": 8, "chroma": (4, 4), "alpha": False, "asked": None}
    return pixel_format_for(codec_named(codec), **(known | source))


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
    assert chosen(codec, bits=bits, chroma=chroma) == expected


def test_depth_and_transparency_are_not_lost_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    found = chosen("vp9", bits=10)
    warn_of_lost_bits(codec_named("vp9"), found, 10, "a.mkv")
    if described(found).bits == 8:  # most builds of libvpx; those that can, keep ten
        assert "a.mkv: VP9 has at most 8 bits here and the input has 10" in caplog.text
        assert "`codec` x264 or x265 or av1" in caplog.text
    with pytest.raises(UsageError, match="x264 can't hold transparency"):
        chosen("x264", alpha=True)
    assert chosen("ffv1", chroma=(8, 8), alpha=True) == "yuva444p"
    with pytest.raises(UsageError, match="`pixel_format` rgb24: x264 has yuv420p"):
        chosen("x264", asked="rgb24")


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
