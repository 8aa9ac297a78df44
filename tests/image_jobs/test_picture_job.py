"""From the bytes of a picture to the bytes of its result."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from support.camera_files import xmp_of
from support.sample_pictures import smooth

from ripfdn_cli.errors import InputError, UsageError
from ripfdn_cli.image_jobs.picture_job import PictureJob, PictureSettings, bytes_held
from ripfdn_cli.openvino_runtime import native_bf16
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pictures.picture import Header
from ripfdn_cli.pipeline.devices import ByteBudget, Devices, NetworkSettings
from ripfdn_cli.pipeline.output_size import SizeRequest
from ripfdn_cli.upscaler import Upscaler

PIXELS = smooth(24, 30)


@contextmanager
def job(weights: Path, settings: PictureSettings) -> Iterator[PictureJob]:
    network = NetworkSettings(
        weights=str(weights), devices=("cpu",), engine="torch", precision="fp32", threads=1
    )
    devices = Devices(network)
    yield PictureJob(settings, devices, ByteBudget(2**30), lambda done, total: None)
    devices.close()


def pixels_of(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image)


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_the_result_is_the_network_s(enlarging_weights: dict[int, Path]) -> None:
    with job(enlarging_weights[3], PictureSettings()) as picture_job:
        content, facts = picture_job.run(png(PIXELS), "in.png", None)
    upscaler = Upscaler(enlarging_weights[3], device="cpu", engine="torch", precision="fp32", threads=1)
    np.testing.assert_array_equal(pixels_of(content), upscaler.upscale(PIXELS))
    assert (facts.size, facts.output_size, facts.frames, facts.file_format.name) == (
        (30, 24),
        (90, 72),
        1,
        "png",
    )
    assert facts.run is not None
    assert (facts.run.passes, facts.run.weights) == ((3,), upscaler.checkpoint_sha256)


@pytest.mark.parametrize("samples", ["uint8", "uint16", "float32"])
def test_more_than_eight_bits_are_computed_in_fp32_unless_asked_otherwise(
    enlarging_weights: dict[int, Path], samples: str
) -> None:
    """Half precisions are too coarse for them: within 1/16 of an 8-bit level of fp32."""
    pixels = smooth(32, 48, 3, samples)
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels, photometric="rgb")
    network = NetworkSettings(weights=str(enlarging_weights[4]), devices=("cpu",), engine="openvino")
    devices = Devices(network)
    picture_job = PictureJob(PictureSettings(), devices, ByteBudget(2**30), lambda done, total: None)
    content, facts = picture_job.run(stream.getvalue(), "in.tif", None)
    devices.close()
    assert facts.run is not None
    assert facts.run.precision == ("bf16" if samples == "uint8" and native_bf16() else "fp32")
    if samples == "uint8":
        return
    expected = Upscaler(enlarging_weights[4], device="cpu", engine="torch", precision="fp32").upscale(pixels)
    top = 65535 if samples == "uint16" else 1
    difference = (tifffile.imread(io.BytesIO(content)).astype(np.float64) - expected) / top * 255
    assert np.sqrt(np.square(difference).mean()) < 1 / 16


def test_a_size_below_the_picture_s_runs_no_network(enlarging_weights: dict[int, Path]) -> None:
    with job(enlarging_weights[2], PictureSettings(size=SizeRequest(width=15))) as picture_job:
        content, facts = picture_job.run(png(PIXELS), "in.png", None)
    assert facts.run is None
    assert facts.tiles == 0
    assert pixels_of(content).shape == (12, 15, 3)


@pytest.mark.parametrize(
    ("data", "error", "message"),
    [
        (b"", InputError, "in.png"),
        (b"GIF89a and nothing more", InputError, "in.png"),
        (png(PIXELS)[:200], InputError, "in.png"),
    ],
)
def test_what_is_no_picture_is_told_by_its_name(
    enlarging_weights: dict[int, Path], data: bytes, error: type[Exception], message: str
) -> None:
    with job(enlarging_weights[2], PictureSettings()) as picture_job, pytest.raises(error, match=message):
        picture_job.run(data, "in.png", None)


def test_a_format_that_can_not_be_so_large_is_told_before_the_work(
    enlarging_weights: dict[int, Path],
) -> None:
    wide = png(smooth(2, 9000))
    with (
        job(enlarging_weights[2], PictureSettings()) as picture_job,
        pytest.raises(UsageError, match="16383"),
    ):
        picture_job.run(wide, "wide.png", format_named("webp"))


def test_bytes_held_cover_what_is_in_memory_at_once() -> None:
    header = Header(
        width=100, height=50, channels=3, frames=1, sample_bytes=2, file_format=format_named("png")
    )
    decoded, result = 100 * 50 * 3 * 2, 400 * 200 * 3 * 2
    assert bytes_held(header, (4,)) >= decoded + 2 * result


@pytest.mark.parametrize(("target", "depth", "told"), [("jpeg", None, 1), ("jpeg", 8, 0), ("tiff", None, 0)])
def test_lost_depth_is_told_once(
    target: str,
    depth: int | None,
    told: int,
    enlarging_weights: dict[int, Path],
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = io.BytesIO()
    tifffile.imwrite(content, smooth(16, 16, 3, "uint16"), photometric="rgb")
    with job(enlarging_weights[2], PictureSettings(depth=depth)) as picture_job, caplog.at_level("INFO"):
        picture_job.run(content.getvalue(), "in.tif", format_named(target))
    assert caplog.text.count("in.tif: rounded to 8 bits per channel") == told


def test_a_marked_face_is_where_it_shows_in_the_result(enlarging_weights: dict[int, Path]) -> None:
    """Of a picture that EXIF turns by a quarter, with the face of 12×16 px in the middle of it."""
    stored = np.full((48, 96), 40, np.uint8)
    stored[4:20, 10:22] = 220
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x112] = 6
    exif.get_ifd(0x8769)[0x9214] = (15, 11, 12, 16)
    area = f'stArea:x="{16 / 96}" stArea:y="{12 / 48}" stArea:w="{12 / 96}" stArea:h="{16 / 48}"'
    xmp = xmp_of('xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#" ' + area)
    Image.fromarray(stored).save(stream, "JPEG", exif=exif, xmp=xmp, quality=98)
    with job(enlarging_weights[2], PictureSettings()) as picture_job:
        content, _ = picture_job.run(stream.getvalue(), "in.jpg", None)
    with Image.open(io.BytesIO(content)) as image:
        rows, columns = np.nonzero(np.asarray(image.convert("L")) > 128)
        width, height = image.size
        across, down, wide, high = image.getexif().get_ifd(0x8769)[0x9214]
        packet = image.info["xmp"].decode()
    left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
    found = (across - wide / 2, down - high / 2, across + wide / 2, down + high / 2)
    assert found == pytest.approx((left, top, right, bottom), abs=1.5)  # an even side has no middle pixel
    x, y, w, h = (float(packet.split(f'stArea:{name}="')[1].split('"')[0]) for name in "xywh")
    shares = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    assert shares == pytest.approx((left / width, top / height, right / width, bottom / height), abs=0.02)


def test_a_subject_past_what_exif_can_say_is_told(
    enlarging_weights: dict[int, Path], caplog: pytest.LogCaptureFixture
) -> None:
    exif, stream = Image.Exif(), io.BytesIO()
    exif[0x112] = 1
    exif.get_ifd(0x8769)[0xA214] = (40_000, 1)
    Image.new("L", (50_000, 2)).save(stream, "PNG", exif=exif)
    with job(enlarging_weights[2], PictureSettings()) as picture_job, caplog.at_level("INFO"):
        content, _ = picture_job.run(stream.getvalue(), "in.png", None)
    assert "in.png: left out: the place of its subject" in caplog.text
    with Image.open(io.BytesIO(content)) as image:
        assert 0xA214 not in image.getexif().get_ifd(0x8769)
