"""`ripfdn upscale` with frames: options, records, exit codes, and what is for pictures only."""

import re
import signal
import subprocess
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from support.commands import QUICK, run_command
from support.video_clips import Clip, make_clip, picture, segmenting_command
from support.video_facts import decoded, picture_times

from ripfdn_cli.cli.upscale_video import span

pytestmark = pytest.mark.any_precision

Run = Any


@pytest.fixture
def run(bilinear_weights: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command with a quick network; gives its exit code, its records and what it said."""

    def command(*arguments: object) -> tuple[int, list[dict[str, Any]], str]:
        network = ["--weights", str(bilinear_weights), *QUICK]
        return run_command(["upscale", *map(str, arguments), *network], capsys)

    return command


def test_one_video(tmp_path: Path, run: Run) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=6, audio="aac"))
    status, records, _ = run(source, "-o", tmp_path / "out.mkv", "--preset", "ultrafast", "--json")
    assert status == 0
    assert records[0]["status"] == "done"
    assert (records[0]["frames"], records[0]["output_width"], records[0]["passes"]) == (6, 192, [4])
    assert records[0]["bytes"] == (tmp_path / "out.mkv").stat().st_size
    assert len(decoded(tmp_path / "out.mkv")) == 6


def test_several_videos_into_a_folder_and_one_that_fails(tmp_path: Path, run: Run) -> None:
    sources = [make_clip(tmp_path / f"{name}.mp4", Clip(frames=3)) for name in "ab"]
    broken = tmp_path / "c.mp4"
    broken.write_bytes(b"no video")
    status, records, said = run(*sources, broken, "-o", f"{tmp_path}/out/", "--preset", "ultrafast", "--json")
    assert status == 3
    assert [record["status"] for record in records[:-1]] == ["done", "done", "failed"]
    assert (records[-1]["summary"], records[-1]["done"], records[-1]["failed"]) == (True, 2, 1)
    assert "1 of 3 videos failed" in said
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".ripfdn.journal.videos.jsonl",
        "a.mp4",
        "b.mp4",
    ]


def test_a_video_without_a_suffix_goes_where_others_go(tmp_path: Path, run: Run) -> None:
    """Into Matroska, as what says no container that is written; a picture stays one."""
    from PIL import Image

    for name in ("clip", "film.bin"):
        make_clip(tmp_path / "a.mp4", Clip(frames=3)).rename(tmp_path / name)
    Image.fromarray(picture(0)).save(tmp_path / "photo", "PNG")
    named = [tmp_path / name for name in ("clip", "film.bin", "photo")]
    assert run(*named, "-o", f"{tmp_path}/out/", "--preset", "ultrafast")[0] == 0
    assert run(tmp_path / "clip", "-o", f"{tmp_path}/out/{{stem}}_x4{{ext}}", "--preset", "ultrafast")[0] == 0
    made = sorted(path.name for path in (tmp_path / "out").iterdir() if not path.name.startswith("."))
    assert made == ["clip.mkv", "clip_x4.mkv", "film.mkv", "photo.png"]
    for name in made[:3]:
        with av.open(str(tmp_path / "out" / name)) as container:
            assert container.format.name == "matroska,webm"
            assert sum(1 for _ in container.decode(video=0)) == 3


def test_what_is_said_of_one_of_several_videos_names_it(tmp_path: Path, run: Run) -> None:
    clips = {
        "sound": Clip(frames=3, audio="wavpack"),
        "text": Clip(frames=3, subtitles="subrip"),
        "font": Clip(frames=3, attachment=b"font"),
        "deep": Clip(frames=3, codec="ffv1", pixel_format="yuv420p12le"),
        "short": Clip(frames=2),
    }
    folder, output = tmp_path / "clips", f"{tmp_path}/out/{{stem}}.mp4"
    folder.mkdir()
    sources = {name: make_clip(folder / f"{name}.mkv", clip) for name, clip in clips.items()}
    options = ("--preset", "ultrafast", "--start", "0.06")  # which leaves nothing of the short one
    status, records, said = run(folder, "-o", output, *options, "--json")
    assert status == 3
    told = {
        "sound": "error: {}: MP4 can't hold stream 1 (audio, wavpack, deu); write it as .mkv",
        "text": "{}: stream 1 (subtitle, srt, fra) becomes mov_text",
        "font": "warning: {}: left out, as MP4 can't hold it: stream 1 (attachment",
        "deep": "warning: {}: x264 has at most 10 bits, and the input has 12",
        "short": "error: {}: --start and --end leave no frame",
    }
    for name, line in told.items():
        assert line.format(sources[name]) in said
    _, _, shown = run(folder, "-o", output, *options, "--dry-run")
    assert f"{sources['short']}: --start and --end leave no frame" in shown
    broken = {record["input"]: record["error"] for record in records if record.get("status") == "failed"}
    assert set(broken) == {str(sources["sound"]), str(sources["short"])}


def test_results_beside_their_videos_are_no_inputs_of_the_next_run(tmp_path: Path, run: Run) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in "ab":
        make_clip(folder / f"{name}.mp4", Clip(frames=3))

    def again() -> list[str]:
        output = f"{folder}/{{stem}}_x4{{ext}}"
        status, records, _ = run(folder, "-o", output, "--preset", "ultrafast", "--json")
        assert status == 0
        return [record["status"] for record in records if "status" in record]

    assert again() == ["done", "done"]
    assert again() == ["skipped", "skipped"]
    assert sorted(path.name for path in folder.glob("*.mp4")) == ["a.mp4", "a_x4.mp4", "b.mp4", "b_x4.mp4"]


def test_frames_to_video_and_video_to_frames(tmp_path: Path, run: Run) -> None:
    from PIL import Image

    files = [tmp_path / f"f{number:02d}.png" for number in range(9, 12)]
    for number, file in enumerate(files):
        Image.fromarray(picture(number)).save(file)
    status, _, said = run(*files, "-o", tmp_path / "out.mp4", "--fps", "29.97", "--preset", "ultrafast")
    assert (status, said.count("error")) == (0, 0)
    assert picture_times(tmp_path / "out.mp4") == [Fraction(1001 * number, 30000) for number in range(3)]
    assert run(tmp_path / "out.mp4", "-o", tmp_path / "o" / "%03d.png", "--scale", "1")[0] == 0
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["001.png", "002.png", "003.png"]


def test_frames_are_written_as_pictures_are_asked_for(tmp_path: Path, run: Run) -> None:
    from PIL import Image

    source = make_clip(tmp_path / "in.mp4", Clip(frames=2))
    assert run(source, "-o", tmp_path / "%d.jpg", "--quality", "80")[0] == 0
    assert run(source, "-o", tmp_path / "out.webp", "--lossless")[0] == 0
    assert run(source, "-o", tmp_path / "%d.png", "--depth", "16")[0] == 0
    Image.fromarray(picture(0)).save(tmp_path / "80.jpg", quality=80)
    with Image.open(tmp_path / "1.jpg") as made, Image.open(tmp_path / "80.jpg") as expected:
        assert made.quantization == expected.quantization  # type: ignore[attr-defined]
    content = (tmp_path / "out.webp").read_bytes()
    assert b"VP8L" in content
    assert b"VP8 " not in content
    assert (tmp_path / "1.png").read_bytes()[24] == 16  # IHDR's depth


def test_a_dry_run_says_what_would_be_done(tmp_path: Path, run: Run) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=24))
    status, records, _ = run(source, "-o", tmp_path / "out.mkv", "--dry-run", "--json")
    assert (status, records[0]["status"], records[0]["frames"]) == (0, "planned", 24)
    assert records[0]["disk"] > records[0]["bytes"] > 0
    assert records[0]["seconds"] > 0
    assert records[0]["memory"] > 192 * 128 * 3
    _, _, said = run(source, "-o", tmp_path / "out.mkv", "-n")
    assert re.search(
        r"24 frames \(1\.0 s\), 48×32 → 192×128 px, about \d+ s of the network, \d\.\d GB of memory", said
    )
    assert not (tmp_path / "out.mkv").exists()


def test_a_long_time_is_told_in_hours() -> None:
    assert [span(seconds) for seconds in (7.6, 61.2, 7384.0, 200_000.0)] == [
        *("8 s", "0:01:01", "2:03:04", "2 days, 7:33:20"),
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("in.mp4", "-o", "out.mkv", "--quality", "80"), 2, "--quality is for pictures"),
        (("in.mp4", "-o", "out.mkv", "--depth", "16"), 2, "--depth is for pictures"),
        (("in.mp4", "-o", "out.gif", "--strip-metadata"), 2, "--strip-metadata is for pictures"),
        (("in.mp4", "-o", "out.gif", "--quality", "80"), 2, "--quality does not apply to GIF"),
        (("in.mp4", "-o", "f_%d.jpg", "--lossless"), 2, "JPEG can't be lossless"),
        (("in.mp4", "-o", "f_%d.jpg", "--depth", "16"), 2, "JPEG does not support 16 bits"),
        (("in.png", "-o", "out.png", "--codec", "x265"), 2, "--codec is for video"),
        (("in.mp4", "in.mp4", "-o", "out.mkv"), 2, "there are several videos"),
        (("in.mp4", "-o", "out.wmv"), 2, "is not a container that can be written"),
        (("in.mp4", "-o", "out.png"), 2, "holds one picture; name numbered ones such as out_%06d.png"),
        (("in.mp4", "-o", "out.mkv", "--codec", "mpeg7"), 2, "--codec mpeg7 is not known"),
        (("in.mp4", "-o", "out.mkv", "--crf", "70"), 2, "--crf 70: x264 takes 0 (best) to 51"),
        (("in.mp4", "-o", "out.mkv", "--start", "5"), 2, "leave no frame of a video of 0.125 s"),
        (("in.mp4", "-o", "out.mkv", "--start", "half"), 2, "'half' is not a time"),
        (("in.mp4", "-o", "out.mkv", "--width", "51"), 2, "has even sides only"),
        (("none.mp4", "-o", "out.mkv"), 4, "can't read none.mp4: No such file"),
        (("in.png", "-o", "out.mkv"), 2, "in.png is a still picture"),
        (("in.mp4", "-o", "no/such/out.mkv"), 0, ""),
    ],
)
def test_what_is_wrong_is_said_in_a_line(
    arguments: tuple[str, ...],
    status: int,
    said: str,
    tmp_path: Path,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    make_clip(Path("in.mp4"), Clip(frames=3))
    Image.fromarray(picture(0)).save("in.png")
    got, _, output = run(*arguments)
    assert (got, said in output) == (status, True)
    if status:
        assert output.count("ripfdn: error:") == 1
        assert sorted(path.name for path in tmp_path.iterdir()) == ["in.mp4", "in.png"]


def test_an_existing_result_is_not_replaced(tmp_path: Path, run: Run) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=3))
    (tmp_path / "out.mkv").write_text("precious")
    status, _, said = run(source, "-o", tmp_path / "out.mkv")
    assert (status, "exists already" in said) == (5, True)
    assert run(source, "-o", tmp_path / "out.mkv", "--overwrite")[0] == 0


def test_what_is_chosen_is_said_with_v(tmp_path: Path, run: Run) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=2))
    assert (
        "does not state its matrix or range; assuming smpte170m, limited range"
        in run(source, "-o", tmp_path / "out.mkv", "-v")[2]
    )


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_run_ends_soon_and_keeps_its_work(
    number: signal.Signals, status: int, tmp_path: Path, bilinear_weights: Path
) -> None:
    source = make_clip(tmp_path / "in.mp4", Clip(frames=240, width=64, height=48))
    output = tmp_path / "out.mkv"
    process = subprocess.Popen(
        segmenting_command(source, output, bilinear_weights), stderr=subprocess.PIPE, text=True
    )
    journal = tmp_path / "out.mkv.parts" / "journal.jsonl"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (journal.exists() and journal.read_text().count("\n") > 2):
        time.sleep(0.01)
    process.send_signal(number)
    assert process.wait(90) == status
    assert process.stderr is not None
    said = process.stderr.read()
    process.stderr.close()
    assert "Traceback" not in said
    assert not output.exists()
    assert not list(journal.parent.glob(".ripfdn-*"))
    assert journal.read_text().count("\n") > 2
