"""`ripfdn upscale` with videos in folders and by templates, beside pictures too."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.commands import QUICK, run_command
from support.unprivileged import as_nobody
from support.video_clips import Clip, make_clip, picture
from support.video_facts import decoded

Run = Callable[..., tuple[int, list[dict[str, Any]], str]]
BOTH = ["clips/a.mp4", "clips/day/b.avi"]
AGAIN = ("--overwrite", "--skip-existing")
JOURNALS = {".ripfdn.journal.jsonl", ".ripfdn.journal.videos.jsonl"}


@pytest.fixture
def run(
    bilinear_weights: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Run:
    """Runs the command in `tmp_path` with a quick network; its exit code, its records and what it said."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
        return run_command(["upscale", *arguments, "--weights", str(bilinear_weights), *QUICK], capsys)

    return command


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """clips/: a.mp4, day/b.avi, day/c.png, and a text."""
    folder = tmp_path / "clips"
    (folder / "day").mkdir(parents=True)
    make_clip(folder / "a.mp4", Clip(frames=3))
    make_clip(folder / "day" / "b.avi", Clip(frames=3, codec="mpeg4"))
    Image.fromarray(picture(0)).save(folder / "day" / "c.png")
    (folder / "notes.txt").write_text("not a video")
    return folder


def files_of(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return found - JOURNALS


def test_a_folder_of_pictures_and_videos(mixed: Path, tmp_path: Path, run: Run) -> None:
    status, records, _ = run("clips", "-o", "out/", "--json")
    assert status == 0
    assert files_of(tmp_path / "out") == {"a.mp4", "day/b.mkv", "day/c.png"}
    assert [len(decoded(tmp_path / "out" / name)) for name in ("a.mp4", "day/b.mkv")] == [3, 3]
    with Image.open(tmp_path / "out" / "day" / "c.png") as image:
        assert image.size == (192, 128)
    assert (records[-1]["summary"], records[-1]["done"]) == (True, 3)
    assert len(records) == 4


def test_a_folder_is_gone_on_with(mixed: Path, tmp_path: Path, run: Run) -> None:
    assert run("clips", "-o", "out/", "--exclude", "b.avi")[0] == 0
    stamp = (tmp_path / "out" / "a.mp4").stat().st_mtime_ns
    status, records, _ = run("clips", "-o", "out/", "--json")
    assert status == 0
    assert {record["input"]: record["status"] for record in records[:-1]} == {
        "clips/day/c.png": "skipped",
        "clips/a.mp4": "skipped",
        "clips/day/b.avi": "done",
    }
    assert (tmp_path / "out" / "a.mp4").stat().st_mtime_ns == stamp
    changed = run("clips", "-o", "out/", "--crf", "30", "--json")
    assert (changed[0], "out/a.mp4 exists already" in changed[2]) == (5, True)
    again = run("clips", "-o", "out/", "--crf", "30", "--overwrite", "--json")[1]
    assert again[-1]["done"] + again[-1]["skipped"] == 3
    assert (tmp_path / "out" / "a.mp4").stat().st_mtime_ns > stamp


def test_a_damaged_video_does_not_stop_the_others(mixed: Path, tmp_path: Path, run: Run) -> None:
    (mixed / "day" / "aa.mov").write_bytes(b"not a video")
    status, records, said = run("clips", "-o", "out/", "--json")
    assert status == 3
    assert "1 of 4 pictures and videos failed" in said
    failed = next(record for record in records if record.get("status") == "failed")
    assert (failed["input"], failed["exit_code"]) == ("clips/day/aa.mov", 4)
    assert files_of(tmp_path / "out") == {"a.mp4", "day/b.mkv", "day/c.png"}


@pytest.mark.parametrize(
    ("inputs", "output", "made"),
    [
        (["clips/a.mp4"], "out/{stem}_x{scale}.mkv", {"a_x4.mkv"}),
        (
            ["clips/a.mp4", "clips/day/b.avi"],
            "out/{stem}_{width}x{height}.mkv",
            {"a_192x128.mkv", "b_192x128.mkv"},
        ),
        (["clips"], "out/{stem}.{format}", {"a.mp4", "day/b.mkv", "day/c.png"}),
        (["clips/day", "clips/a.mp4"], "out/{name}", {"a.mp4", "b.mkv", "c.png"}),
        (
            ["clips/a.mp4", "clips/day/b.avi"],
            "out/{stem}/%02d.png",
            {f"{s}/0{n}.png" for s in "ab" for n in (1, 2, 3)},
        ),
    ],
)
def test_names_by_a_template(
    inputs: list[str], output: str, made: set[str], mixed: Path, tmp_path: Path, run: Run
) -> None:
    status, _, said = run(*inputs, "-o", output)
    assert (status, said.count("error")) == (0, 0)
    assert files_of(tmp_path / "out") == made


@pytest.mark.parametrize(
    ("output", "size"),
    [("out/{width}x{height}.mp4", (78, 116)), ("out/{width}x{height}.webp", (78, 117))],
)
def test_names_tell_the_size_that_results_have(
    output: str, size: tuple[int, int], tmp_path: Path, run: Run
) -> None:
    """As they are shown: the frames of the video are stored lying."""
    make_clip(tmp_path / "in.mp4", Clip(frames=2, rotation=90))
    status, _, said = run("in.mp4", "-o", output, "--scale", "2.43")
    assert (status, said.count("error")) == (0, 0)
    made = tmp_path / output.format(width=size[0], height=size[1])
    if made.suffix == ".webp":
        with Image.open(made) as image:
            assert image.size == size
    else:
        assert (decoded(made)[0].height, decoded(made)[0].width) == size


def test_how_pictures_are_written_makes_no_video_anew(mixed: Path, run: Run) -> None:
    for depth, expected in (("8", ["done"] * 3), ("16", ["done", "skipped", "skipped"])):
        status, records, _ = run("clips", "-o", "out/", "--depth", depth, "--json", *AGAIN)
        assert status == 0
        assert sorted(record["status"] for record in records if "status" in record) == expected


def test_animations_of_another_quality_are_made_anew(mixed: Path, run: Run) -> None:
    for quality, expected in (("80", "done"), ("80", "skipped"), ("70", "done")):
        output = ("-o", "out/{stem}.webp", "--quality", quality)
        status, records, _ = run("clips/a.mp4", *output, "--json", *AGAIN)
        assert (status, records[0]["status"]) == (0, expected)


def test_shares_of_a_folder_make_the_whole(mixed: Path, tmp_path: Path, run: Run) -> None:
    counts = [run("clips", "-o", "out/", "--shard", f"{n}/2", "--json")[1][-1]["done"] for n in (1, 2)]
    assert sum(counts) == 3
    assert {"a.mp4", "day/b.mkv", "day/c.png"} <= files_of(tmp_path / "out")


def test_a_dry_run_tells_of_both(mixed: Path, tmp_path: Path, run: Run) -> None:
    status, records, _ = run("clips", "-o", "out/", "-n", "--json")
    planned = [record["output"] for record in records if record.get("status") == "planned"]
    assert (status, sorted(planned)) == (0, ["out/a.mp4", "out/day/b.mkv", "out/day/c.png"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("clips/day", "clips/a.mp4", "-o", "out.mkv"), "there are several videos"),
        (("clips/a.mp4", "clips/day/b.avi", "-o", "out.mkv"), "choose a folder as --output, or a template"),
        (("clips/a.mp4", "-o", "out/", "--quality", "80"), "--quality is for pictures"),
        (("clips/day/c.png", "-o", "out/", "--crf", "20"), "--crf is for video"),
        (("clips", "-o", "out/{stem}"), "names no container; add a suffix"),
        (("clips/day/c.png", "-o", "-", "--on", "ray"), "--on is for files and does not apply to pipes"),
        (("-", "-o", "c.png", "--shard", "1/2"), "--shard is for files and does not apply to pipes"),
        (("clips/a.mp4", "-o", "out.mkv", "--shard", "1/2"), "out.mkv is one result"),
        (("clips/a.mp4", "-o", "out.mkv", "--include", "*"), "--include chooses among several inputs, but"),
    ],
)
def test_what_is_wrong_is_said(arguments: tuple[str, ...], said: str, mixed: Path, run: Run) -> None:
    status, _, output = run(*arguments)
    assert (status, said in output) == (2, True), output


