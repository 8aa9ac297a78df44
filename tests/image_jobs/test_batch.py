import hashlib
import json
import os
import re
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import exif_block, profile, saved, smooth, xmp_packet
from support.unprivileged import as_nobody

from ripfdn_cli.errors import DiskFullError, InputError, OutputError, UnavailableError, UsageError
from ripfdn_cli.files.storage import publish
from ripfdn_cli.image_jobs import image_run
from ripfdn_cli.image_jobs.batch import Batch, BatchRequest, plan_batch
from ripfdn_cli.image_jobs.image_run import Outcome
from ripfdn_cli.image_jobs.picture_job import PictureJob, PictureSettings
from ripfdn_cli.model.weights_store import weights_path
from ripfdn_cli.pictures.decoding import read_picture
from ripfdn_cli.pictures.formats import format_named
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.journal import JOURNAL_NAME, read_journal
from ripfdn_cli.pipeline.output_size import SizeRequest


@pytest.fixture
def network(enlarging_weights: dict[int, Path]) -> NetworkSettings:
    return NetworkSettings(weights=str(enlarging_weights[4]), engine="torch", devices=("cpu",), threads=1)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Four pictures in a folder and one below it."""
    folder = tmp_path / "in"
    (folder / "sub").mkdir(parents=True)
    for name, seed in (("a.png", 1), ("b.jpg", 2), ("c.webp", 3), ("d.bmp", 4), ("sub/a.png", 5)):
        Image.fromarray(np.roll(smooth(16, 20), seed, axis=1)).save(folder / name)
    return folder


def batch(network: NetworkSettings, *inputs: Path, output: Path | str, **options: Any) -> Batch:
    picture = options.pop("picture", PictureSettings())
    return plan_batch(BatchRequest(inputs, str(output), **options), picture, network)


def run(planned: Batch) -> list[Outcome]:
    return list(planned.run())


def statuses(outcomes: list[Outcome]) -> list[str]:
    return [str(outcome.record()["status"]) for outcome in outcomes]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` but the journal."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != JOURNAL_NAME
    }


def test_a_tree_becomes_a_tree(tree: Path, network: NetworkSettings, tmp_path: Path) -> None:
    outcomes = run(batch(network, tree, output=tmp_path / "out"))
    assert statuses(outcomes) == ["done"] * 5
    assert sorted(contents(tmp_path / "out")) == ["a.png", "b.jpg", "c.webp", "d.bmp", "sub/a.png"]
    for outcome in outcomes:
        assert outcome.output is not None
        with Image.open(outcome.output) as image:
            assert image.size == (80, 64)
    assert read_journal(tmp_path / "out").finished


def test_records_say_what_was_done(tree: Path, network: NetworkSettings, tmp_path: Path) -> None:
    network = replace(network, precision="fp32")
    outcome = run(batch(network, tree / "a.png", output=tmp_path / "x.webp"))[0]
    record = json.loads(json.dumps(outcome.record()))
    assert record.pop("seconds") > 0
    assert record.pop("bytes") == (tmp_path / "x.webp").stat().st_size
    assert len(record.pop("weights")) == 64
    assert record == {
        "input": str(tree / "a.png"),
        "output": str(tmp_path / "x.webp"),
        "status": "done",
        "format": "webp",
        "width": 20,
        "height": 16,
        "output_width": 80,
        "output_height": 64,
        "frames": 1,
        "tiles": 1,
        "passes": [4],
        "engine": "torch",
        "device": "cpu",
        "precision": "fp32",
    }


def test_a_single_picture_leaves_no_journal(tree: Path, network: NetworkSettings, tmp_path: Path) -> None:
    run(batch(network, tree / "a.png", output=tmp_path / "out" / "x.png"))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["x.png"]


def test_existing_files_stop_the_run_before_it_starts(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / "sub/a.png").write_bytes(b"mine")
    with pytest.raises(OutputError, match=r"sub/a\.png exists already"):
        run(batch(network, tree, output=out))
    assert contents(out) == {"sub/a.png": b"mine"}
    assert statuses(run(batch(network, tree, output=out, overwrite=True))) == ["done"] * 5
    assert contents(out)["sub/a.png"] != b"mine"


def test_a_finished_run_is_done_again_only_when_asked(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(batch(network, tree, output=out))
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    for options in ({}, {"skip_existing": True}, {"skip_existing": True, "overwrite": True}):
        assert statuses(run(batch(network, tree, output=out, **options))) == ["skipped"] * 5
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before
    assert statuses(run(batch(network, tree, output=out, overwrite=True))) == ["done"] * 5


def test_a_single_picture_is_skipped_only_when_asked(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    out = tmp_path / "x.png"
    assert statuses(run(batch(network, tree / "a.png", output=out, skip_existing=True))) == ["done"]
    assert statuses(run(batch(network, tree / "a.png", output=out, skip_existing=True))) == ["skipped"]
    with pytest.raises(OutputError, match=r"x\.png exists already"):
        run(batch(network, tree / "a.png", output=out))


def test_skipping_goes_by_the_journal_and_not_by_names(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"someone else's")
    with pytest.raises(OutputError, match=r"a\.png exists already"):
        run(batch(network, tree, output=out, skip_existing=True))
    outcomes = run(batch(network, tree, output=out, skip_existing=True, overwrite=True))
    assert statuses(outcomes) == ["done"] * 5


@pytest.mark.parametrize(
    ("name", "options", "scale", "weights"),
    [
        ("a.png", {}, 4, ["x4"]),
        ("a.webp", {"quality": 40}, 4, ["x4"]),
        ("a.jpg", {"quality": 40}, 4, ["x4-sharp"]),
        ("a.jpg", {"quality": 90}, 4, ["x4-sharp"]),
        ("a.jpg", {"quality": 91}, 4, ["x4-photo"]),
        ("a.jpg", {"quality": 95}, 4, ["x4-photo"]),
        ("a.jpg", {"quality": 96}, 4, ["x4"]),
        ("a.jpg", {"quality": 91}, 2, ["x2"]),
        ("a.jpg", {"quality": 90}, 2, ["x4-sharp"]),
        ("a.jpg", {"quality": 95}, 3, ["x4-photo"]),  # shrunk: x3 would enlarge the blocks
        ("a.jpg", {"quality": 40}, 8, ["x4-sharp", "x2"]),  # the second sees what the first has cleaned
    ],
)
def test_pictures_that_were_compressed_get_weights_of_their_own(
    name: str, options: dict[str, Any], scale: int, weights: list[str], tmp_path: Path
) -> None:
    Image.fromarray(smooth(16, 20)).save(tmp_path / name, **options)
    network = NetworkSettings(engine="torch", devices=("cpu",), threads=1)
    settings = PictureSettings(size=SizeRequest(scale=Fraction(scale)))
    (outcome,) = run(batch(network, tmp_path / name, output=tmp_path / "out.png", picture=settings))
    shipped = "+".join(hashlib.sha256(weights_path(used).read_bytes()).hexdigest() for used in weights)
    assert outcome.record()["weights"] == shipped


def test_weights_that_are_named_are_used_for_all(tmp_path: Path) -> None:
    Image.fromarray(smooth(16, 20)).save(tmp_path / "a.jpg", quality=40)
    network = NetworkSettings(weights="x4", engine="torch", devices=("cpu",), threads=1)
    (outcome,) = run(batch(network, tmp_path / "a.jpg", output=tmp_path / "out.png"))
    assert outcome.record()["weights"] == hashlib.sha256(weights_path("x4").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"picture": PictureSettings(quality=50), "include": ("*.jpg",)},
        {"picture": PictureSettings(size=SizeRequest(scale=Fraction(2)))},
        {"picture": PictureSettings(strip_metadata=True)},
    ],
)
def test_other_settings_are_other_results(
    tree: Path, network: NetworkSettings, tmp_path: Path, change: dict[str, Any]
) -> None:
    out = tmp_path / "out"
    run(batch(network, tree, output=out))
    outcomes = run(batch(network, tree, output=out, skip_existing=True, overwrite=True, **change))
    assert set(statuses(outcomes)) == {"done"}


def test_an_interrupted_run_goes_on_where_it_was(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    run(batch(network, tree, output=whole))
    with closing(batch(network, tree, output=out).run()) as outcomes:
        first = next(outcomes)
    assert first.output is not None
    left = contents(out)
    assert left["a.png"] == contents(whole)["a.png"]
    assert not read_journal(out).finished
    again = run(batch(network, tree, output=out))
    assert statuses(again).count("skipped") == len(left)
    assert contents(out) == contents(whole)
    assert read_journal(out).finished


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    stale = [out / ".ripfdn-abc123.tmp", out / "sub" / ".ripfdn-x.tmp"]
    others = [out / "ripfdn-a.tmp", out / ".ripfdn-notes.txt", out / "a.tmp"]
    for path in stale + others:
        path.touch()
    run(batch(network, tree, output=out))
    assert not any(path.exists() for path in stale)
    assert all(path.exists() for path in others)


def test_bad_pictures_are_listed_and_the_others_done(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    (tree / "bad.png").write_bytes(b"no picture")
    (tree / "cut.png").write_bytes((tree / "a.png").read_bytes()[:-30])
    (tree / "loop.png").symlink_to(tree / "loop.png")
    os.mkfifo(tree / "pipe.png")
    outcomes = run(batch(network, tree, output=tmp_path / "out"))
    failed = {outcome.source.name: str(outcome.error) for outcome in outcomes if outcome.error}
    assert sorted(failed) == ["bad.png", "cut.png", "loop.png", "pipe.png"]
    assert "is a pipe" in failed["pipe.png"]
    assert statuses(outcomes).count("done") == 5
    assert not read_journal(tmp_path / "out").finished  # so that the same command tries them again


def test_failures_of_ours_are_listed_too(
    tree: Path, network: NetworkSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: object, data: bytes, name: str, file_format: object) -> None:
        raise RuntimeError("of ours")

    monkeypatch.setattr(PictureJob, "run", fails)
    outcomes = run(batch(network, tree, output=tmp_path / "out"))
    assert {type(outcome.error).__name__ for outcome in outcomes} == {"InternalError"}


def test_collisions_are_found_before_anything_is_written(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    Image.new("RGB", (16, 16)).save(tree / "a.jpg")
    with pytest.raises(UsageError, match=r"a.jpg and .*a.png would both become .*a.png"):
        batch(network, tree, output=tmp_path / "out", file_format=format_named("png"))
    with pytest.raises(UsageError, match="would replace itself"):
        batch(network, tree, output=tree, overwrite=True)
    assert not (tmp_path / "out").exists()


def test_results_below_their_inputs_are_not_upscaled_again(tree: Path, network: NetworkSettings) -> None:
    for _ in range(2):
        outcomes = run(batch(network, tree, output=tree / "out", overwrite=True))
        assert len(outcomes) == 5


def test_no_pictures_is_an_error(tmp_path: Path, network: NetworkSettings) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="no pictures in"):
        batch(network, tmp_path / "in", output=tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "said", "check"),
    [
        ({"depth": 16}, "`depth` does not apply to BMP, JPEG, WebP", ("a.png", "PNG", "uint16")),
        ({"quality": 5}, "`quality` does not apply to BMP, PNG", ("b.jpg", "JPEG", 5)),
        ({"lossless": True}, "`lossless` does not apply to JPEG", ("c.webp", "WEBP", None)),
    ],
)
def test_an_option_that_some_formats_do_not_have_applies_to_the_others(
    tree: Path,
    network: NetworkSettings,
    tmp_path: Path,
    options: dict[str, Any],
    said: str,
    check: tuple[str, str, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    picture = PictureSettings(size=SizeRequest(scale=Fraction(1)), **options)
    outcomes = run(batch(network, tree, output=tmp_path / "out", picture=picture))
    assert statuses(outcomes) == ["done"] * 5
    assert len([record for record in caplog.records if said in record.getMessage()]) == 1
    name, encoder, expected = check
    result = tmp_path / "out" / name
    with Image.open(result) as image:
        assert image.format == encoder
    match encoder:
        case "PNG":
            assert read_picture(result).frames[0].dtype == expected
        case "JPEG":
            assert read_picture(result).jpeg_quality == expected
        case _:
            np.testing.assert_array_equal(read_picture(result).frames[0], read_picture(tree / name).frames[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 16}, "JPEG does not support 16 bits per channel"),
        ({"lossless": True}, "JPEG can't be lossless"),
    ],
)
def test_an_option_that_no_result_can_have_stops_the_run(
    tree: Path, network: NetworkSettings, tmp_path: Path, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        batch(
            network,
            tree,
            output=tmp_path / "out",
            file_format=format_named("jpeg"),
            picture=PictureSettings(**options),
        )


def test_a_file_of_no_known_format_among_others_is_listed(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    """As a shell's * gives it."""
    (tree / "notes.txt").write_text("no picture")
    outcomes = run(batch(network, tree / "notes.txt", tree / "a.png", output=tmp_path / "out"))
    assert sorted(statuses(outcomes)) == ["done", "failed"]
    (alone,) = run(batch(network, tree / "notes.txt", output=f"{tmp_path}/out/"))
    assert isinstance(alone.error, InputError)
    assert "it is not a picture" in str(alone.error)
    with pytest.raises(UsageError, match="is not a picture format"):
        batch(network, tree / "a.png", output=f"{tmp_path}/out/{{stem}}.xyz")


