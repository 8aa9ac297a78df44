"""Files and objects through one door: fsspec's memory, and an S3 server on loopback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ripfdn_cli.errors import InputError, OutputError, UnavailableError, UsageError
from ripfdn_cli.files import storage
from ripfdn_cli.files.storage import (
    Location,
    Snapshot,
    Stamp,
    below,
    full_name,
    is_folder,
    is_remote,
    location,
    make_folder,
    matches,
    publish,
    read_object,
    read_objects,
    remove_stale,
    stamp_of,
    walk_objects,
)


def contents(folder: Location) -> dict[str, bytes]:
    return read_objects(folder, walk_objects(folder))


@pytest.mark.parametrize("name", ["a.png", "/a/b.png", "C:\\a.png", "a:b", "file:///a/b.png"])
def test_what_is_no_url_of_a_store_is_a_path(name: str) -> None:
    assert location(name) == Path(name.removeprefix("file://"))


def test_a_file_url_is_percent_encoded() -> None:
    assert location("file:///a%20b/100%25.png") == Path("/a b/100%.png")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", ""])
def test_a_file_url_may_name_this_machine(host: str) -> None:
    assert location(f"file://{host}/a/b%20c#1?.png") == Path("/a/b c#1?.png")


@pytest.mark.parametrize("url", ["file://server/share/a.png", "file://a.png", "file://localhost"])
def test_a_file_url_of_another_machine_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=f"{url} names a file of the machine .*file:///folder/name"):
        location(url)


def test_a_file_goes_through_atomic_file(tmp_path: Path) -> None:
    seen: list[Stamp] = []
    publish(tmp_path / "a", b"one", overwrite=False, record=seen.append)
    assert seen == [stamp_of(tmp_path / "a")]
    with pytest.raises(OutputError, match="exists already"):
        publish(tmp_path / "a", b"two", overwrite=False)
    assert (tmp_path / "a").read_bytes() == b"one"


def test_what_is_published_is_there(store: Location) -> None:
    place = store / "sub" / "a.png"
    assert is_remote(place)
    assert stamp_of(place) is None
    publish(place, b"one", overwrite=False)
    assert contents(store) == {"sub/a.png": b"one"}
    assert read_object(place, 3) == b"one"
    assert read_object(place, 1) == b"on"
    assert [is_folder(at) for at in (store, store / "sub", place, store / "none")] == [
        True,
        True,
        False,
        False,
    ]


def test_nothing_is_replaced_unless_it_may_be(store: Location) -> None:
    place = store / "a"
    publish(place, b"one", overwrite=False)
    with pytest.raises(OutputError, match="exists already"):
        publish(place, b"two", overwrite=False)
    assert contents(store) == {"a": b"one"}
    publish(place, b"three", overwrite=True)
    assert contents(store) == {"a": b"three"}


def test_what_is_recorded_matches_what_is_there_and_nothing_else(store: Location) -> None:
    place, recorded = store / "a", list[Stamp]()
    publish(place, b"one", overwrite=True, record=recorded.append)
    assert recorded[0].md5  # known before the store has it
    assert all(matches(stamp, stamp_of(place), place) for stamp in recorded)
    publish(place, b"two", overwrite=True)  # of the same size
    assert not any(matches(stamp, stamp_of(place), place) for stamp in recorded)
    assert not any(matches(stamp, None, place) for stamp in recorded)


def test_it_is_recorded_before_it_appears(store: Location) -> None:
    there: list[bool] = []
    publish(
        store / "a",
        b"one",
        overwrite=True,
        record=lambda stamp: there.append(stamp_of(store / "a") is not None),
    )
    assert there[0] is False
    with pytest.raises(ZeroDivisionError):
        publish(store / "b", b"one", overwrite=True, record=lambda stamp: 1 / 0)  # type: ignore[arg-type]
    assert list(contents(store)) == ["a"]


def test_in_stores_that_are_not_atomic_a_temporary_object_is_renamed(
    store: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "ATOMIC_STORES", frozenset())
    seen: list[str] = []
    kind = type(store.fs)  # type: ignore[attr-defined]
    real = kind.pipe_file

    def noting(self: object, path: str, *arguments: object, **options: object) -> object:
        seen.append(path)
        return real(self, path, *arguments, **options)

    monkeypatch.setattr(kind, "pipe_file", noting)
    if store.fs.protocol != "memory":  # type: ignore[attr-defined]
        pytest.skip("making folders makes buckets")
    make_folder(store)
    publish(store / "a", b"one", overwrite=False)
    assert contents(store) == {"a": b"one"}
    assert [Path(path).name.startswith(".ripfdn-") for path in seen] == [True]
    with pytest.raises(OutputError, match="exists already"):
        publish(store / "a", b"two", overwrite=False)
    assert contents(store) == {"a": b"one"}
    monkeypatch.setattr(kind, "mv", lambda *arguments: 1 / 0)
    with pytest.raises(OutputError, match="can't write"):
        publish(store / "a", b"two", overwrite=True)
    assert contents(store) == {"a": b"one"}


def test_old_temporaries_go_and_young_ones_stay(store: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "ATOMIC_STORES", frozenset())
    if store.fs.protocol != "memory":  # type: ignore[attr-defined]
        pytest.skip("S3 has none")
    for name in (".ripfdn-x.tmp", "x.tmp", ".ripfdn-x"):
        publish(store / name, b"", overwrite=True)
    remove_stale(store)
    assert len(contents(store)) == 3
    monkeypatch.setattr(storage, "_STALE_SECONDS", -3600)
    remove_stale(store)
    assert set(contents(store)) == {"x.tmp", ".ripfdn-x"}


def test_a_snapshot_is_as_things_were(store: Location, tmp_path: Path) -> None:
    publish(store / "a", b"one", overwrite=True)
    snapshot = Snapshot([store, tmp_path])
    before = stamp_of(store / "a")
    publish(store / "a", b"other", overwrite=True)
    publish(store / "b", b"new", overwrite=True)
    assert snapshot.stamp_of(store / "a") == before != stamp_of(store / "a")
    assert snapshot.stamp_of(store / "b") is None
    assert snapshot.stamp_of(store.parent / "elsewhere") is None
    (tmp_path / "file").write_bytes(b"now")
    assert snapshot.stamp_of(tmp_path / "file") == stamp_of(tmp_path / "file")


def test_names(store: Location, tmp_path: Path) -> None:
    assert below(store / "x" / "a.png", store) == "x/a.png"
    assert below(tmp_path / "x" / "a.png", tmp_path) == os.path.join("x", "a.png")  # noqa: PTH118
    assert location(full_name(store / "a")) == store / "a"


def test_what_is_missing_is_an_error_that_names_it(store: Location) -> None:
    with pytest.raises(InputError, match=r"can't read .*none\.png: there is no such object"):
        read_object(store / "none.png", 10)


def test_a_bucket_that_is_missing_is_an_error(s3_server: str) -> None:
    with pytest.raises(OutputError, match=r"can't write s3://no-such-bucket/a\.png"):
        publish(location("s3://no-such-bucket/a.png"), b"one", overwrite=True)
    with pytest.raises(InputError, match=r"can't read s3://no-such-bucket/a\.png"):
        read_object(location("s3://no-such-bucket/a.png"), 1)


def test_a_store_whose_package_is_missing_says_what_would_help() -> None:
    with pytest.raises(UnavailableError, match=r"gs://.*gcsfs.*pip install 'ripfdn-cli\[remote\]'"):
        location("gs://bucket/a.png")
    with pytest.raises(UsageError, match="nosuch://"):
        location("nosuch://bucket/a.png")


def test_without_the_extra_urls_say_so_and_paths_work() -> None:
    code = """
import sys
sys.modules["upath"] = None
from ripfdn_cli.errors import UnavailableError
from ripfdn_cli.files.storage import location
location("a.png")
try:
    location("s3://bucket/a.png")
except UnavailableError as error:
    print(error)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "pip install 'ripfdn-cli[remote]'" in found
