"""Colours converted where the network runs: the same video as with libswscale, by all that a video job does.

On the CPU here, where users get libswscale; with a GPU the same tests run on it.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.captioned_clip import captioned, captions_of
from support.video_clips import Clip, Tags, make_clip
from support.video_facts import decoded, picture_times, planes, tags_of

from ripfdn_cli.engines import torch_engine
from ripfdn_cli.engines.yuv_tensors import from_rgb
from ripfdn_cli.errors import NonFiniteResultError, OutOfMemoryError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.output_size import SizeRequest
from ripfdn_cli.upscaler import Upscaler
from ripfdn_cli.video_jobs.video_run import VideoFacts, upscale_video
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, ReadingOptions, VideoSettings

Upscale = Callable[..., VideoFacts]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)]
UNEVEN = [0, 1000, 1500, 4000, 4500, 9000, 9600]
CLIPS = {
    "8 bits": Clip(times=UNEVEN, tags=Tags(5, 5, 6, 1)),
    "full range": Clip(tags=Tags(1, 1, 1, 2)),
    "10 bits": Clip(pixel_format="yuv420p10le", tags=Tags(9, 9, 16, 1)),
    "4:2:2": Clip(codec="ffv1", pixel_format="yuv422p", tags=Tags(1, 1, 1, 1)),
    "odd 4:2:0": Clip(codec="ffv1", width=71, height=55, tags=Tags(6, 6, 6, 1)),
    "JPEG": Clip(codec="mjpeg", pixel_format="yuvj420p", tags=Tags(5, 5, 6, 2)),
    "12 bits": Clip(codec="ffv1", pixel_format="yuv444p12le", tags=Tags(1, 1, 1, 1)),
}
OUTPUTS: dict[str, dict[str, Any]] = {
    "ffv1": {"codec": "ffv1"},
    "x264": {"codec": "x264", "preset": "ultrafast", "crf": 1},
    "prores": {"codec": "prores"},
}


@pytest.fixture(params=DEVICES)
def upscale(request: pytest.FixtureRequest, bilinear_weights: Path) -> Upscale:
    """`upscale_video` with a quick network; `always` for colours on the device."""
    network = NetworkSettings(
        weights=str(bilinear_weights), engine="torch", devices=(request.param,), precision="fp32", threads=1
    )

    def run(
        path: Path, output: Path, *, always: bool = True, progress: Any = None, **settings: Any
    ) -> VideoFacts:
        settings = {"codec": "ffv1", "segment": 3, **settings}
        how: dict[str, Any] = {name: settings.pop(name) for name in ("tile", "ensemble") if name in settings}
        encoding: dict[str, Any] = {
            name: settings.pop(name)
            for name in list(settings)
            if name in EncodingOptions.__dataclass_fields__
        }
        asked = VideoSettings(encoding=EncodingOptions(**encoding), **settings)
        return upscale_video(
            [path],
            output,
            asked,
            replace(network, **how),
            progress=progress,
            device_colour_always=always,
        )

    return run


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return make_clip(tmp_path / "in.mkv", Clip(frames=7, times=UNEVEN))


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many frames each job on the device had."""
    counts: list[int] = []

    def watched(self: Any, job: Any, samples: Any, real: Any = torch_engine.TorchEngine._compute_yuv) -> Any:
        counts.append(len(samples))
        return real(self, job, samples)

    monkeypatch.setattr(torch_engine.TorchEngine, "_compute_yuv", watched)
    return counts


def assert_same(one: Path, other: Path, *, flat_only: bool = False) -> None:
    """Times, tags, formats, and in all but few samples (of flat parts, where that is said) codes within 3
    levels of 8 bits.
    """
    assert picture_times(one) == picture_times(other)
    for a, b in zip(decoded(one), decoded(other), strict=True):
        assert a.format.name == b.format.name
        assert tags_of(a) == tags_of(b)
        step = 2 ** (a.format.components[0].bits - 8)
        for old, new in zip(planes(a), planes(b), strict=True):
            chosen = is_flat(new.astype(int), step) if flat_only else np.ones(new.shape, bool)
            assert chosen.mean() > 0.3
            assert np.percentile(np.abs(old.astype(int) - new)[chosen], 99) <= 3 * step


