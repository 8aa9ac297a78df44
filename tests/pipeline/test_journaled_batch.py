"""A run that goes on where it was, with files that are copied in place of a network."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ripfdn_cli.errors import InputError, OutputError, RipfdnError
from ripfdn_cli.files.storage import stamp_of
from ripfdn_cli.pipeline.journal import Journal
from ripfdn_cli.pipeline.journaled_batch import JournaledBatch, Request
from ripfdn_cli.pipeline.shards import Shard


@dataclass(frozen=True)
class Copy:
    input: Path
    output: Path


@dataclass(frozen=True)
class Copied:
    task: Copy
    made: bool = False
    error: RipfdnError | None = None


@dataclass(frozen=True)
class Copies(JournaledBatch[Copy, Copied]):
    settings: str = "plain"

    def run(self) -> Generator[Copied]:
        def start(tasks: list[Copy], journal: Journal | None) -> Generator[Copied]:
            return (self._copy(task, journal) for task in tasks)

        return self._run(start)

    def _copy(self, task: Copy, journal: Journal | None) -> Copied:
        content = task.input.read_bytes()
        if content == b"bad":
            return Copied(task, error=InputError(f"{task.input} is bad"))
        read = stamp_of(task.input)
        task.output.write_bytes(content)
        written = stamp_of(task.output)
        assert read is not None
        assert written is not None
        if journal is not None:
            journal.add(task.input, read, task.output, written, self.settings)
        return Copied(task, made=True)

    def _digests(self) -> Callable[[Copy], str]:
        return lambda task: self.settings

    def _skipped(self, task: Copy) -> Copied:
        return Copied(task)


def copies(folder: Path, *, settings: str = "plain", is_single: bool = False, **options: bool) -> Copies:
    inputs = tuple(sorted(folder.glob("*.txt")))
    (folder / "out").mkdir(exist_ok=True)
    tasks = tuple(Copy(path, folder / "out" / path.name) for path in inputs)
    request = Request(inputs, str(folder / "out"), **options)  # type: ignore[arg-type]
    return Copies(request, folder / "out", tasks, (), is_single, settings)


def made(batch: Copies) -> list[str]:
    return [outcome.task.output.name for outcome in batch.run() if outcome.made]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.txt").write_text(name)
    return tmp_path


def test_what_is_done_is_not_done_again(folder: Path) -> None:
    run = copies(folder).run()
    assert next(run).made
    run.close()  # interrupted
    done, to_do = copies(folder).look()
    assert ([task.input.name for task in done], len(to_do)) == (["a.txt"], 2)
    assert made(copies(folder)) == ["b.txt", "c.txt"]
    assert made(copies(folder)) == []
    (folder / "b.txt").write_text("another")
    with pytest.raises(OutputError, match="exists already and isn't recorded as made of this"):
        copies(folder).look()


def test_overwriting_begins_anew_once_a_run_has_come_to_its_end(folder: Path) -> None:
    (folder / "c.txt").write_text("bad")
    assert made(copies(folder, overwrite=True)) == ["a.txt", "b.txt"]
    (folder / "c.txt").write_text("c")
    assert made(copies(folder, overwrite=True)) == ["c.txt"]  # the run before had not ended
    assert made(copies(folder, overwrite=True)) == ["a.txt", "b.txt", "c.txt"]
    assert made(copies(folder, overwrite=True, skip_existing=True)) == []
    assert made(copies(folder, overwrite=True, skip_existing=True, settings="others")) == [
        *("a.txt", "b.txt", "c.txt")
    ]


def test_files_of_others_are_not_replaced(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "c.txt").write_text("precious")
    run = copies(folder).run()
    with pytest.raises(OutputError, match=r"c\.txt exists already"):
        next(run)
    assert not (folder / "out" / "a.txt").exists()


def test_one_task_has_a_journal_only_where_it_may_be_skipped(folder: Path) -> None:
    for path in (folder / "b.txt", folder / "c.txt"):
        path.unlink()
    assert made(copies(folder, is_single=True)) == ["a.txt"]
    assert [path.name for path in (folder / "out").iterdir()] == ["a.txt"]
    (folder / "out" / "a.txt").unlink()
    assert made(copies(folder, is_single=True, skip_existing=True)) == ["a.txt"]
    assert made(copies(folder, is_single=True, skip_existing=True)) == []


def test_what_a_request_names(tmp_path: Path) -> None:
    file, folder = tmp_path / "a.png", tmp_path
    assert Request((file,), "out/").names_one_file
    assert not Request((folder,), "out/").names_one_file
    assert not Request((file, file), "out/").names_one_file
    assert not Request((file,), "out/", shard=Shard(1, 2)).names_one_file
    assert len({Request((file,), "out/", shard=Shard(n, 2)).journal for n in (1, 2)} | {""}) == 3
