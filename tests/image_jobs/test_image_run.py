"""Pictures side by side: outcomes in order, one's error its own, a stop at the next tile."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli import upscale_file, upscale_folder
from ripfdn_cli.errors import InputError, OutputError, UnavailableError
from ripfdn_cli.image_jobs.image_run import Digests, ImageRun, ImageTask
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.find_inputs import Source
from ripfdn_cli.pipeline.output_size import SizeRequest

PNG = format_named("png")


def settings(weights: Path, device: str = "cpu", **others: Any) -> NetworkSettings:
    return NetworkSettings(
        weights=str(weights), devices=(device,), engine="torch", precision="fp32", threads=1, **others
    )


def tasks(folder: Path, count: int, side: int = 64) -> list[ImageTask]:
    found = []
    for number in range(count):
        path = folder / f"{number:02}.png"
        Image.fromarray(smooth(side, side + 8 * number)).save(path)
        found.append(ImageTask(Source(path, Path(path.name)), folder / "out" / path.name, PNG))
    return found


def test_outcomes_come_in_the_order_of_the_tasks(enlarging_weights: dict[int, Path], tmp_path: Path) -> None:
    planned = tasks(tmp_path, 12)
    outcomes = list(ImageRun(PictureSettings(), settings(enlarging_weights[2])).run(planned))
    assert [outcome.source for outcome in outcomes] == [task.source.path for task in planned]
    for task, outcome in zip(planned, outcomes, strict=True):
        assert outcome.facts is not None
        with Image.open(str(task.output)) as result:
            assert result.size == outcome.facts.output_size
        assert outcome.size == Path(str(task.output)).stat().st_size


def test_one_s_error_is_its_own(enlarging_weights: dict[int, Path], tmp_path: Path) -> None:
    planned = tasks(tmp_path, 4)
    (tmp_path / "01.png").write_bytes(b"nothing")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "02.png").write_bytes(b"somebody else's")
    outcomes = list(ImageRun(PictureSettings(), settings(enlarging_weights[2])).run(planned))
    kinds = [None if outcome.error is None else type(outcome.error) for outcome in outcomes]
    assert kinds == [None, InputError, OutputError, None]
    assert (tmp_path / "out" / "02.png").read_bytes() == b"somebody else's"


def test_closing_stops_at_the_next_tile(enlarging_weights: dict[int, Path], tmp_path: Path) -> None:
    seen = []
    network = settings(enlarging_weights[2], tile=24, halo=0)
    run = ImageRun(PictureSettings(), network, progress=lambda done, total: seen.append((done, total)))
    outcomes = run.run(tasks(tmp_path, 12, side=120))
    next(outcomes)
    outcomes.close()
    assert len(seen) < 12 * seen[0][1]
    results = {path.name for path in (tmp_path / "out").iterdir()}
    assert "00.png" in results
    assert len(results) < 12
    assert not [name for name in results if not name.endswith(".png")]


def test_a_missing_device_ends_the_run(enlarging_weights: dict[int, Path], tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="cuda:9"):
        list(ImageRun(PictureSettings(), settings(enlarging_weights[2], "cuda:9")).run(tasks(tmp_path, 3)))
    assert not (tmp_path / "out").exists()


def test_a_digest_tells_what_shapes_pixels(
    enlarging_weights: dict[int, Path],
) -> None:
    def digest(picture: PictureSettings, network: NetworkSettings) -> str:
        return Digests(picture, network).of(PNG)

    same = digest(PictureSettings(), settings(enlarging_weights[2]))
    assert same == digest(PictureSettings(), settings(enlarging_weights[2], memory=2**28))
    others = {
        digest(PictureSettings(), settings(enlarging_weights[3])),
        digest(PictureSettings(), settings(enlarging_weights[2], ensemble=True)),
        digest(PictureSettings(size=SizeRequest(width=99)), settings(enlarging_weights[2])),
        digest(PictureSettings(depth=16), settings(enlarging_weights[2])),
        Digests(PictureSettings(), settings(enlarging_weights[2])).of(format_named("tiff")),
    }
    assert len(others | {same}) == 6


def test_a_digest_leaves_out_limits_and_what_does_not_apply(enlarging_weights: dict[int, Path]) -> None:
    """Raising a limit, as an error advises, must not disown the results that there are."""
    network, jpeg = settings(enlarging_weights[2]), format_named("jpeg")
    black, brief = PictureSettings(background=(0, 0, 0)), PictureSettings(quality=70)
    plain = Digests(PictureSettings(), network)
    assert Digests(PictureSettings(max_pixels=10**4), network).of(PNG) == plain.of(PNG)
    assert Digests(black, network).of(PNG) == plain.of(PNG)
    assert Digests(black, network).of(jpeg) != plain.of(jpeg)
    assert Digests(brief, network).of(PNG) == plain.of(PNG)
    assert Digests(brief, network).of(jpeg) != plain.of(jpeg)
    assert Digests(PictureSettings(depth=16), network).of(jpeg) == plain.of(jpeg)


def test_a_picture_from_a_pipe_is_that_of_a_file(enlarging_weights: dict[int, Path], tmp_path: Path) -> None:
    (task,) = tasks(tmp_path, 1)
    list(ImageRun(PictureSettings(), settings(enlarging_weights[2])).run([task]))
    data = Path(str(task.source.path)).read_bytes()
    content, _ = ImageRun(PictureSettings(), settings(enlarging_weights[2])).run_bytes(data, "stdin", None)
    assert content == Path(str(task.output)).read_bytes()


def test_a_name_without_a_known_suffix_is_answered_in_the_format_of_its_content(
    tmp_path: Path, bilinear_weights: Path
) -> None:
    for name, encoder in (("IMG_0001", "JPEG"), ("scan.001", "PNG"), ("page", "TIFF")):
        Image.new("RGB", (16, 12), "teal").save(tmp_path / name, encoder)
    (tmp_path / "notes.txt").write_text("no picture")
    sources = [tmp_path / name for name in ("IMG_0001", "scan.001", "page", "notes.txt")]
    outcomes = upscale_folder(sources, tmp_path / "out", weights=bilinear_weights, engine="torch")
    written = {path.name: path for path in (tmp_path / "out").glob("[!.]*")}
    assert set(written) == {"IMG_0001.jpg", "scan.png", "page.tif"}
    for path in written.values():
        with Image.open(path) as image:
            assert image.size == (64, 48)
            assert image.format == {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}[path.suffix]
    (failed,) = [outcome for outcome in outcomes if outcome.error is not None]
    assert f"can't read {tmp_path / 'notes.txt'}: it is not a picture" in str(failed.error)


def test_a_picture_of_several_views_stays_a_jpeg_or_says_what_is_lost(
    tmp_path: Path, bilinear_weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    views = [Image.new("RGB", (64, 48), colour) for colour in ("teal", "navy")]
    views[0].save(tmp_path / "a.mpo", "MPO", save_all=True, append_images=views[1:])
    upscale_folder([tmp_path / "a.mpo"], tmp_path / "out", weights=bilinear_weights, engine="torch")
    with Image.open(tmp_path / "out" / "a.jpg") as image:
        assert image.format in ("JPEG", "MPO")
        assert image.size == (256, 192)
    with caplog.at_level("INFO"):
        upscale_file(tmp_path / "a.mpo", tmp_path / "a.png", weights=bilinear_weights, engine="torch")
    assert "left out: the pictures beside the main one (not written to PNG)" in caplog.text
