"""The real command, killed at random, on one rank and on two: the same command again ends where no kill
would have.

The long test of this is slow; the short one kills each way once.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from support.training_runs import assert_same_state, make_pictures

from ripfdn_cli.training.state import load_state

pytestmark = [
    pytest.mark.any_precision,
    pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="finds processes in /proc"),
]

STEPS = 30
TINY = [
    *("--channels", "8", "--blocks", "1", "--patch", "16,18", "--batch", "4", "--micro-batch", "2"),
    *("--steps", str(STEPS), "--max-time", "0", "--threads", "1", "--save-every", "1", "--json"),
]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ALONE = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(data: Path, folder: Path, *, ranks: int, workers: int) -> list[str]:
    start = [sys.executable] if ranks == 1 else TORCHRUN
    # Streaming and degrading are what workers are for.
    options = ["--workers", str(workers), "--degrade", "--memory", "5e-5", "--resume"]
    return [*start, "-m", "ripfdn_cli", "train", str(data), "-o", str(folder), *TINY, *options]


def finish(arguments: list[str]) -> None:
    process = subprocess.run(arguments, env=ALONE, capture_output=True, text=True, timeout=240)
    assert process.returncode == 0, process.stderr


def start(arguments: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        arguments, env=ALONE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def wait_for_steps(process: "subprocess.Popen[str]", count: int) -> None:
    """Until `process` has reported `count` steps, or has ended."""
    assert process.stdout is not None
    seen = 0
    for line in process.stdout:
        seen += line.startswith("{") and json.loads(line)["event"] == "step"
        if seen >= count:
            break


def kill_midway(arguments: list[str], number: signal.Signals, after_steps: int, wait: float) -> int | None:
    """Start a run and kill it `wait` seconds after its step `after_steps`; its exit code, None if it had
    ended.
    """
    process = start(arguments)
    wait_for_steps(process, after_steps)
    time.sleep(wait)
    ended = process.poll()
    if ended is None and number == signal.SIGKILL:
        for pid in [*_children(process.pid), process.pid]:  # torchrun has no chance to end its ranks
            os.kill(pid, number)
    elif ended is None:
        process.send_signal(number)
    assert process.stdout is not None
    with process.stdout:
        process.stdout.read()
    code = process.wait(timeout=60)
    return code if ended is None else None


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_two_ranks_equal_one(data: Path, tmp_path: Path, whole: dict[int, Path]) -> None:
    one, two = load_state(whole[1]), load_state(whole[2])
    assert one.position.steps == two.position.steps == STEPS
    for name, tensor in one.tensors.items():
        if name.startswith(("network.", "average.")):
            torch.testing.assert_close(two.tensors[name], tensor, rtol=1e-3, atol=2e-5, msg=name)
    log_one, log_two = (losses(whole[ranks]) for ranks in (1, 2))
    assert log_two == pytest.approx(log_one, rel=1e-4)


def test_two_ranks_train_one_discriminator(data: Path, tmp_path: Path) -> None:
    """Each by its half of the batch, and both as one rank would by all of it."""
    options = ["--gan", "0.1", "--gan-features", "0.1", "--gan-channels", "4", "--steps", "6"]
    for ranks in (1, 2):
        finish([*command(data, tmp_path / str(ranks), ranks=ranks, workers=0), *options])
    one, two = (load_state(tmp_path / str(ranks)).tensors for ranks in (1, 2))
    means = [name for name in one if name.startswith("adversary.optimizer.exp_avg.")]
    assert means
    for name in means:  # half a batch's gradients would be half as large
        assert (two[name] - one[name]).norm() <= 0.02 * one[name].norm(), name
    assert losses(tmp_path / "2") == pytest.approx(losses(tmp_path / "1"), rel=1e-4)


def losses(folder: Path) -> list[float]:
    records = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [record["loss"] for record in records if record["event"] == "steps"]


def test_a_terminated_run_saves_and_goes_on_as_if_it_had_not_been(
    data: Path, tmp_path: Path, whole: dict[int, Path]
) -> None:
    arguments = command(data, tmp_path / "run", ranks=1, workers=2)
    began_to_end = kill_midway(arguments, signal.SIGTERM, 8, 0.02)
    assert began_to_end == 143
    assert 8 <= load_state(tmp_path / "run").position.steps < STEPS
    finish(arguments)
    assert_same_state(tmp_path / "run", whole[1])


def test_a_rank_whose_peer_is_killed_says_so_and_both_go_on_together(
    data: Path, tmp_path: Path, whole: dict[int, Path]
) -> None:
    port = str(free_port())
    ranks = [start_rank(data, tmp_path / "run", rank, port) for rank in range(2)]
    wait_for_steps(ranks[0], 8)
    ranks[1].kill()
    messages = ranks[0].communicate(timeout=60)[1]
    assert ranks[0].returncode == 1
    assert "lost contact with another rank" in messages
    assert "--resume" in messages
    ranks[1].communicate()
    finish(command(data, tmp_path / "run", ranks=2, workers=0))
    assert_same_state(tmp_path / "run", whole[2])


def start_rank(data: Path, folder: Path, rank: int, port: str) -> "subprocess.Popen[str]":
    """One of two ranks, by hand."""
    place = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "MASTER_PORT": port}
    return subprocess.Popen(
        command(data, folder, ranks=1, workers=0),
        env={**ALONE, **place, "MASTER_ADDR": "127.0.0.1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def test_a_killed_rank_is_restarted_by_torchrun(data: Path, tmp_path: Path, whole: dict[int, Path]) -> None:
    arguments = command(data, tmp_path / "run", ranks=2, workers=0)
    elastic = [*arguments[:3], "--max-restarts", "2", *arguments[3:]]
    process = start(elastic)
    wait_for_steps(process, 8)
    os.kill(_children(process.pid)[1], signal.SIGKILL)
    assert process.stdout is not None
    with process.stdout:
        assert "step" in process.stdout.read()
    assert process.wait(timeout=60) == 0
    assert_same_state(tmp_path / "run", whole[2])


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("workers", [0, 2])
def test_twenty_kills(data: Path, tmp_path: Path, whole: dict[int, Path], ranks: int, workers: int) -> None:
    chance = random.Random(f"{ranks} {workers}")
    for run in range(20):
        arguments = command(data, tmp_path / f"run{run}", ranks=ranks, workers=workers)
        number = (signal.SIGKILL, signal.SIGTERM)[run % 2]
        kill_midway(arguments, number, chance.randrange(0, STEPS), chance.random() * 0.2)
        finish(arguments)
        assert_same_state(tmp_path / f"run{run}", whole[ranks])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """By ranks: the folder of a run that nobody killed."""
    folders = {ranks: tmp_path_factory.mktemp("whole") / "run" for ranks in (1, 2)}
    for ranks, folder in folders.items():
        finish(command(data, folder, ranks=ranks, workers=0))
    return folders
