"""Transparency is kept where the codec can hold it, and laid on a colour, with a word, where it can't."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.transparent_clips import make_transparent_clip, make_transparent_gif, rgba_frames
from support.video_clips import Clip, make_clip
from support.video_facts import decoded, picture_times

from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.video_jobs.video_run import VideoFacts, upscale_video
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, VideoSettings

Upscale = Callable[..., VideoFacts]
ALPHA_MODE = bytes.fromhex("53c08101")
"""Matroska's element AlphaMode (RFC 9559), 1: without it, browsers show no transparency."""

pytestmark = pytest.mark.any_precision


@pytest.fixture
def upscale(bilinear_weights: Path) -> Upscale:
    network = NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)

    def run(
        source: Path, output: Path, background: tuple[int, int, int] | None = None, **encoding: Any
    ) -> VideoFacts:
        settings = VideoSettings(encoding=EncodingOptions(**encoding), background=background, segment=4)
        return upscale_video([source], output, settings, network)

    return run


SOURCES = [
    ("in.webm", "libvpx-vp9", "yuva420p"),
    ("in.mkv", "libvpx", "yuva420p"),
    ("in.mov", "prores_ks", "yuva444p10le"),
    ("in.nut", "ffv1", "yuva420p"),
]


def assert_transparent_as_made(path: Path, frames: int) -> None:
    """Opaque, half, and nothing, in thirds; away from their edges."""
    found = rgba_frames(path)
    assert len(found) == frames
    width = found[0].shape[1]
    for frame in found:
        columns = [frame[20:-20, int(width * place), 3].mean() for place in (0.15, 0.5, 0.85)]
        assert columns == pytest.approx([255, 128, 0], abs=4)


@pytest.mark.parametrize(("name", "codec", "pixel_format"), SOURCES)
@pytest.mark.parametrize(
    ("target", "kept_by"),
    [("out.webm", "vp9"), ("out.mkv", "vp9"), ("out.mov", "prores"), ("out.mkv", "ffv1")],
)
def test_transparency_is_kept(
    name: str, codec: str, pixel_format: str, target: str, kept_by: str, tmp_path: Path, upscale: Upscale
) -> None:
    source = make_transparent_clip(tmp_path / name, codec, pixel_format)
    upscale(source, tmp_path / target, codec=kept_by)
    assert_transparent_as_made(tmp_path / target, 6)
    if kept_by == "vp9":
        assert (tmp_path / target).read_bytes().count(ALPHA_MODE) == 1


def test_a_transparent_gif_becomes_a_webm(tmp_path: Path, upscale: Upscale) -> None:
    upscale(make_transparent_gif(tmp_path / "in.gif"), tmp_path / "out.webm")
    for frame in rgba_frames(tmp_path / "out.webm"):
        assert frame[20:-20, 20, 3].mean() == pytest.approx(255, abs=3)
        assert frame[20:-20, -20, 3].mean() == pytest.approx(0, abs=3)


@pytest.mark.parametrize(("name", "codec", "pixel_format"), SOURCES)
@pytest.mark.parametrize(("suffix", "options"), [(".mp4", {}), (".mkv", {}), (".mp4", {"codec": "vp9"})])
def test_it_is_laid_on_white_with_a_word(
    name: str,
    codec: str,
    pixel_format: str,
    suffix: str,
    options: dict[str, str],
    tmp_path: Path,
    upscale: Upscale,
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = make_transparent_clip(tmp_path / name, codec, pixel_format)
    upscale(source, tmp_path / f"out{suffix}", **options)
    first = decoded(tmp_path / f"out{suffix}")[0].to_ndarray(format="rgb24")
    assert first[20:-20, -24:-4].min() > 245
    assert "no transparency; it is put on white (`background`" in caplog.text


@pytest.mark.parametrize("codec", ["x264", "vp9", "ffv1"])
def test_a_background_is_under_it_when_asked_for(
    codec: str, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_transparent_clip(tmp_path / "in.nut", "ffv1", "bgra")
    upscale(source, tmp_path / "out.mkv", background=(20, 200, 60), codec=codec)
    frame = decoded(tmp_path / "out.mkv")[0]
    assert not any(part.is_alpha for part in frame.format.components)
    pixels = frame.to_ndarray(format="rgb24")
    assert np.abs(pixels[20:-20, -24:-4].mean((0, 1)) - (20, 200, 60)).max() < 6
    assert "transparency" not in caplog.text


def test_a_pixel_format_without_it_lays_it_on_white(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_transparent_clip(tmp_path / "in.nut", "ffv1", "yuva420p")
    upscale(source, tmp_path / "out.mkv", codec="ffv1", pixel_format="yuv420p")
    assert decoded(tmp_path / "out.mkv")[0].to_ndarray(format="rgb24")[20:-20, -24:-4].min() > 245
    assert "FFV1 as yuv420p in Matroska has no transparency" in caplog.text


def test_transparency_goes_on_over_segments(tmp_path: Path, upscale: Upscale) -> None:
    source = make_transparent_clip(tmp_path / "in.webm", "libvpx-vp9", "yuva420p", frames=11)
    upscale(source, tmp_path / "out.webm")
    assert_transparent_as_made(tmp_path / "out.webm", 11)


def test_times_are_exact_in_segments_of_a_coarse_clock(tmp_path: Path, upscale: Upscale) -> None:
    times = [0, 1001, 1500, 90_000, 90_001, 120_000, 150_007]
    source = make_clip(
        tmp_path / "in.nut",
        Clip(codec="ffv1", pixel_format="yuva420p", time_base=Fraction(1, 90_000), times=times, frames=7),
    )
    upscale(source, tmp_path / "out.mkv", codec="vp9")
    found = [float(time) for time in picture_times(tmp_path / "out.mkv")]
    assert found == pytest.approx([ticks / 90_000 for ticks in times], abs=0.00051)