def test_a_folder_that_cannot_be_read_is_listed_and_the_others_are_done(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    (tree / "sub").chmod(0)
    assert network.selection  # reads weights, which may lie where only their owner looks
    with as_nobody(tree):
        planned = batch(network, tree, output=tmp_path / "out")
    (tree / "sub").chmod(0o755)
    outcomes = run(planned)
    assert sorted(statuses(outcomes)) == ["done"] * 4 + ["failed"]
    failed = next(outcome for outcome in outcomes if outcome.error is not None)
    assert failed.source == tree / "sub"
    assert "Permission denied" in str(failed.error)


@pytest.mark.parametrize("as_glob", [False, True])
def test_results_beside_their_inputs_are_no_inputs_of_the_next_run(
    tree: Path, network: NetworkSettings, as_glob: bool
) -> None:
    def again(template: str) -> list[str]:
        inputs = sorted(tree.glob("*.*")) if as_glob else [tree]
        inputs = [path for path in inputs if not path.name.startswith(".")]
        return statuses(run(batch(network, *inputs, output=str(tree / template))))

    count = 4 if as_glob else 5
    assert again("{stem}_x4{ext}") == ["done"] * count
    assert again("{stem}_x4{ext}") == ["skipped"] * count
    assert again("{stem}_again{ext}") == ["done"] * count  # each input once more, and no result of a result
    assert not list(tree.rglob("*_x4_*"))
    Image.fromarray(smooth(16, 20)).save(tree / "e.png")
    assert sorted(again("{stem}_x4{ext}")) == ["done"] + ["skipped"] * count


def test_a_result_that_was_changed_since_is_an_input_that_nothing_replaces(
    tree: Path, network: NetworkSettings
) -> None:
    template = str(tree / "{stem}_x4{ext}")
    run(batch(network, tree, output=template))
    Image.fromarray(smooth(16, 20)).save(tree / "a_x4.png")
    with pytest.raises(UsageError, match=r"would replace the input .*a_x4.png"):
        batch(network, tree, output=template, overwrite=True)


def test_results_of_elsewhere_can_be_enlarged_beside_themselves(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    """The journal of a folder knows them, and their inputs are not among these."""
    run(batch(network, tree, output=tmp_path / "out"))
    outcomes = run(batch(network, tmp_path / "out", output=str(tmp_path / "out" / "{stem}_more{ext}")))
    assert statuses(outcomes) == ["done"] * 5


def test_a_single_result_can_be_enlarged_again(tree: Path, network: NetworkSettings) -> None:
    template = str(tree / "{stem}_x4{ext}")
    run(batch(network, tree, output=template))
    (outcome,) = run(batch(network, tree / "a_x4.png", output=template))
    assert outcome.output == tree / "a_x4_x4.png"


@pytest.mark.parametrize(
    ("names", "format_name"),
    [
        (("a.png", "a.jpg"), "png"),
        (("a.png", "a.jpg"), "webp"),
        (("a.jpg", "a.jpeg", "b.png"), "jpeg"),
        (("1/a.png", "2/a.png"), None),
        (("1/a.png", "1/a.jpg", "2/a.png"), "png"),
    ],
)
def test_the_template_advised_on_a_collision_collides_with_nothing(
    tmp_path: Path, network: NetworkSettings, names: tuple[str, ...], format_name: str | None
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(smooth(16, 20)).save(tmp_path / name)
    inputs = [tmp_path / name for name in names]
    entry = None if format_name is None else format_named(format_name)
    with pytest.raises(UsageError, match="would both become") as caught:
        batch(network, *inputs, output=tmp_path / "out", file_format=entry)
    advised = re.search("`output` '(.+)'", str(caught.value))
    assert advised is not None
    planned = batch(network, *inputs, output=advised[1], file_format=entry)
    assert statuses(run(planned)) == ["done"] * len(names)


def test_an_engine_that_is_not_there_stops_the_run(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    missing = NetworkSettings(weights=network.weights, engine="torch", devices=("cuda:9",))
    with pytest.raises(UnavailableError, match="cuda:9"):
        run(batch(missing, tree, output=tmp_path / "out"))
    assert contents(tmp_path / "out") == {}


def test_a_full_disk_stops_the_run_and_what_is_done_stays_done(
    tree: Path, network: NetworkSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, real, count = tmp_path / "out", publish, 0

    def full_after_two(path: Path, data: bytes, **options: Any) -> None:
        nonlocal count
        count += 1
        if count > 2:
            raise DiskFullError("full")
        real(path, data, **options)

    monkeypatch.setattr(image_run, "publish", full_after_two)
    with pytest.raises(DiskFullError):
        run(batch(network, tree, output=out))
    monkeypatch.undo()
    assert statuses(run(batch(network, tree, output=out))).count("skipped") == 2


def test_the_same_size_twice_gives_the_same_bytes(
    tree: Path, network: NetworkSettings, tmp_path: Path
) -> None:
    sizes = (SizeRequest(scale=Fraction("2.5")), SizeRequest(width=50), SizeRequest(fit=(50, 1000)))
    for number, size in enumerate(sizes):
        run(
            batch(
                network, tree / "a.png", output=tmp_path / f"{number}.png", picture=PictureSettings(size=size)
            )
        )
    first, *others = ((tmp_path / f"{number}.png").read_bytes() for number in range(len(sizes)))
    assert others == [first] * 2


def test_names_may_say_the_size(tree: Path, network: NetworkSettings, tmp_path: Path) -> None:
    (tree / "bad.png").write_bytes(b"no picture")
    template = str(tmp_path / "out" / "{stem}_x{scale}_{width}{ext}")
    outcomes = run(batch(network, tree, output=template, picture=PictureSettings(size=SizeRequest(width=30))))
    assert sorted(contents(tmp_path / "out")) == [
        "a_x1.5_30.png",
        "b_x1.5_30.jpg",
        "c_x1.5_30.webp",
        "d_x1.5_30.bmp",
        "sub/a_x1.5_30.png",
    ]
    assert [outcome.source.name for outcome in outcomes if outcome.error] == ["bad.png"]


def test_strange_names_are_names(network: NetworkSettings, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    names = [
        "-o.png",
        "new\nline.png",
        "%03d.png",
        "{stem}.png",
        "日本 ü.png",
        "a b.PNG",
        os.fsdecode(b"\xff.png"),
        "$(x).png",
    ]
    for name in names:
        (folder / name).write_bytes(saved(Image.fromarray(smooth(16, 16)), "PNG"))
    outcomes = run(batch(network, folder, output=tmp_path / "out" / "{stem}_x4{ext}"))
    assert statuses(outcomes) == ["done"] * len(names)
    expected = [Path(name).stem + "_x4" + Path(name).suffix for name in names]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted([*expected, JOURNAL_NAME])


@pytest.mark.parametrize(
    ("depth", "source", "expected"),
    [(None, "uint8", 8), (None, "uint16", 16), (16, "uint8", 16), (8, "uint16", 8)],
)
def test_depth_follows_the_input_or_the_option(
    network: NetworkSettings, tmp_path: Path, depth: int | None, source: str, expected: int
) -> None:
    from ripfdn_cli.pictures.encoding import Encoding, encode
    from ripfdn_cli.pictures.picture import Picture

    entry = format_named("png")
    (tmp_path / "a.png").write_bytes(
        encode(Picture((smooth(16, 20, 3, source),), entry), Encoding(entry), "a")
    )
    run(batch(network, tmp_path / "a.png", output=tmp_path / "b.png", picture=PictureSettings(depth=depth)))
    frame = read_picture(tmp_path / "b.png").frames[0]
    assert frame.dtype.itemsize * 8 == expected
    if expected == 16 and source == "uint8":
        assert (frame % 257 != 0).any()  # computed at that depth, not stretched to it


def test_what_belongs_to_a_picture_comes_along_or_is_stripped(
    network: NetworkSettings, tmp_path: Path
) -> None:
    image = Image.fromarray(smooth(30, 40))
    content = saved(
        image, "JPEG", exif=exif_block(6), icc_profile=profile(), xmp=xmp_packet(6), dpi=(300, 300)
    )
    (tmp_path / "a.jpg").write_bytes(content)
    run(batch(network, tmp_path / "a.jpg", output=tmp_path / "b.png"))
    kept = read_picture(tmp_path / "b.png")
    assert (kept.width, kept.height) == (120, 160)
    assert kept.metadata.icc_profile == profile()
    assert kept.metadata.exif is not None
    assert kept.metadata.xmp == xmp_packet(1, 120, 160)
    assert kept.metadata.dpi == pytest.approx((300, 300), rel=1e-3)
    stripped = PictureSettings(strip_metadata=True)
    run(batch(network, tmp_path / "a.jpg", output=tmp_path / "c.png", picture=stripped))
    bare = read_picture(tmp_path / "c.png").metadata
    assert bare == type(bare)(icc_profile=profile())


def test_an_animation_stays_one(network: NetworkSettings, tmp_path: Path) -> None:
    frames = [Image.fromarray(np.roll(smooth(16, 20), shift, axis=1)) for shift in (0, 0, 5)]
    frames[0].save(
        tmp_path / "a.webp",
        save_all=True,
        append_images=frames[1:],
        duration=[50, 60, 70],
        loop=2,
        lossless=True,
    )
    outcome = run(batch(network, tmp_path / "a.webp", output=tmp_path / "b.gif"))[0]
    assert outcome.facts is not None
    picture = read_picture(tmp_path / "b.gif")
    assert picture.animation is not None
    assert sum(picture.animation.durations) == 180
    assert picture.animation.plays == 2
    assert (picture.width, picture.height) == (80, 64)
    failed = run(batch(network, tmp_path / "a.webp", output=tmp_path / "b.jpg"))[0]
    assert isinstance(failed.error, UsageError)


def test_a_result_too_large_for_its_format_is_refused_before_the_work(
    network: NetworkSettings, tmp_path: Path
) -> None:
    Image.new("L", (20, 16)).save(tmp_path / "a.png")
    wide = PictureSettings(size=SizeRequest(width=70_000, height=10))
    outcome = run(
        batch(
            NetworkSettings(weights=network.weights, engine="torch"),
            tmp_path / "a.png",
            output=tmp_path / "b.jpg",
            picture=wide,
        )
    )[0]
    assert "no side over 65500" in str(outcome.error) or "more than ×" in str(outcome.error)


@pytest.mark.parametrize("devices", [("cpu", "cpu")])
def test_two_devices_share_the_work(
    tree: Path, network: NetworkSettings, tmp_path: Path, devices: tuple[str, ...]
) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    run(batch(network, tree, output=one))
    both = NetworkSettings(weights=network.weights, engine="torch", devices=devices)
    assert statuses(run(batch(both, tree, output=two))) == ["done"] * 5
    assert contents(one) == contents(two)


def test_looking_changes_nothing(tree: Path, network: NetworkSettings, tmp_path: Path) -> None:
    planned = batch(network, tree, output=tmp_path / "out")
    done, to_do = planned.look()
    assert (len(done), len(to_do)) == (0, 5)
    assert not (tmp_path / "out").exists()