def test_a_damaged_picture_does_not_stop_a_video(mixed: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "broken.png").write_bytes(b"not a picture")
    status, records, said = run("broken.png", "clips/a.mp4", "-o", "out/", "--json")
    assert (status, "1 of 2 pictures and videos failed" in said) == (3, True)
    assert [record["status"] for record in records[:-1]] == ["failed", "done"]
    assert files_of(tmp_path / "out") == {"a.mp4"}


def test_an_input_that_may_not_be_read_does_not_stop_the_others(
    tmp_path: Path, bilinear_weights: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["closed.png", "open.png"]
    for name in names:
        Image.fromarray(picture(0)).save(tmp_path / name)
    (tmp_path / "folder").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o777)
    for closed in ("closed.png", "folder"):
        (tmp_path / closed).chmod(0)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "folder"))  # as that of another user
    run("open.png", "missing.png", "-o", "warm/")  # whatever has to be imported, another user may not read
    with as_nobody(tmp_path / "out", bilinear_weights):
        together = run(*names, "folder", "-o", "out/")
        alone = run("closed.png", "-o", "out/closed_x4.png")
    (tmp_path / "folder").chmod(0o700)
    assert (together[0], alone[0]) == (3, 4)
    assert "can't read closed.png: Permission denied" in together[2]
    assert "can't read folder: Permission denied" in together[2]
    assert files_of(tmp_path / "out") == {"open.png"}
