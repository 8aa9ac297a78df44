"""Runs that die: killed at random, killed where it hurts most, told to stop."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli.pictures.decoding import decode
from ripfdn_cli.pipeline.journal import JOURNAL_NAME

pytestmark = pytest.mark.any_precision

PICTURES = 12

KILLED_AT = """
import os, signal, sys
from ripfdn_cli.cli.main import main
name, number, moment, *arguments = sys.argv[1:]
real, calls = getattr(os, name), 0

def killing(*args, **options):
    global calls
    calls += 1
    if calls == int(number):
        if moment == "after":
            real(*args, **options)
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args, **options)

setattr(os, name, killing)
main(arguments)
"""
"""The command, dying before or after the n-th call of a function that writes."""


class Batch:
    """A folder of pictures, what an undisturbed run makes of it, and commands to disturb."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self.source, self.out = folder / "in", folder / "out"
        self.source.mkdir()
        for number in range(PICTURES):
            suffix = ("png", "jpg", "webp", "tif")[number % 4]
            picture = Image.fromarray(np.roll(smooth(24, 32), number, axis=1))
            picture.save(self.source / f"{number:02d}.{suffix}")
        self.options = ["--weights", str(weights), "--threads", "1", "--device", "cpu", "-q"]
        self.inputs = self.contents(self.source)
        self.run(folder / "whole")
        started = time.perf_counter()
        self.run(folder / "again")  # with the engine's cache warm
        self.seconds = time.perf_counter() - started
        self.expected = self.contents(folder / "whole")
        assert len(self.expected) == PICTURES

    def command(self, out: Path, *extra: str) -> list[str]:
        return ["upscale", str(self.source), "-o", str(out), *self.options, *extra]

    def start(self, out: Path, *extra: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-m", "ripfdn_cli", *self.command(out, *extra)])

    def run(self, out: Path, *extra: str) -> None:
        assert self.start(out, *extra).wait() == 0

    def run_killed_at(self, name: str, number: int, moment: str, out: Path, *extra: str) -> int:
        code = [sys.executable, "-c", KILLED_AT, name, str(number), moment]
        return subprocess.run([*code, *self.command(out, *extra)], check=False).returncode

    @staticmethod
    def contents(folder: Path) -> dict[str, bytes]:
        """Files under final names."""
        names = [path for path in folder.iterdir() if not path.name.startswith(".ripfdn")]
        return {path.name: path.read_bytes() for path in names}

    def check_after_a_kill(self) -> int:
        """Nothing half-written, no input touched; how many results there are."""
        assert self.contents(self.source) == self.inputs
        found = self.contents(self.out) if self.out.exists() else {}
        for name, content in found.items():
            assert content == self.expected[name]
        return len(found)

    def check_complete(self) -> None:
        assert self.contents(self.out) == self.expected
        assert self.contents(self.source) == self.inputs
        assert [path.name for path in self.out.iterdir() if path.name.startswith(".")] == [JOURNAL_NAME]

    def clear(self) -> None:
        for path in self.out.iterdir():
            path.unlink()


@pytest.fixture(scope="module")
def batch(tmp_path_factory: pytest.TempPathFactory, enlarging_weights: dict[int, Path]) -> Batch:
    return Batch(tmp_path_factory.mktemp("kills"), enlarging_weights[4])


@pytest.fixture(autouse=True)
def empty(batch: Batch) -> None:
    if batch.out.exists():
        batch.clear()


def storm(batch: Batch, kills: int, seed: int) -> int:
    """Kill runs at random times until `kills` have died; whenever one gets through, start afresh."""
    chance, died, completed = random.Random(seed), 0, 0
    while died < kills:
        process = batch.start(batch.out)
        try:
            ended = process.wait(chance.uniform(0.3, 1.05) * batch.seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            ended = process.wait()  # 0 where it got through in the moment between the two
        if ended == -signal.SIGKILL:
            died += 1
            batch.check_after_a_kill()
            continue
        assert ended == 0
        batch.check_complete()
        batch.clear()
        completed += 1
    batch.run(batch.out)
    batch.check_complete()
    return completed


def test_kills_at_random_times_break_nothing(batch: Batch) -> None:
    storm(batch, 4, seed=1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_two_hundred_kills_at_random_times_break_nothing(batch: Batch) -> None:
    assert storm(batch, 200, seed=2) > 0


def aimed(batch: Batch, name: str, number: int, moment: str, *extra: str) -> None:
    assert batch.run_killed_at(name, number, moment, batch.out, *extra) == -signal.SIGKILL
    batch.check_after_a_kill()
    batch.run(batch.out, *extra)
    batch.check_complete()


@pytest.mark.parametrize(("name", "moment"), [("link", "before"), ("link", "after"), ("write", "after")])
def test_kills_between_record_and_publication_break_nothing(batch: Batch, name: str, moment: str) -> None:
    aimed(batch, name, 5, moment)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("name", ["link", "write", "fsync", "unlink", "chmod"])
@pytest.mark.parametrize("number", [1, 2, 3, 7, 12])
def test_fifty_kills_aimed_at_writing_break_nothing(
    batch: Batch, name: str, number: int, moment: str
) -> None:
    aimed(batch, name, number, moment)


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("number", [1, 6, 12])
def test_kills_while_older_results_are_replaced_break_nothing(batch: Batch, number: int, moment: str) -> None:
    """Every name has a whole picture at any time: the older one, or the new."""
    batch.run(batch.out)
    older = {name: bytes(content) for name, content in batch.contents(batch.out).items()}
    assert batch.run_killed_at("replace", number, moment, batch.out, "--overwrite") == -signal.SIGKILL
    assert batch.contents(batch.out) == older == batch.expected
    batch.run(batch.out, "--overwrite")
    batch.check_complete()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_run_that_is_told_to_stop_cleans_up(batch: Batch, number: signal.Signals, status: int) -> None:
    process = batch.start(batch.out)
    while not (batch.out.exists() and batch.contents(batch.out)) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(number)
    ended = process.wait(60)
    assert ended in (status, 0)  # 0 where it had just finished
    batch.check_after_a_kill()
    assert not [path for path in batch.out.iterdir() if path.suffix == ".tmp"]
    if ended == status:
        batch.run(batch.out)
    batch.check_complete()


def test_results_are_pictures(batch: Batch) -> None:
    for name, content in batch.expected.items():
        assert decode(content, name).frames[0].shape == (96, 128, 3)
