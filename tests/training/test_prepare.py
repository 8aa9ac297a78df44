import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage
from support.commands import NOT_UTF8

from ripfdn_cli.errors import InputError, OutputError, UsageError
from ripfdn_cli.training.prepare import JOURNAL, LEFT_OUT, Tiling, detail, prepare

TILING = Tiling(128, 64)


def textured(height: int, width: int, seed: int) -> np.ndarray:
    """(height, width, 3) uint8 with as much detail in each octave as photographs have."""
    random = np.random.default_rng(seed)
    spectrum = np.fft.rfft2(random.standard_normal((height, width, 3)), axes=(0, 1))
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])[..., None]
    waves = np.fft.irfft2(spectrum / np.maximum(frequency, 2 / height), s=(height, width), axes=(0, 1))
    pixels: np.ndarray = (128 + 45 * waves / waves.std()).clip(0, 255).astype(np.uint8)
    return pixels


def write(folder: Path, name: str, pixels: np.ndarray) -> Path:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(folder / name)
    return folder / name


def pixels_of(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")}


def left_out(folder: Path) -> list[str]:
    return (folder / LEFT_OUT).read_text(encoding="utf-8").splitlines()


def test_tiles_cover_the_picture_and_overlap(tmp_path: Path) -> None:
    pixels = textured(200, 300, 0)
    write(tmp_path / "photos", "sub/a.png", pixels)
    made = prepare(tmp_path / "photos", tmp_path / "set", TILING)
    assert (made.pictures, made.tiles) == (1, 12)
    covered = np.zeros((200, 300), int)
    for path in (tmp_path / "set" / "sub").iterdir():
        top, left = map(int, path.stem.split("-")[1:])
        np.testing.assert_array_equal(pixels_of(path), pixels[top : top + 128, left : left + 128])
        covered[top : top + 128, left : left + 128] += 1
    assert covered.min() == 1
    assert covered[36:164, 57:243].min() >= 2 * 2
    assert left_out(tmp_path / "set") == []


def test_a_side_that_is_hardly_longer_than_a_tile_is_not_divided(tmp_path: Path) -> None:
    pixels = textured(130, 161, 0)
    write(tmp_path / "photos", "a.png", pixels)
    prepare(tmp_path / "photos", tmp_path / "set", TILING)
    assert set(files(tmp_path / "set")) == {"a-0-0.png", "a-0-33.png"}
    np.testing.assert_array_equal(pixels_of(tmp_path / "set" / "a-0-33.png"), pixels[:, 33:])


def test_a_smaller_picture_is_taken_whole_and_a_tiny_one_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "photos", "a.png", textured(140, 200, 0))
    write(tmp_path / "photos", "tiny.png", textured(100, 300, 1))
    (tmp_path / "photos" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    made = prepare(tmp_path / "photos", tmp_path / "set", Tiling(480, 240))
    assert list(files(tmp_path / "set")) == ["a-0-0.png"]
    assert pixels_of(tmp_path / "set" / "a-0-0.png").shape == (140, 200, 3)
    assert made.left_out["unreadable or small"] == 2
    damaged, tiny = left_out(tmp_path / "set")
    assert "damaged.png: " in damaged
    assert tiny == f"{tmp_path}/photos/tiny.png: 300×100 px, and 128 px per side are needed"


def test_flat_and_soft_tiles_are_left_out_and_listed(tmp_path: Path) -> None:
    pixels = textured(128, 384, 0)
    pixels[:, :128] = 90 + np.arange(128)[None, :, None] // 8
    blurred = ndimage.gaussian_filter(pixels[:, 256:].astype(float), (1.5, 1.5, 0))
    pixels[:, 256:] = blurred.astype(np.uint8)
    path = write(tmp_path / "photos", "a.png", pixels)
    made = prepare(tmp_path / "photos", tmp_path / "set", Tiling(128, 0))
    assert list(files(tmp_path / "set")) == ["a-0-128.png"]
    assert left_out(tmp_path / "set") == [f"{path} at 0,0: flat", f"{path} at 256,0: soft"]
    assert (made.left_out["flat"], made.left_out["soft"]) == (1, 1)


def test_detail_is_what_a_laplacian_leaves() -> None:
    white = np.random.default_rng(0).normal(0, 10, (257, 512)).astype(np.float32)
    half = white[:256].reshape(128, 2, 256, 2).mean(axis=(1, 3))
    expected = [np.sqrt(np.mean(ndimage.laplace(x)[1:-1, 1:-1] ** 2)) / 4 for x in (white, half)]
    assert detail(white) == pytest.approx(expected, rel=1e-5)
    rows, columns = np.indices((64, 64), np.float32)
    assert detail(3 * rows - 2 * columns) == pytest.approx((0, 0), abs=1e-4)


def test_near_duplicates_are_left_out_and_the_larger_file_is_kept(tmp_path: Path) -> None:
    pixels = textured(256, 256, 0)
    write(tmp_path / "photos", "z.png", pixels)
    with Image.fromarray(pixels) as image:
        image.save(tmp_path / "photos" / "again.jpg", quality=70)
        image.resize((200, 200)).save(tmp_path / "photos" / "small.jpg")
    crop = write(tmp_path / "photos", "crop.png", np.hstack([pixels[:128, :128], textured(128, 64, 5)]))
    made = prepare(tmp_path / "photos", tmp_path / "set", TILING)
    listed = left_out(tmp_path / "set")
    assert f"{tmp_path}/photos/again.jpg: near duplicate of z.png" in listed
    assert f"{tmp_path}/photos/small.jpg: near duplicate of z.png" in listed
    assert f"{crop} at 0,0: near duplicate of z-0-0.png" in listed
    assert made.left_out["near duplicate"] == len(listed) == 3
    assert set(files(tmp_path / "set")) == {f"z-{y}-{x}.png" for y in (0, 64, 128) for x in (0, 64, 128)} | {
        "crop-0-64.png"
    }


def test_textures_of_one_colour_are_no_duplicates(tmp_path: Path) -> None:
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(0, 1, (256, 256, 3))
        grass = ndimage.gaussian_filter(noise, (0.6, 0.6, 0))
        write(
            tmp_path / "photos", f"{seed}.png", (120 + 30 * grass / grass.std()).clip(0, 255).astype(np.uint8)
        )
    made = prepare(tmp_path / "photos", tmp_path / "set", TILING)
    assert made.left_out["near duplicate"] == 0
    assert made.tiles == 27


@pytest.mark.parametrize("stopped_at", [1, 2, 3, 4])
def test_a_killed_preparation_goes_on_to_the_same_set(tmp_path: Path, stopped_at: int) -> None:
    for seed in range(4):
        write(tmp_path / "photos", f"{seed}.png", textured(160, 160 + 8 * seed, seed))
    write(tmp_path / "photos", "again.png", textured(160, 160, 0) // 2 * 2)
    whole = prepare(tmp_path / "photos", tmp_path / "whole", TILING)

    def stop(done: int, total: int) -> None:
        if done == stopped_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(tmp_path / "photos", tmp_path / "set", TILING, progress=stop)
    assert files(tmp_path / "set")
    with (tmp_path / "set" / JOURNAL).open("ab") as journal:
        journal.write(b'{"picture": "hal')  # as a power cut leaves it
    told = list[tuple[int, int]]()
    assert prepare(tmp_path / "photos", tmp_path / "set", TILING, progress=lambda *n: told.append(n)) == whole
    assert told[0] == (stopped_at, 5)
    assert told[-1] == (5, 5)
    assert files(tmp_path / "set") == files(tmp_path / "whole")
    assert left_out(tmp_path / "set") == left_out(tmp_path / "whole")
    assert whole.left_out["near duplicate"] == 1


def test_what_cannot_be_gone_on_with_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "photos", "a.png", textured(128, 128, 0))
    prepare(tmp_path / "photos", tmp_path / "set", TILING)
    before = files(tmp_path / "set")
    with pytest.raises(UsageError, match="was made with tile 128 and overlap 64"):
        prepare(tmp_path / "photos", tmp_path / "set", Tiling(128, 32))
    os.utime(path, ns=(1, 1))
    with pytest.raises(UsageError, match=r"a.png has changed since"):
        prepare(tmp_path / "photos", tmp_path / "set", TILING)
    assert files(tmp_path / "set") == before
    with pytest.raises(OutputError, match="holds other files"):
        prepare(tmp_path / "set", tmp_path / "photos", TILING)
    with pytest.raises(UsageError, match="lies in"):
        prepare(tmp_path / "photos", tmp_path / "photos" / "set", TILING)
    with pytest.raises(UsageError, match="`overlap` 128 must be less than `tile` 128"):
        Tiling(128, 128)
    with pytest.raises(InputError, match="is not a folder"):
        prepare(tmp_path / "nowhere", tmp_path / "other", TILING)
    assert not (tmp_path / "other").exists()


def test_pictures_of_one_name_have_tiles_of_different_names(tmp_path: Path) -> None:
    write(tmp_path / "photos", "a.png", textured(128, 128, 0))
    write(tmp_path / "photos", "a.tif", textured(128, 128, 1))
    prepare(tmp_path / "photos", tmp_path / "set", TILING)
    assert set(files(tmp_path / "set")) == {"a_png-0-0.png", "a_tif-0-0.png"}


@NOT_UTF8
def test_names_that_are_no_utf8_are_listed_as_escapes(tmp_path: Path) -> None:
    write(tmp_path / "photos", "a.png", textured(128, 128, 0))
    flat = write(tmp_path / "photos", "b.png", np.full((128, 128, 3), 90, np.uint8))
    flat.rename(flat.with_name(os.fsdecode(b"b\xff.png")))
    assert prepare(tmp_path / "photos", tmp_path / "set", TILING).tiles == 1
    assert r"b\udcff.png at 0,0: " in (tmp_path / "set" / "left-out.txt").read_text("utf-8")
