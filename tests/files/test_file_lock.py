import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ripfdn_cli.errors import OutputError, UsageError
from ripfdn_cli.files.file_lock import locked

HOLD = """
import sys
from pathlib import Path
from ripfdn_cli.files.file_lock import locked
with locked(Path(sys.argv[1]), busy="busy"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_has_to_wait_until_the_holder_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=r"^somebody has it$"), locked(path, busy="somebody has it"):
            pass
        other.kill()
    with locked(path, busy="somebody has it"):
        pass


def test_a_lock_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "run.lock"
    command = [sys.executable, "-c", HOLD, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        threading.Timer(0.3, other.kill).start()
        with locked(path, busy="somebody has it", seconds=60):
            assert other.wait() == -signal.SIGKILL


def test_a_file_in_the_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder").write_text("")
    with (
        pytest.raises(OutputError, match=r"folder is a file, not a folder"),
        locked(tmp_path / "folder" / "run.lock", busy="busy"),
    ):
        pass
