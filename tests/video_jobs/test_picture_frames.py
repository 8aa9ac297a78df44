"""Pictures of all kinds become frames of one kind, and what that costs is said once."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import exif_block, grey_profile, smooth

from ripfdn_cli.errors import InputError
from ripfdn_cli.pictures.metadata import NO_METADATA, Metadata
from ripfdn_cli.pictures.picture import as_samples
from ripfdn_cli.video_jobs.picture_frames import PictureFrames, glances, read_frame

pytestmark = pytest.mark.any_precision

HALF = np.full((20, 30, 4), (200, 100, 0, 128), np.uint8)


@pytest.mark.parametrize("samples", ["uint8", "uint16"])
@pytest.mark.parametrize("given", ["uint8", "uint16"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_opaque_alpha_is_added_and_depths_and_grey_are_brought_to_one(
    channels: int, given: str, samples: str
) -> None:
    made = PictureFrames(30, 20, samples, has_alpha=True)
    pixels = smooth(20, 30, channels, given)
    frame = made.frame(pixels, NO_METADATA, "a.png")
    assert (frame.dtype.name, frame.shape) == (samples, (20, 30, 4))
    top = 255 if samples == "uint8" else 65535
    alpha = as_samples(pixels[..., -1], samples) if channels in (2, 4) else np.full((20, 30), top)
    np.testing.assert_array_equal(frame[..., 3], alpha)
    colours = np.broadcast_to(pixels[..., :1] if channels < 3 else pixels[..., :3], (20, 30, 3))
    np.testing.assert_array_equal(frame[..., :3], as_samples(colours, samples))


@pytest.mark.parametrize("background", [None, (0, 0, 255)])
def test_transparency_among_opaque_frames_is_put_on_a_colour(
    background: tuple[int, int, int] | None, caplog: pytest.LogCaptureFixture
) -> None:
    made = PictureFrames(30, 20, "uint8", has_alpha=False, background=background)
    for name in ("2.png", "3.png"):
        frame = made.frame(HALF, NO_METADATA, name)
    behind = np.array(background or (255, 255, 255))
    expected = (np.array((200, 100, 0)) * 128 + behind * 127) / 255
    assert np.abs(frame - expected).max() <= 0.5
    said = [] if background else ["2.png has transparency, the first frame none; it is put on white"]
    assert [record.getMessage().split(" (")[0] for record in caplog.records] == said


def test_lost_depth_and_profiles_that_cannot_be_used_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    made = PictureFrames(30, 20, "uint8", has_alpha=False)
    deep = smooth(20, 30, 3, "uint16")
    with caplog.at_level(logging.INFO):
        for damaged in (b"no profile", grey_profile()):
            for name in ("1.png", "2.png"):
                frame = made.frame(deep, Metadata(icc_profile=damaged), name)
                np.testing.assert_array_equal(frame, as_samples(deep, np.uint8))
    assert [record.getMessage() for record in caplog.records] == [
        "1.png: rounded to 8 bits per channel, as in the first frame",
        "1.png: its profile is damaged or for other pixels; colours are left as they are",
        "1.png: its profile is damaged or for other pixels; colours are left as they are",
    ]


def test_hdr_is_clipped_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    """ITU-R BT.2408, table 1: a diffuse white of 203 cd/m² is 58 % of PQ."""
    made = PictureFrames(30, 20, "uint16", has_alpha=False)
    metadata = Metadata(png_colour=((b"cICP", bytes((9, 16, 0, 1))),))
    white = np.full((20, 30, 3), round(0.5807 * 65535), np.uint16)
    assert made.frame(white, metadata, "1.png").min() > 65000
    assert "1.png: its HDR colours become sRGB, clipped above diffuse white" in caplog.text


def test_another_size_is_an_error_that_names_both() -> None:
    made = PictureFrames(30, 20, "uint8", has_alpha=False)
    with pytest.raises(InputError, match=r"b.png is 31×20 px, the first frame 30×20 px"):
        made.frame(smooth(20, 31), NO_METADATA, "b.png")


def test_heads_tell_sizes_and_transparency_without_the_pixels(tmp_path: Path) -> None:
    """Each file ends after its head; one that is turned by its EXIF counts as of the same size."""
    Image.fromarray(smooth(20, 30)).save(tmp_path / "1.png")
    Image.fromarray(smooth(20, 30, 4)).save(tmp_path / "2.png")
    Image.fromarray(smooth(30, 20)).save(tmp_path / "3.jpg", exif=exif_block(orientation=6))
    Image.fromarray(smooth(20, 30)).save(tmp_path / "4.bmp")
    (tmp_path / "5.png").write_bytes(b"damaged")
    files = sorted(tmp_path.iterdir())
    for path in files[:2]:
        content = path.read_bytes()
        path.write_bytes(content[: content.index(b"IDAT") + 8])
    seen = glances(files)
    assert [None if entry is None else entry.has_transparency for entry in seen] == [
        *(False, True, False),
        *(None, None),
    ]
    Image.fromarray(smooth(20, 31)).save(tmp_path / "6.png")
    with pytest.raises(InputError, match=r"6.png is 31×20 px, the first frame 30×20 px"):
        glances(sorted(tmp_path.iterdir()))


def test_an_animation_is_no_frame(tmp_path: Path) -> None:
    frames = [Image.fromarray(smooth(20, 30)), Image.fromarray(smooth(20, 30)[::-1].copy())]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="2 frames of its own"):
        read_frame(tmp_path / "a.gif", 10**6)
