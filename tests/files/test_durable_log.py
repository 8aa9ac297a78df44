import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ripfdn_cli.errors import UsageError
from ripfdn_cli.files import durable_log
from ripfdn_cli.files.durable_log import open_log, read_log

HOLD = """
import sys
from pathlib import Path
from ripfdn_cli.files import durable_log
durable_log._LOCKS_HIDE = sys.argv[2] == "True"
with durable_log.open_log(Path(sys.argv[1])) as log:
    log.append({"of": "the other"})
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(params=[False, True], ids=["locked itself", "one beside it locked"])
def beside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways to lock, of which a platform has one."""
    way = bool(request.param)
    monkeypatch.setattr(durable_log, "_LOCKS_HIDE", way)
    return way


def test_one_process_has_it_until_it_is_killed(tmp_path: Path, beside: bool) -> None:
    path = tmp_path / "folder" / "log.jsonl"
    command = [sys.executable, "-c", HOLD, str(path), str(beside)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        with pytest.raises(UsageError, match=r"another run is writing to .*folder"), open_log(path):
            pass
        assert read_log(path) == [{"of": "the other"}]
        other.kill()
    assert other.returncode == -signal.SIGKILL
    with open_log(path) as log:
        log.append({"of": "this"})
    assert read_log(path) == [{"of": "the other"}, {"of": "this"}]


def test_what_a_killed_run_left_of_a_line_is_cut_off(tmp_path: Path, beside: bool) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": ')
    with open_log(path) as log:
        assert log.lines == [{"a": 1}]
        log.append({"c": 3})
    assert path.read_bytes() == b'{"a": 1}\n{"c": 3}\n'
