"""Frames from videos, numbered pictures and animations, with their times."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from support.interlaced_clips import combing, unmarked
from support.sample_pictures import shown_in_srgb, smooth, swapped_profile
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.pictures.encoding import Encoding, encode
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.metadata import Metadata
from ripfdn_cli.pictures.picture import Picture, as_samples
from ripfdn_cli.video_jobs.video_settings import ReadingOptions
from ripfdn_cli.video_jobs.video_sources import animation_source, sequence_source, video_source

pytestmark = pytest.mark.any_precision


def test_a_video_gives_its_frames_at_their_times(tmp_path: Path) -> None:
    times = [0, 1000, 2500, 3000, 7000]
    make_clip(tmp_path / "clip.mkv", Clip(frames=5, times=times, time_base=Fraction(1, 1000)))
    source = video_source(tmp_path / "clip.mkv", ReadingOptions(), tmp_path)
    base = source.timeline.time_base
    assert [int(pts) * base for pts in source.timeline.pts] == [Fraction(t, 1000) for t in times]
    assert [frame.index for frame in source.frames(0, {})] == [0, 1, 2, 3, 4]
    assert (source.width, source.height, source.samples) == (48, 32, "uint8")
    cut = ReadingOptions(start=Fraction(1), end=Fraction(3))
    some = video_source(tmp_path / "clip.mkv", cut, tmp_path)
    assert some.timeline.source.tolist() == [1, 2]


def test_numbered_pictures_need_a_rate_and_one_size(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(smooth(20, 30)).save(tmp_path / f"{number + 4:03}.png")
    with pytest.raises(UsageError, match="give one with `fps`"):
        sequence_source([tmp_path], ReadingOptions())
    source = sequence_source([tmp_path], ReadingOptions(fps=Fraction(25)))
    assert source.first_number == 4
    assert [int(pts) * source.timeline.time_base for pts in source.timeline.pts] == [
        Fraction(number, 25) for number in range(3)
    ]
    np.testing.assert_array_equal(next(source.frames(1, {})).pixels, smooth(20, 30))
    Image.fromarray(smooth(20, 31)).save(tmp_path / "006.png")
    with pytest.raises(InputError, match="31×20"):
        sequence_source([tmp_path], ReadingOptions(fps=Fraction(25)))
    Image.fromarray(smooth(30, 20)).save(tmp_path / "006.png")  # as one that is turned could be
    source = sequence_source([tmp_path], ReadingOptions(fps=Fraction(25)))
    with pytest.raises(InputError, match="20×30"):
        list(source.frames(0, {}))


def test_an_animation_keeps_its_durations_and_a_still_is_refused(tmp_path: Path) -> None:
    frames = [Image.fromarray(smooth(20, 30)), Image.fromarray(smooth(20, 30)[::-1].copy())]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], duration=[30, 250], loop=0)
    source = animation_source(tmp_path / "a.gif", ReadingOptions())
    base = source.timeline.time_base
    assert [int(duration) * base for duration in source.timeline.durations] == [
        Fraction(3, 100),
        Fraction(25, 100),
    ]
    frames[0].save(tmp_path / "b.png")
    with pytest.raises(UsageError, match="still picture"):
        animation_source(tmp_path / "b.png", ReadingOptions())


@pytest.mark.parametrize("kind", ["turned", "on a background"])
def test_frames_made_of_others_are_found_by_seeking(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gop = "keyint=8:min-keyint=8:scenecut=0"
    make_clip(tmp_path / "in.mkv", Clip(frames=30, options={"x264-params": gop}))
    source = video_source(tmp_path / "in.mkv", ReadingOptions(), tmp_path)
    made = source.turned(6) if kind == "turned" else source.without_alpha((0, 0, 0))
    whole = list(made.frames(0, {}))
    before = {frame.index: frame.checksum for frame in whole[18:20]}
    with caplog.at_level("DEBUG"):
        again = list(made.frames(20, before))
    assert "seeking" not in caplog.text
    for first, second in zip(whole[20:], again, strict=True):
        np.testing.assert_array_equal(first.pixels, second.pixels)
    shape = (48, 32, 3) if kind == "turned" else (32, 48, 3)
    assert again[0].pixels.shape == shape
    assert source.turned(6).reading != source.reading


@pytest.mark.parametrize(("order", "first"), [("tt", 0), ("bb", 1)])
def test_fields_that_the_file_alone_tells_of_are_made_whole(order: str, first: int, tmp_path: Path) -> None:
    """The lines of the field that shows first stay, those of the other one are made anew."""
    path = unmarked(tmp_path / "clip.mov", order)
    with av.open(str(path)) as container:
        decoded = list(container.decode(video=0))
    assert not any(frame.interlaced_frame for frame in decoded)
    raw = [frame.to_ndarray(format="rgb24") for frame in decoded]
    for options in (ReadingOptions(), ReadingOptions(deinterlace=True)):
        source = video_source(path, options, tmp_path)
        whole = [frame.pixels for frame in source.frames(0, None)]
        assert len(whole) == 10
        assert combing(whole[3]) < combing(raw[3]) / 4
        assert np.abs(whole[3][first::2].astype(int) - raw[3][first::2]).max() <= 2
    untouched = video_source(path, ReadingOptions(deinterlace=False), tmp_path)
    assert np.array_equal(list(untouched.frames(0, None))[3].pixels, raw[3])


def test_frames_that_nothing_tells_of_are_made_whole_where_that_is_asked(tmp_path: Path) -> None:
    path = unmarked(tmp_path / "clip.mov", "progressive")
    as_it_is, whole = (
        list(video_source(path, ReadingOptions(deinterlace=asked), tmp_path).frames(0, None))
        for asked in (None, True)
    )
    assert combing(whole[3].pixels) < combing(as_it_is[3].pixels) / 4


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "animation"])
def test_colours_of_pictures_go_through_their_profile(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures = [smooth(20, 30), smooth(20, 30)[::-1].copy(), smooth(20, 30)[:, ::-1].copy()]
    images = [Image.fromarray(pixels) for pixels in pictures]
    with caplog.at_level("INFO"):
        if kind == "animation":
            images[0].save(
                tmp_path / "a.png",
                save_all=True,
                append_images=images[1:],
                icc_profile=swapped_profile(),
            )
            source = animation_source(tmp_path / "a.png", ReadingOptions())
        else:
            for number, pixels in enumerate(pictures):
                deep = as_samples(pixels, np.uint16 if kind == "16 bits" else np.uint8)
                metadata = Metadata(icc_profile=swapped_profile())
                entry = format_named("png")
                content = encode(Picture((deep,), entry, metadata), Encoding(entry), "a")
                (tmp_path / f"{number}.png").write_bytes(content)
            source = sequence_source([tmp_path], ReadingOptions(fps=Fraction(25)))
        frames = list(source.frames(0, {}))
    for frame, pixels in zip(frames, pictures, strict=True):
        assert frame.pixels.dtype == source.samples == ("uint16" if kind == "16 bits" else "uint8")
        expected = shown_in_srgb(Image.fromarray(pixels), swapped_profile())
        assert np.abs(as_samples(frame.pixels, np.uint8).astype(int) - expected).max() <= 2
    assert caplog.text.count("converted to sRGB") == 1


def test_colour_chunks_of_pictures_are_followed(tmp_path: Path) -> None:
    """A gamma of 1 is linear light, in which a half is sRGB's 188."""
    linear = (b"gAMA", (100_000).to_bytes(4, "big"))
    entry = format_named("png")
    grey = Picture((np.full((20, 30, 1), 128, np.uint8),), entry, Metadata(png_colour=(linear,)))
    (tmp_path / "1.png").write_bytes(encode(grey, Encoding(entry), "a"))
    source = sequence_source([tmp_path / "%d.png"], ReadingOptions(fps=Fraction(25)))
    pixels = next(iter(source.frames(0, {}))).pixels
    assert pixels.shape == (20, 30, 3)
    np.testing.assert_allclose(pixels, 188, atol=1)


