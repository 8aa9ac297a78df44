"""Shares of one command's pictures, run apart, at once, and together again."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.sample_pictures import smooth

from ripfdn_cli.errors import OutputError, UsageError
from ripfdn_cli.image_jobs.batch import Batch, BatchRequest, plan_batch
from ripfdn_cli.image_jobs.image_run import Outcome
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.find_inputs import Source
from ripfdn_cli.pipeline.journal import JOURNAL_NAME, read_journal
from ripfdn_cli.pipeline.shards import Shard

pytestmark = pytest.mark.any_precision

COUNT = 3


@pytest.fixture
def network(enlarging_weights: dict[int, Path]) -> NetworkSettings:
    return NetworkSettings(weights=str(enlarging_weights[4]), engine="torch", devices=("cpu",), threads=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve pictures."""
    inputs = tmp_path / "in"
    (inputs / "sub").mkdir(parents=True)
    for number in range(12):
        name = f"{'sub/' if number % 3 == 0 else ''}{number}.png"
        Image.fromarray(np.roll(smooth(16, 16), number, axis=1)).save(inputs / name)
    return inputs


def planned(network: NetworkSettings, folder: Path, out: Path, shard: str = "", **options: Any) -> Batch:
    share = Shard.parse(shard) if shard else None
    return plan_batch(BatchRequest((folder,), str(out), shard=share, **options), PictureSettings(), network)


def statuses(batch: Batch) -> list[str]:
    return [outcome.record()["status"] for outcome in batch.run()]


def results(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.png")}


def test_shares_are_disjoint_and_complete(network: NetworkSettings, folder: Path, tmp_path: Path) -> None:
    shares = [
        {str(task.source.path) for task in planned(network, folder, tmp_path / "out", f"{n}/{COUNT}").tasks}
        for n in range(1, COUNT + 1)
    ]
    assert sum(map(len, shares)) == 12
    assert len(set.union(*shares)) == 12
    assert all(shares)


def test_a_share_depends_on_the_path_below_the_folder_only() -> None:
    sources = [
        Source(Path(f"/{place}/sub/{n}.png"), Path(f"sub/{n}.png")) for n in range(50) for place in "ab"
    ]
    members = [Shard(2, 5).has(source) for source in sources]
    assert members[::2] == members[1::2]
    # Known members, so that jobs of different versions agree.
    assert [n for n in range(50) if members[2 * n]] == [3, 26, 27, 31, 35, 36, 46, 47, 49]


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3", "1/2/3", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not a share"):
        Shard.parse(text)


def test_shards_at_once_make_what_one_run_makes(
    network: NetworkSettings, folder: Path, tmp_path: Path
) -> None:
    assert statuses(planned(network, folder, tmp_path / "whole")) == ["done"] * 12
    out, found = tmp_path / "out", list[Outcome]()
    shards = [planned(network, folder, out, f"{n}/{COUNT}") for n in range(1, COUNT + 1)]
    threads = [threading.Thread(target=lambda shard=shard: found.extend(shard.run())) for shard in shards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [outcome.record()["status"] for outcome in found] == ["done"] * 12
    assert results(out) == results(tmp_path / "whole")
    # Each has its own journal, and the command without --shard takes them all over.
    assert len(list(out.glob(".ripfdn.journal.*-of-3.jsonl"))) == COUNT
    assert read_journal(out).finished
    whole = planned(network, folder, out)
    assert [len(tasks) for tasks in whole.look()] == [12, 0]
    assert statuses(whole) == ["skipped"] * 12
    assert [path.name for path in out.glob(".ripfdn*")] == [JOURNAL_NAME]
    assert statuses(planned(network, folder, out)) == ["skipped"] * 12
    # Shards cut in another way accept them, too.
    again = [status for n in (1, 2) for status in statuses(planned(network, folder, out, f"{n}/2"))]
    assert again == ["skipped"] * 12


def test_what_one_shard_left_the_whole_command_does(
    network: NetworkSettings, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    first = statuses(planned(network, folder, out, "1/2"))
    both = statuses(planned(network, folder, out))
    assert (both.count("skipped"), both.count("done")) == (len(first), 12 - len(first))


def test_a_shard_that_died_is_unfinished_until_it_or_the_whole_command_has_finished(
    network: NetworkSettings, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    running = planned(network, folder, out, "1/2").run()
    next(running)
    running.close()
    assert not read_journal(out, "1-of-2").finished
    assert not read_journal(out).finished
    assert read_journal(out, "2-of-2").finished
    # With --overwrite an unfinished run goes on, and a finished one begins anew.
    again = statuses(planned(network, folder, out, overwrite=True))
    assert "skipped" in again
    assert read_journal(out, "1-of-2").finished
    assert statuses(planned(network, folder, out, overwrite=True)) == ["done"] * 12


def test_one_shard_runs_once_at_a_time_and_the_whole_command_not_beside_it(
    network: NetworkSettings, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    running = planned(network, folder, out, "1/2").run()
    next(running)
    for shard in ("1/2", ""):
        with pytest.raises(UsageError, match="another run is writing"):
            list(planned(network, folder, out, shard).run())
    running.close()
    assert set(statuses(planned(network, folder, out))) == {"done", "skipped"}


def test_a_shard_may_be_empty_and_leaves_what_is_not_its_own(
    network: NetworkSettings, folder: Path, tmp_path: Path
) -> None:
    for path in folder.rglob("*.png"):
        if path.name != "1.png":
            path.unlink()
    out = tmp_path / "out"
    counts = [len(statuses(planned(network, folder, out, f"{n}/4"))) for n in range(1, 5)]
    assert sorted(counts) == [0, 0, 0, 1]


def test_collisions_between_shards_are_found_by_each(
    network: NetworkSettings, folder: Path, tmp_path: Path
) -> None:
    for n in (1, 2):
        with pytest.raises(UsageError, match="would both become"):
            plan_batch(
                BatchRequest((folder,), str(tmp_path / "out" / "same{ext}"), shard=Shard(n, 2)),
                PictureSettings(),
                network,
            )


def test_outputs_that_are_there_are_not_replaced(
    network: NetworkSettings, folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    batch = planned(network, folder, out, "1/2")
    output = batch.tasks[0].output
    output.parent.mkdir(parents=True)
    output.write_bytes(b"precious")
    with pytest.raises(OutputError, match="exists already"):
        list(batch.run())
    assert output.read_bytes() == b"precious"
