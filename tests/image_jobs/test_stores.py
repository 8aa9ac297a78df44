"""Batches from and to object stores: the same results as in folders, whatever dies in between."""

import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.commands import QUICK
from support.sample_pictures import saved, smooth

from ripfdn_cli.errors import InputError, OutputError, UsageError
from ripfdn_cli.files.object_log import OBJECTS_FOLDER
from ripfdn_cli.files.storage import Location, location, publish, read_objects, walk_objects
from ripfdn_cli.image_jobs.batch import Batch, BatchRequest, plan_batch
from ripfdn_cli.image_jobs.picture_job import PictureSettings
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.journal import read_journal
from ripfdn_cli.pipeline.shards import Shard

pytestmark = pytest.mark.any_precision

NAMES = ("a.png", "b.jpg", "c.webp", "sub/a.png", "sub/deep/d.bmp")


@pytest.fixture
def network(enlarging_weights: dict[int, Path]) -> NetworkSettings:
    return NetworkSettings(weights=str(enlarging_weights[4]), engine="torch", devices=("cpu",), threads=1)


def picture(number: int, suffix: str) -> bytes:
    return saved(Image.fromarray(np.roll(smooth(16, 20), number, axis=1)), suffix.replace("jpg", "jpeg"))


@pytest.fixture
def source(store: Location) -> Location:
    """Five pictures at different depths, and what is none."""
    folder = store / "in"
    for number, name in enumerate(NAMES):
        publish(folder / name, picture(number, name.rpartition(".")[2]), overwrite=True)
    for name in ("notes.txt", ".hidden/x.png", "sub/.x.png"):
        publish(folder / name, b"no picture", overwrite=True)
    return folder


@pytest.fixture
def expected(source: Location, network: NetworkSettings, tmp_path: Path) -> dict[str, bytes]:
    """The results by name, made from and in folders."""
    for name, content in read_objects(source, NAMES).items():
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_bytes(content)
    list(planned(network, tmp_path / "in", output=tmp_path / "whole").run())
    return {name: (tmp_path / "whole" / name).read_bytes() for name in NAMES}


def planned(network: NetworkSettings, *inputs: Location, output: Location | str, **options: Any) -> Batch:
    return plan_batch(BatchRequest(inputs, str(output), **options), PictureSettings(), network)


def statuses(batch: Batch) -> list[str]:
    return [outcome.record()["status"] for outcome in batch.run()]


def results(folder: Location) -> dict[str, bytes]:
    """All but the journal."""
    names = [name for name in walk_objects(folder) if not name.startswith(OBJECTS_FOLDER)]
    return read_objects(folder, names)


def test_a_store_becomes_a_store(
    store: Location, source: Location, network: NetworkSettings, expected: dict[str, bytes]
) -> None:
    assert statuses(planned(network, source, output=store / "out")) == ["done"] * 5
    assert results(store / "out") == expected
    again = planned(network, source, output=store / "out")
    assert [len(tasks) for tasks in again.look()] == [5, 0]
    assert statuses(again) == ["skipped"] * 5
    assert statuses(planned(network, source, output=store / "out", overwrite=True)) == ["done"] * 5
    assert results(store / "out") == expected


def test_a_store_becomes_a_folder_and_a_folder_a_store(
    store: Location,
    source: Location,
    network: NetworkSettings,
    expected: dict[str, bytes],
    tmp_path: Path,
) -> None:
    for _ in range(2):
        local = statuses(planned(network, source, output=tmp_path / "out"))
        remote = statuses(planned(network, tmp_path / "in", output=store / "out"))
    assert local == remote == ["skipped"] * 5
    assert {name: (tmp_path / "out" / name).read_bytes() for name in NAMES} == expected
    assert results(store / "out") == expected


def test_a_changed_input_or_output_is_not_done(
    store: Location, source: Location, network: NetworkSettings
) -> None:
    out = store / "out"
    list(planned(network, source, output=out).run())
    publish(source / "a.png", picture(9, "png"), overwrite=True)
    with pytest.raises(OutputError, match=r"a\.png exists already and isn't recorded as made of this"):
        list(planned(network, source, output=out).run())
    assert len(planned(network, source, output=out, overwrite=True, skip_existing=True).look()[1]) == 1
    publish(out / "b.jpg", b"another", overwrite=True)
    batch = planned(network, source, output=out, overwrite=True, skip_existing=True)
    assert statuses(batch).count("done") == 2


