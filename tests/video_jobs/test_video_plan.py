"""What a job will do: its weights, its codec, its options."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.transparent_clips import make_transparent_clip
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.output_size import SizeRequest
from ripfdn_cli.video.files import probe
from ripfdn_cli.video_jobs.video_plan import VideoPlan, plan_video, size_ahead
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, VideoSettings


def plan(source: Path, output: str, network: NetworkSettings | None = None, **settings: Any) -> VideoPlan:
    asked = VideoSettings(**settings)
    return plan_video([source], source.with_name(output), asked, network or NetworkSettings())


def codec_of(made: VideoPlan) -> tuple[str, str]:
    described = made.target.describe()
    return described["codec"], described["pixel_format"]


@pytest.mark.parametrize(
    ("codec", "pixel_format", "options", "weights"),
    [
        ("libx264", "yuv420p", {"crf": "23"}, "x4-photo"),
        ("libx264", "yuv420p", {"crf": "35"}, "x4-photo"),
        ("mpeg4", "yuv420p", {}, "x4-photo"),
        ("ffv1", "yuv420p", {}, "x4"),
        ("rawvideo", "yuv420p", {}, "x4"),
    ],
)
def test_compressed_video_has_weights_of_its_own(
    codec: str, pixel_format: str, options: dict[str, str], weights: str, tmp_path: Path
) -> None:
    clip = Clip(frames=24, width=192, height=128, codec=codec, pixel_format=pixel_format, options=options)
    source = make_clip(tmp_path / "in.nut", clip)
    assert plan(source, "out.mkv").weights[4] == weights


def noisy_clip(path: Path, crf: int) -> Path:
    """Of noise, which takes about a bit a pixel at crf 23 and next to none at 35."""
    random = np.random.default_rng(1)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=24, options={"preset": "ultrafast", "crf": str(crf)})
        assert isinstance(video, av.VideoStream)
        video.width, video.height, video.pix_fmt = 192, 128, "yuv420p"
        for _ in range(24):
            levels = (128 + 6 * random.standard_normal((128, 192, 3))).clip(0, 255)
            frame = av.VideoFrame.from_ndarray(levels.astype(np.uint8), format="rgb24")
            container.mux(video.encode(frame))
        container.mux(video.encode())
    return path


@pytest.mark.parametrize(("crf", "at_2"), [(23, "x2"), (35, "x4-photo")])
def test_what_grows_by_two_has_them_only_where_it_was_compressed_more(
    crf: int, at_2: str, tmp_path: Path
) -> None:
    source = noisy_clip(tmp_path / "in.mkv", crf)
    for scale, weights in ((2, at_2), (4, "x4-photo")):
        made = plan(source, "out.mkv", size=SizeRequest(scale=Fraction(scale)))
        assert [made.weights[scale] for scale in made.passes] == [weights]


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        (SizeRequest(fit=(108, 192)), (108, 192)),
        (SizeRequest(height=192), (108, 192)),
        (SizeRequest(width=216), (216, 384)),
        (SizeRequest(width=100, height=140), (100, 140)),
        (SizeRequest(long_side=384), (216, 384)),
        (SizeRequest(scale=Fraction(2)), (108, 192)),
        (SizeRequest(scale=Fraction(3, 2)), (80, 144)),
    ],
)
@pytest.mark.parametrize("rotation", [90, 270])
def test_sizes_are_those_of_the_picture_as_it_is_shown(
    rotation: int, request_: SizeRequest, shown: tuple[int, int], tmp_path: Path
) -> None:
    """Of 96×54 px that are shown as 54×96, as phones record; H.264 has even sides."""
    source = make_clip(tmp_path / "in.mp4", Clip(frames=2, width=96, height=54, rotation=rotation))
    made = plan(source, "out.mp4", size=request_)
    assert made.size == shown[::-1]
    ahead = size_ahead(probe(source), tmp_path / "out.mp4", VideoSettings(size=request_), NetworkSettings())
    assert (ahead.width, ahead.height) == shown


def test_weights_that_were_asked_for_are_taken(tmp_path: Path, bilinear_weights: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=24, width=192, height=128))
    assert plan(source, "out.mkv", NetworkSettings(weights="x4")).weights == {4: "x4"}
    asked = plan(source, "out.mkv", NetworkSettings(weights=str(bilinear_weights)))
    assert asked.weights == {4: str(bilinear_weights)}


def test_a_second_network_sees_what_is_clean(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=24, width=192, height=128))
    made = plan(source, "out.mkv", size=SizeRequest(width=192 * 8, height=128 * 8))
    assert [made.weights[scale] for scale in made.passes] == ["x4-photo", "x2"]
    made = plan(source, "out.mkv", size=SizeRequest(width=192 * 16, height=128 * 16))
    assert [made.weights[scale] for scale in made.passes] == ["x4-photo", "x2", "x2"]


@pytest.mark.parametrize(
    ("pixel_format", "output", "expected"),
    [
        ("yuv420p", "out.mkv", ("x264", "yuv420p")),
        ("yuv420p10le", "out.mp4", ("x264", "yuv420p10le")),
        ("yuv420p", "out.webm", ("vp9", "yuv420p")),
        ("yuva420p", "out.webm", ("vp9", "yuva420p")),
        ("yuva420p", "out.mov", ("x264", "yuv420p")),
    ],
)
def test_the_codec_is_one_that_the_container_takes(
    pixel_format: str, output: str, expected: tuple[str, str], tmp_path: Path
) -> None:
    source = make_transparent_clip(tmp_path / "in.nut", "ffv1", pixel_format)
    assert codec_of(plan(source, output)) == expected


def test_many_bits_stay_many_in_webm(tmp_path: Path) -> None:
    source = make_transparent_clip(tmp_path / "in.nut", "ffv1", "yuv420p10le")
    codec, pixel_format = codec_of(plan(source, "out.webm"))
    assert (codec in ("av1", "vp9"), pixel_format) == (True, "yuv420p10le")


def test_settings_tell_jobs_apart(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=3))
    options = [
        EncodingOptions(),
        EncodingOptions(crf=20),
        EncodingOptions(bitrate=10**6),
        EncodingOptions(tune="grain"),
        EncodingOptions(encoder_options=(("aq-mode", "3"),)),
    ]
    described = {str(plan(source, "out.mkv", encoding=entry).target.describe()) for entry in options}
    assert len(described) == len(options)


@pytest.mark.parametrize(
    ("output", "clip", "size", "expected"),
    [
        ("out.mp4", Clip(frames=2, width=86, height=48), {"fit": (193, 200)}, (192, 108)),
        ("out.mp4", Clip(frames=2, width=86, height=48), {"scale": Fraction("2.5")}, (214, 120)),
        ("out.mkv", Clip(frames=2, width=85, height=47, codec="ffv1"), {"scale": Fraction(3)}, (254, 140)),
        ("out.webm", Clip(frames=2, width=86, height=48), {"scale": Fraction("2.5")}, (215, 120)),
        ("out.gif", Clip(frames=2, width=86, height=48), {"scale": Fraction("2.5")}, (215, 120)),
    ],
)
def test_sides_are_even_for_codecs_that_have_no_others(
    output: str,
    clip: Clip,
    size: dict[str, Any],
    expected: tuple[int, int],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = make_clip(tmp_path / ("in.mkv" if clip.codec == "ffv1" else "in.mp4"), clip)
    with caplog.at_level("INFO"):
        made = plan(source, output, size=SizeRequest(**size))
    assert made.size == expected
    exact = [side % 2 for side in SizeRequest(**size).target(clip.width, clip.height, 4)]
    assert ("even sides only in yuv420p" in caplog.text) == (output in ("out.mp4", "out.mkv") and any(exact))


@pytest.mark.parametrize("asked", [{"width": 193}, {"height": 109}, {"width": 194, "height": 109}])
def test_an_odd_side_that_was_asked_for_is_refused(asked: dict[str, Any], tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=2, width=86, height=48))
    with pytest.raises(UsageError, match="has even sides only in yuv420p"):
        plan(source, "out.mp4", size=SizeRequest(**asked))


def test_rounded_sides_leave_the_shape_of_pixels(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=2, width=98, height=50))
    described = plan(source, "out.mkv", size=SizeRequest(scale=Fraction("1.41"))).target.describe()
    assert described["size"] == [138, 70]  # of 138.18 × 70.5
    assert described["aspect"] == "1"


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("output", ["out_%d.png", "out.gif"])
def test_pictures_of_a_turned_video_fit_as_they_are_shown(
    output: str, transposed: bool, tmp_path: Path
) -> None:
    clip = Clip(frames=2, rotation=270 if transposed else 180, aspect=Fraction(4, 3))
    made = plan(make_clip(tmp_path / "in.mp4", clip), output, size=SizeRequest(fit=(96, 96)))
    assert made.size == ((64, 96) if transposed else (96, 64))
    assert made.source.aspect == (Fraction(3, 4) if transposed else Fraction(4, 3))