def is_flat(plane: np.ndarray, most: int) -> np.ndarray:
    """Where no sample up to 4 away differs by more than `most`."""
    around = np.lib.stride_tricks.sliding_window_view(np.pad(plane, 4, mode="edge"), (9, 9))
    spread: np.ndarray = np.ptp(around, axis=(2, 3))
    return spread <= most


PRORES = ("8 bits", "10 bits", "4:2:2", "odd 4:2:0")
"""It knows neither full range nor 12 bits."""


@pytest.mark.parametrize(
    ("name", "target"),
    [(name, target) for name in CLIPS for target in OUTPUTS if target != "prores" or name in PRORES],
)
def test_the_video_is_the_one_that_libswscale_gives(
    name: str, target: str, tmp_path: Path, upscale: Upscale, converted: list[int]
) -> None:
    clip = CLIPS[name]
    source = make_clip(tmp_path / "in.mkv", replace(clip, frames=5, times=clip.timestamps[:5]))
    suffix = ".mov" if target == "prores" else ".mkv"
    outputs = [tmp_path / f"{way}{suffix}" for way in ("device", "libswscale")]
    options = OUTPUTS[target] | (
        {"pixel_format": "yuv444p10le"} if (name, target) == ("12 bits", "x264") else {}
    )
    upscale(source, outputs[0], **options)
    assert sum(converted) == 5
    upscale(source, outputs[1], always=False, **options)
    assert_same(*outputs, flat_only=name == "odd 4:2:0")  # whose chroma libswscale stretches


def test_frames_in_tiles_are_those_of_whole_frames(
    tmp_path: Path, upscale: Upscale, converted: list[int]
) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=2, width=160, height=144))
    upscale(source, tmp_path / "whole.mkv")
    upscale(source, tmp_path / "tiled.mkv", tile=48)
    assert sum(converted) == 4
    for a, b in zip(decoded(tmp_path / "whole.mkv"), decoded(tmp_path / "tiled.mkv"), strict=True):
        for old, new in zip(planes(a), planes(b), strict=True):
            assert np.abs(old.astype(int) - new).max() <= 1


def stop_at_five(done: int, total: int, written: int) -> None:
    if done == 5:
        raise RuntimeError("stopped")


def test_a_run_that_was_stopped_goes_on_to_the_same_video(
    clip: Path, tmp_path: Path, upscale: Upscale, converted: list[int]
) -> None:
    upscale(clip, tmp_path / "whole.mkv")
    output = tmp_path / "out.mkv"
    with pytest.raises(RuntimeError, match="stopped"):
        upscale(clip, output, progress=stop_at_five)
    facts = upscale(clip, output)
    assert facts.resumed in (3, 6)
    assert facts.computed == 7 - facts.resumed
    assert [planes(frame)[0].tolist() for frame in decoded(output)] == [
        planes(frame)[0].tolist() for frame in decoded(tmp_path / "whole.mkv")
    ]


def test_a_run_may_go_on_with_libswscale(clip: Path, tmp_path: Path, upscale: Upscale) -> None:
    """As after the GPU was taken away. Checksums differ then, and it decodes from the start."""
    output = tmp_path / "out.mkv"
    with pytest.raises(RuntimeError, match="stopped"):
        upscale(clip, output, progress=stop_at_five)
    assert upscale(clip, output, always=False).resumed in (3, 6)
    upscale(clip, tmp_path / "whole.mkv", always=False)
    assert_same(output, tmp_path / "whole.mkv")


def test_frames_that_repeat_are_computed_once(tmp_path: Path, upscale: Upscale, converted: list[int]) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=8, codec="ffv1", repeats=4))
    facts = upscale(source, tmp_path / "out.mkv")
    assert facts.computed == sum(converted) == 2
    assert len(decoded(tmp_path / "out.mkv")) == 8


@pytest.mark.parametrize("broken", ["black", "shifted", "swapped"])
def test_a_result_that_the_device_spoils_is_computed_again(
    broken: str,
    clip: Path,
    tmp_path: Path,
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    upscale(clip, tmp_path / "right.mkv")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]

    def spoilt(rgb: torch.Tensor, target: Any, real: Any = from_rgb) -> torch.Tensor:
        ways = {"black": torch.zeros_like(rgb), "shifted": rgb.roll(8, dims=1), "swapped": rgb.flip(dims=[2])}
        result: torch.Tensor = real(ways[broken], target)
        return result

    monkeypatch.setattr(torch_engine, "from_rgb", spoilt)
    upscale(clip, tmp_path / "out.mkv")
    assert f"{clip}: torch on " in caplog.text
    assert_same(tmp_path / "out.mkv", tmp_path / "right.mkv")


