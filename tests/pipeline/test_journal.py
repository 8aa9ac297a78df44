import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.unprivileged import as_nobody

from ripfdn_cli.errors import UsageError
from ripfdn_cli.files.storage import Stamp, stamp_of_status
from ripfdn_cli.pipeline.journal import JOURNAL_NAME, open_journal, read_journal


def stamp(path: Path) -> Stamp:
    return stamp_of_status(path.stat())


def write(folder: Path, source: Path, output: Path, content: bytes = b"result", settings: str = "s") -> None:
    """What a run does: record, then publish."""
    with open_journal(folder) as journal:
        journal.start()
        output.write_bytes(content)
        journal.add(source, stamp(source), output, stamp(output), settings)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    source = tmp_path / "a.png"
    source.write_bytes(b"input")
    (tmp_path / "out").mkdir()
    return source, tmp_path / "out" / "a.png"


def is_done(pair: tuple[Path, Path], settings: str = "s") -> bool:
    return read_journal(pair[1].parent).is_done(*pair, settings)


def test_what_is_recorded_is_done(pair: tuple[Path, Path]) -> None:
    assert not is_done(pair)
    write(pair[1].parent, *pair)
    assert is_done(pair)


def test_other_settings_or_a_missing_or_changed_file_are_not_done(pair: tuple[Path, Path]) -> None:
    source, output = pair
    write(output.parent, source, output)
    assert not is_done(pair, "other")
    stamp = output.stat()
    output.write_bytes(b"changed")
    assert not is_done(pair)
    output.write_bytes(b"RESULT")
    os.utime(output, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert not is_done(pair)
    output.unlink()
    assert not is_done(pair)


def test_a_changed_input_is_not_done(pair: tuple[Path, Path]) -> None:
    write(pair[1].parent, *pair)
    pair[0].write_bytes(b"other")
    assert not is_done(pair)


def test_a_file_of_that_name_is_not_enough(pair: tuple[Path, Path]) -> None:
    pair[1].write_bytes(b"anything")
    assert not is_done(pair)


def test_a_copy_that_keeps_its_time_is_done_and_the_folder_may_move(pair: tuple[Path, Path]) -> None:
    source, output = pair
    write(output.parent, source, output)
    moved = output.parent.rename(output.parent.with_name("moved"))
    assert is_done((source, moved / "a.png"))


def test_the_last_record_counts(pair: tuple[Path, Path]) -> None:
    write(pair[1].parent, *pair, settings="old")
    write(pair[1].parent, *pair, content=b"newer", settings="new")
    assert is_done(pair, "new")
    assert not is_done(pair, "old")


@pytest.mark.parametrize("kept", range(1, 60))
def test_a_line_cut_off_anywhere_loses_itself_only(pair: tuple[Path, Path], kept: int) -> None:
    source, output = pair
    write(output.parent, source, output)
    journal = output.parent / JOURNAL_NAME
    whole = journal.read_bytes()
    line = whole.splitlines()[1]
    journal.write_bytes(whole + line[:kept])
    assert is_done(pair)
    other = output.with_name("b.png")
    write(output.parent, source, other)
    assert is_done(pair)
    assert is_done((source, other))


def test_lines_that_make_no_sense_are_left(pair: tuple[Path, Path]) -> None:
    write(pair[1].parent, *pair)
    with (pair[1].parent / JOURNAL_NAME).open("ab") as stream:
        stream.write(b'\xff\xfe\n[]\n"x"\n{"output": "a.png"}\n{"event": 5}\nnull\n')
    assert is_done(pair)


def test_a_run_is_finished_only_when_it_says_so(tmp_path: Path) -> None:
    assert read_journal(tmp_path).finished
    with open_journal(tmp_path) as journal:
        assert journal.finished
        journal.start()
    assert not read_journal(tmp_path).finished
    with open_journal(tmp_path) as journal:
        assert not journal.finished
        journal.start()
        journal.finish()
    assert read_journal(tmp_path).finished


def test_two_runs_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with (
        open_journal(tmp_path),
        pytest.raises(UsageError, match="another run is writing to"),
        open_journal(tmp_path),
    ):
        pass
    with open_journal(tmp_path):
        pass


def test_a_lock_goes_with_the_process_that_had_it(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from ripfdn_cli.pipeline.journal import open_journal
with open_journal(Path({str(tmp_path)!r})) as journal:
    journal.start()
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with open_journal(tmp_path) as journal:
        assert not journal.finished


def test_a_shard_that_can_not_be_deleted_is_taken_over_once(tmp_path: Path) -> None:
    with open_journal(tmp_path, "1-of-2") as shard:
        shard.start()
        shard.finish()
    whole = tmp_path / JOURNAL_NAME
    whole.touch()
    for file in tmp_path.iterdir():
        file.chmod(0o666)
    tmp_path.chmod(0o555)
    try:
        with as_nobody(whole):
            for _ in range(3):
                with open_journal(tmp_path) as journal:
                    assert journal.finished
    finally:
        tmp_path.chmod(0o755)
    assert len(whole.read_bytes().splitlines()) == 2
    assert read_journal(tmp_path, "1-of-2").finished


def test_every_line_is_json(pair: tuple[Path, Path]) -> None:
    strange = pair[0].with_name("new\nline\udcff.png")
    strange.write_bytes(b"input")
    write(pair[1].parent, strange, pair[1])
    lines = (pair[1].parent / JOURNAL_NAME).read_bytes().splitlines()
    assert json.loads(lines[-1])["input"] == str(strange)
    assert is_done((strange, pair[1]))
