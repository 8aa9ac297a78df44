"""Progress: a bar on a terminal, whole lines in a log."""

import pytest

from ripfdn_cli.cli.console import Console, progress_line


def console(*, quiet: bool = False) -> Console:
    made = Console()
    made.configure(quiet=quiet, verbose=False, json=False)
    return made


def test_progress_without_a_terminal_is_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with console().progress(total=None, unit="frame", description="clip.mkv", seconds=0) as bar:
        bar.total, bar.initial, bar.n = 40, 10, 10
        for _ in range(3):
            bar.set_postfix_str("1.5 MB", refresh=False)
            bar.update(10)
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "clip.mkv: 20 of 40 frames",
        "clip.mkv: 30 of 40 frames",
        "clip.mkv: 40 of 40 frames",
    ]
    assert all(line.endswith("1.5 MB") and "\r" not in line for line in lines)


def test_short_jobs_and_quiet_ones_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for made, seconds in ((console(), 60), (console(quiet=True), 0)):
        with made.progress(total=3, unit="picture", seconds=seconds) as bar:
            for _ in range(3):
                bar.update()
    assert capsys.readouterr().err == ""


def test_what_a_line_says() -> None:
    state = {"n": 120, "initial": 20, "total": 420, "unit": "frame", "elapsed": 50.0, "prefix": "a.mkv"}
    assert progress_line(state | {"postfix": "12.3 MB"}) == (
        "a.mkv: 120 of 420 frames, 2 frames/s, 02:30 left, 12.3 MB"
    )
    unknown = state | {"total": None, "postfix": None, "prefix": "", "elapsed": 0.0}
    assert progress_line(unknown) == "120 frames"


def test_a_share_of_a_run_is_a_percentage() -> None:
    state = {"n": 26.207323502954672, "initial": 0.0, "total": 100, "unit": "%", "elapsed": 1200.0}
    line = progress_line(state | {"prefix": "training", "postfix": "step 620"})
    assert line == "training: 26.2 %, 56:18 left, step 620"