@pytest.mark.parametrize("error", [OutOfMemoryError("no room"), NonFiniteResultError("a NaN")])
def test_what_the_device_can_not_do_goes_through_libswscale(
    error: Exception,
    clip: Path,
    tmp_path: Path,
    upscale: Upscale,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    calls: list[int] = []

    def failing(self: Upscaler, *parts: Any, **options: Any) -> Any:
        calls.append(1)
        raise error

    upscale(clip, tmp_path / "libswscale.mkv", always=False)
    monkeypatch.setattr(Upscaler, "upscale_yuv", failing)
    upscale(clip, tmp_path / "out.mkv")
    for a, b in zip(decoded(tmp_path / "out.mkv"), decoded(tmp_path / "libswscale.mkv"), strict=True):
        for old, new in zip(planes(a), planes(b), strict=True):
            np.testing.assert_array_equal(old, new)
    is_memory = isinstance(error, OutOfMemoryError)
    assert ("too little memory to convert colours" in caplog.text) == is_memory
    assert (len(calls) == 1) == is_memory  # a NaN may be one frame's, memory is not


@pytest.mark.parametrize(
    ("options", "made", "reason"),
    [
        ({"size": SizeRequest(scale=Fraction(5, 2))}, Clip(), "the size asked for is not the network's"),
        ({"size": SizeRequest(scale=Fraction(16))}, Clip(width=16, height=16), "size asked for is not"),
        ({"ensemble": True}, Clip(), "the engine or an ensemble takes RGB"),
        ({"pixel_format": "bgr0"}, Clip(), "one of the formats"),
        ({}, Clip(codec="ffv1", pixel_format="bgr0"), "one of the formats"),
        ({}, Clip(codec="ffv1", width=48, height=12), "smaller than the network takes"),
        ({"pixel_format": "yuv420p"}, Clip(pixel_format="yuv420p10le"), "libswscale dithers"),
    ],
)
def test_the_rest_goes_through_libswscale_and_says_why(
    options: dict[str, Any],
    made: Clip,
    reason: str,
    tmp_path: Path,
    upscale: Upscale,
    converted: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    source = make_clip(tmp_path / "in.mkv", replace(made, frames=2))
    with caplog.at_level(logging.DEBUG):
        upscale(source, tmp_path / "out.mkv", **options)
    assert not converted
    assert "colours are converted by libswscale, as " in caplog.text
    assert reason in caplog.text
    assert len(decoded(tmp_path / "out.mkv")) == 2


def test_nothing_is_converted_in_torch_on_a_processor_unless_a_test_says_so(
    clip: Path, tmp_path: Path, bilinear_weights: Path, converted: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    network = NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)
    with caplog.at_level(logging.DEBUG):
        upscale_video([clip], tmp_path / "out.mkv", VideoSettings(encoding=EncodingOptions("ffv1")), network)
    assert not converted
    assert "colours are converted" not in caplog.text


def test_captions_travel_beside_the_planes(tmp_path: Path, upscale: Upscale, converted: list[int]) -> None:
    source = captioned(tmp_path / "in.ts")
    upscale(source, tmp_path / "out.mkv", codec="x264", preset="ultrafast", crf=1)
    assert sum(converted) == 7
    assert captions_of(tmp_path / "out.mkv") == captions_of(source)
    assert len(set(captions_of(source))) > 1
    upscale(source, tmp_path / "other.mkv", codec="x264", preset="ultrafast", crf=1, always=False)
    assert_same(tmp_path / "out.mkv", tmp_path / "other.mkv")


def test_deinterlaced_frames_are_converted_on_the_device(
    clip: Path, tmp_path: Path, upscale: Upscale, converted: list[int]
) -> None:
    upscale(clip, tmp_path / "out.mkv", reading=ReadingOptions(deinterlace=True))
    assert sum(converted) == 7
    upscale(clip, tmp_path / "other.mkv", reading=ReadingOptions(deinterlace=True), always=False)
    assert_same(tmp_path / "out.mkv", tmp_path / "other.mkv")