def test_single_pictures_patterns_and_templates(
    store: Location, source: Location, network: NetworkSettings, expected: dict[str, bytes]
) -> None:
    assert statuses(planned(network, source / "a.png", output=store / "one.png")) == ["done"]
    assert results(store)["one.png"] == expected["a.png"]
    with pytest.raises(OutputError, match=r"one\.png exists already"):
        list(planned(network, source / "a.png", output=store / "one.png").run())
    some = planned(
        network,
        source,
        output=f"{store}/some/{{stem}}_{{width}}{{ext}}",
        include=("*.png",),
        exclude=("sub/*",),
    )
    assert statuses(some) == ["done"]
    assert results(store / "some") == {"a_80.png": expected["a.png"]}


def test_results_within_the_inputs_are_not_taken_for_inputs(
    source: Location, network: NetworkSettings
) -> None:
    for status in ("done", "skipped"):
        assert statuses(planned(network, source, output=source / "out")) == [status] * 5


def test_collisions_are_found_before_the_work(source: Location, network: NetworkSettings) -> None:
    with pytest.raises(UsageError, match="would replace itself"):
        planned(network, source, output=source)
    with pytest.raises(UsageError, match="would both become"):
        planned(network, source, output=f"{source.parent}/out/same_{{scale}}.png")
    with pytest.raises(InputError, match="no pictures in"):
        planned(network, source, output=source.parent / "out", include=("*.xyz",))


def test_a_bad_object_is_listed_and_the_others_are_done(source: Location, network: NetworkSettings) -> None:
    publish(source / "bad.png", b"no picture", overwrite=True)
    found = list(planned(network, source, output=source.parent / "out").run())
    assert [outcome.source.name for outcome in found if outcome.error] == ["bad.png"]
    assert sum(outcome.error is None for outcome in found) == 5
    missing = list(planned(network, source / "none.png", output=source.parent / "x.png").run())
    assert isinstance(missing[0].error, InputError)


def test_shards_share_a_store(
    store: Location, source: Location, network: NetworkSettings, expected: dict[str, bytes]
) -> None:
    shards = [planned(network, source, output=store / "out", shard=Shard(n, 3)) for n in (1, 2, 3)]
    threads = [threading.Thread(target=lambda shard=shard: list(shard.run())) for shard in shards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results(store / "out") == expected
    assert statuses(planned(network, source, output=store / "out")) == ["skipped"] * 5


def test_an_interrupted_run_goes_on(
    store: Location, source: Location, network: NetworkSettings, expected: dict[str, bytes]
) -> None:
    with closing(planned(network, source, output=store / "out").run()) as outcomes:
        next(outcomes)
    assert not read_journal(store / "out").finished
    again = statuses(planned(network, source, output=store / "out"))
    assert "skipped" in again
    assert results(store / "out") == expected
    assert read_journal(store / "out").finished


def storm(folder: Path, network: NetworkSettings, kills: int, seed: int, pictures: int) -> None:
    """Kill runs after a random number of results or at a random time; then let one through."""
    base, chance = location(f"s3://bucket/storm-{seed}-{kills}"), random.Random(seed)
    (folder / "in").mkdir()
    for number in range(pictures):
        content = picture(number, "png")
        (folder / "in" / f"{number:03d}.png").write_bytes(content)
        publish(base / "in" / f"{number:03d}.png", content, overwrite=True)
    list(planned(network, folder / "in", output=folder / "out").run())
    expected = {path.name: path.read_bytes() for path in (folder / "out").glob("*.png")}
    options = ["--weights", str(network.weights), *QUICK]
    command = [sys.executable, "-m", "ripfdn_cli", "upscale", f"{base}/in/", "-o", f"{base}/out/", *options]
    for _ in range(kills):
        done = len(results(base / "out"))
        if done == pictures:
            for name in walk_objects(base / "out"):
                (base / "out" / name).unlink()
            done = 0
        process = subprocess.Popen([*command, "-q"])
        if chance.random() < 0.7:
            wanted = chance.randint(done + 1, pictures)
            while process.poll() is None and len(results(base / "out")) < wanted:
                time.sleep(0.01)
        else:
            time.sleep(chance.uniform(0, 4))
        process.kill()
        assert process.wait() in (0, -signal.SIGKILL)
        for name, content in results(base / "out").items():
            assert content == expected[name]
    subprocess.run(command, check=True)
    assert results(base / "out") == expected
    # Whatever was killed, all is recorded now.
    assert len(planned(network, base / "in", output=f"{base}/out/").look()[0]) == pictures


@pytest.mark.usefixtures("s3_server")
def test_kills_over_s3(tmp_path: Path, network: NetworkSettings) -> None:
    storm(tmp_path, network, kills=1, seed=3, pictures=12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.usefixtures("s3_server")
def test_many_kills_over_s3(tmp_path: Path, network: NetworkSettings) -> None:
    storm(tmp_path, network, kills=40, seed=2, pictures=60)
