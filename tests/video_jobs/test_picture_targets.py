"""Pictures that a job's frames become: numbered ones, and animations."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from support.sample_pictures import shown_in_srgb
from support.segment_runs import Killed, stop_after
from support.transparent_clips import make_transparent_clip
from support.video_clips import Clip, Tags, make_clip, picture
from support.video_facts import decoded, picture_times

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.output_size import SizeRequest
from ripfdn_cli.video_jobs.video_run import VideoFacts, upscale_video
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, FrameOptions, ReadingOptions, VideoSettings

pytestmark = pytest.mark.any_precision

Upscale = Callable[..., VideoFacts]


@pytest.fixture
def upscale(bilinear_weights: Path) -> Upscale:
    """`upscale_video` with a quick network; keywords are options of reading."""
    network = NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)

    def run(
        path: Path,
        output: Path,
        *,
        segment: int = 5,
        size: SizeRequest | None = None,
        progress: Any = None,
        frames: FrameOptions | None = None,
        **reading: Any,
    ) -> VideoFacts:
        settings = VideoSettings(
            size=size or SizeRequest(),
            reading=ReadingOptions(**reading),
            encoding=EncodingOptions(preset="ultrafast"),
            frames=frames or FrameOptions(),
            segment=segment,
        )
        return upscale_video([path], output, settings, network, progress=progress)

    return run


def test_a_video_becomes_frames_and_frames_a_video(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=7, codec="ffv1", pixel_format="yuv444p"))
    facts = upscale(source, tmp_path / "frames" / "%04d.png", segment=3)
    files = sorted((tmp_path / "frames").iterdir())
    assert [path.name for path in files] == [f"{n:04d}.png" for n in range(1, 8)]
    assert facts.bytes_written == sum(path.stat().st_size for path in files)
    shown = np.array(Image.open(files[3]))[2::4, 2::4].astype(int)
    assert np.percentile(np.abs(shown - picture(3)), 80) <= 3
    upscale(
        tmp_path / "frames",
        tmp_path / "out.mkv",
        fps=Fraction(24000, 1001),
        size=SizeRequest(scale=Fraction(1)),
    )
    for number, shown_at in enumerate(picture_times(tmp_path / "out.mkv")):
        assert abs(shown_at - Fraction(1001 * number, 24000)) <= Fraction(1, 1000)
    with pytest.raises(UsageError, match="give one with `fps`"):
        upscale(tmp_path / "frames", tmp_path / "other.mkv")


def test_frames_keep_their_numbers_and_a_stopped_run_its_frames(tmp_path: Path, upscale: Upscale) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(98, 106):
        Image.fromarray(picture(number)).save(folder / f"f{number}.png")
    with pytest.raises(Killed):
        upscale(folder, tmp_path / "out" / "g%05d.png", progress=stop_after(5), segment=3)
    facts = upscale(folder, tmp_path / "out" / "g%05d.png", segment=3)
    assert (facts.resumed, facts.computed) == (3, 5)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        f"g{n:05d}.png" for n in range(98, 106)
    ]


def test_sixteen_bit_frames_stay_deep(tmp_path: Path, upscale: Upscale) -> None:
    import imagecodecs

    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(3):
        deep = picture(number).astype(np.uint16) * 257 + 100
        (folder / f"{number}.png").write_bytes(imagecodecs.png_encode(deep))
    upscale(folder, tmp_path / "out.mkv", fps=Fraction(24))
    assert decoded(tmp_path / "out.mkv")[0].format.name == "yuv420p10le"
    upscale(folder, tmp_path / "deep" / "%d.png")
    assert imagecodecs.png_decode((tmp_path / "deep" / "0.png").read_bytes()).dtype == np.uint16


def gif(path: Path, durations: list[int]) -> Path:
    frames = [Image.fromarray(picture(number)) for number in range(len(durations))]
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=durations, loop=0)
    return path


def test_an_animated_picture_becomes_a_video_and_back(tmp_path: Path, upscale: Upscale) -> None:
    source = gif(tmp_path / "in.gif", [100, 50, 200, 70])
    upscale(source, tmp_path / "out.mp4")
    assert picture_times(tmp_path / "out.mp4") == [Fraction(t, 1000) for t in (0, 100, 150, 350)]
    with av.open(str(tmp_path / "out.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.duration or 0) * Fraction(str(stream.time_base)) == Fraction(420, 1000)
    for suffix in (".gif", ".webp"):
        upscale(
            tmp_path / "out.mp4",
            tmp_path / f"back{suffix}",
            size=SizeRequest(scale=Fraction(1, 4)),
            segment=2,
        )
        with Image.open(tmp_path / f"back{suffix}") as animation:
            assert getattr(animation, "n_frames", 1) == 4
            assert animation.size == (48, 32)
            shown = []
            for number in range(4):
                animation.seek(number)
                animation.load()
                shown.append(animation.info["duration"])
            assert shown == [100, 50, 200, 70]
            assert np.median(np.abs(np.array(animation.convert("RGB"), int) - picture(3))) < 12


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_pictures_of_a_turned_video_are_upright(
    rotation: int, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=3, rotation=rotation, options={"crf": "4"}))
    turns = decoded(source)[0].rotation // 90  # counterclockwise, as those of NumPy
    assert turns
    upscale(source, tmp_path / "out" / "%d.png")
    upscale(source, tmp_path / "out.gif")
    for name in ("out/1.png", "out.gif"):
        with Image.open(tmp_path / name) as image:
            shown = np.asarray(image.convert("RGB"))[2::4, 2::4].astype(int)
        assert np.median(np.abs(shown - np.rot90(picture(0), turns))) < 12
    assert "as they are stored" not in caplog.text


def test_other_angles_and_pixels_that_are_not_square_are_said(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    for number, clip in enumerate((Clip(frames=2, rotation=45), Clip(frames=2, aspect=Fraction(4, 3)))):
        source = make_clip(tmp_path / f"{number}.mp4", clip)
        caplog.clear()
        upscale(source, tmp_path / f"{number}_%d.png")
        assert "as they are stored" in caplog.text
        with Image.open(tmp_path / f"{number}_1.png") as image:
            assert image.size == (192, 128)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuva444p"])
def test_sixteen_bits_are_more_than_eight_repeated(
    pixel_format: str, tmp_path: Path, upscale: Upscale
) -> None:
    import imagecodecs

    source = make_transparent_clip(tmp_path / "in.nut", "ffv1", pixel_format)
    upscale(source, tmp_path / "%d.png", frames=FrameOptions(depth=16))
    upscale(source, tmp_path / "out.apng", frames=FrameOptions(depth=16))
    still = imagecodecs.png_decode((tmp_path / "1.png").read_bytes())
    moving = imagecodecs.apng_decode((tmp_path / "out.apng").read_bytes())
    assert still.dtype == moving.dtype == np.uint16
    assert still.shape[2] == (4 if "a" in pixel_format else 3)
    assert (still % 257 != 0).mean() > 0.1
    np.testing.assert_array_equal(still, moving[0])
    upscale(source, tmp_path / "eight_%d.png")
    with Image.open(tmp_path / "eight_1.png") as image:
        assert np.abs(np.asarray(image, int) - still / 257).max() <= 1


def test_eight_bits_of_deep_frames(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=2, codec="ffv1", pixel_format="yuv420p10le"))
    for depth, expected in ((None, 16), (8, 8)):
        upscale(source, tmp_path / f"{depth}_%d.png", frames=FrameOptions(depth=depth))
        assert (tmp_path / f"{depth}_1.png").read_bytes()[24] == expected  # IHDR's depth


def test_frames_of_another_depth_are_another_job(tmp_path: Path, upscale: Upscale) -> None:
    source = make_clip(tmp_path / "in.mkv", Clip(frames=7))
    with pytest.raises(Killed):
        upscale(source, tmp_path / "%d.png", progress=stop_after(5), segment=3)
    with pytest.raises(UsageError, match="depth"):
        upscale(source, tmp_path / "%d.png", segment=3, frames=FrameOptions(depth=8))


P3_TO_SRGB = np.array(
    [
        [1.22494018, -0.22494018, 0.0],
        [-0.04205695, 1.04205695, 0.0],
        [-0.01963755, -0.07863605, 1.0982736],
    ]
)
"""CSS Color 4: XYZ_to_lin_sRGB · lin_P3_to_XYZ."""


def p3_in_srgb(pixels: NDArray[Any]) -> NDArray[np.float64]:
    """Display P3's numbers, 0 to 255, as sRGB's."""
    x = pixels / 255
    linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4) @ P3_TO_SRGB.T
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(255 * encoded)


def shown_picture(path: Path) -> NDArray[np.uint8]:
    """The picture, or the first of an animation, in sRGB."""
    with Image.open(path) as image:
        colours, icc_profile = image.convert("RGB"), image.info.get("icc_profile")
    return np.asarray(colours) if icc_profile is None else shown_in_srgb(colours, icc_profile)


@pytest.mark.parametrize(
    "name", ["%d.png", "%d.jpg", "%d.bmp", "out.apng", "out.webp", "out.avif", "out.gif"]
)
def test_wide_colours_of_a_video_are_said_or_converted(name: str, tmp_path: Path, upscale: Upscale) -> None:
    clips = {
        kind: make_clip(
            tmp_path / f"{kind}.mp4", Clip(frames=2, options={"crf": "4"}, tags=Tags(1, primaries, 1, 1))
        )
        for kind, primaries in (("wide", 12), ("plain", 1))
    }
    upscale(
        clips["wide"],
        tmp_path / name,
        frames=FrameOptions(quality=100 if name.endswith(("jpg", "webp", "avif")) else None),
    )
    upscale(clips["plain"], tmp_path / "plain_%d.png")
    with Image.open(tmp_path / "plain_1.png") as image:
        assert "icc_profile" not in image.info
        expected = p3_in_srgb(np.asarray(image.convert("RGB")))
    difference = np.abs(shown_picture(tmp_path / name.replace("%d", "1")) - expected)
    assert np.median(difference) <= 2
    assert np.percentile(difference, 80) <= 8


def test_colours_that_pictures_cannot_say_are_warned_of(
    tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=2, tags=Tags(1, 8, 1, 1)))
    upscale(source, tmp_path / "%d.png")
    assert "pictures can't say what its colours are (primaries 8" in caplog.text


@pytest.mark.parametrize("primaries", [1, 2, 5, 6])
def test_ordinary_colours_need_no_profile(
    primaries: int, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=2, tags=Tags(1, primaries, 1, 1)))
    upscale(source, tmp_path / "%d.png")
    with Image.open(tmp_path / "1.png") as image:
        assert "icc_profile" not in image.info
    assert not caplog.records


@pytest.mark.parametrize(("rate", "left"), [(60, 10), (120, 10), (24, 4)])
def test_a_gif_is_without_frames_that_viewers_would_slow_down(
    rate: int, left: int, tmp_path: Path, upscale: Upscale, caplog: pytest.LogCaptureFixture
) -> None:
    """A fifth of a second; none of them is computed."""
    count = rate // 5
    (tmp_path / "in").mkdir()
    for number in range(count):
        Image.fromarray(picture(number)).save(tmp_path / "in" / f"{number}.png")
    facts = upscale(tmp_path / "in", tmp_path / "out.gif", fps=Fraction(rate))
    assert facts.frames == facts.computed == left
    with Image.open(tmp_path / "out.gif") as animation:
        assert getattr(animation, "n_frames", 1) == left
        shown = []
        for number in range(left):
            animation.seek(number)
            shown.append(animation.info["duration"])
    assert min(shown) >= 20
    assert abs(sum(shown) - 1000 * count / rate) <= 10
    assert (f"{count - left} of {count} frames are left out" in caplog.text) == (count > left)