@pytest.mark.parametrize("background", [None, (0, 0, 255)])
def test_frames_with_and_without_alpha_are_one_video(
    background: tuple[int, int, int] | None, tmp_path: Path
) -> None:
    """Opaque, half transparent, grey, and 16 bits deep."""
    import imagecodecs

    Image.new("RGB", (30, 20), (10, 20, 30)).save(tmp_path / "1.png")
    Image.new("RGBA", (30, 20), (200, 100, 0, 128)).save(tmp_path / "2.png")
    Image.new("L", (30, 20), 77).save(tmp_path / "3.png")
    deep = np.full((20, 30, 3), 100 * 257, np.uint16)
    (tmp_path / "4.png").write_bytes(imagecodecs.png_encode(deep))
    source = sequence_source([tmp_path], ReadingOptions(fps=Fraction(25)))
    assert source.has_alpha
    if background is not None:
        source = source.without_alpha(background)
    shown = [frame.pixels[5, 5].tolist() for frame in source.frames(0, {})]
    if background is None:
        assert shown == [[10, 20, 30, 255], [200, 100, 0, 128], [77, 77, 77, 255], [100, 100, 100, 255]]
    else:
        assert shown == [[10, 20, 30], [100, 50, 127], [77, 77, 77], [100, 100, 100]]


def test_transparency_that_no_head_tells_is_put_on_the_background(tmp_path: Path) -> None:
    Image.new("RGB", (30, 20), (10, 20, 30)).save(tmp_path / "1.webp", lossless=True)
    Image.new("RGBA", (30, 20), (200, 100, 0, 128)).save(tmp_path / "2.webp", lossless=True)
    described = []
    for background, expected in ((None, [227, 177, 127]), ((0, 0, 255), [100, 50, 127])):
        source = sequence_source([tmp_path], ReadingOptions(fps=Fraction(25)), background)
        described.append(source.reading)
        np.testing.assert_allclose(list(source.frames(0, {}))[1].pixels[5, 5], expected, atol=1)
    assert described[0] != described[1]
