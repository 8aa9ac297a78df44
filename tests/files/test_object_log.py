import json
import threading

import pytest

from ripfdn_cli.files import object_log
from ripfdn_cli.files.object_log import open_object_log, read_object_log
from ripfdn_cli.files.storage import Location, publish, read_objects, walk_objects


def contents(store: Location) -> list[bytes]:
    return list(read_objects(store, list(walk_objects(store))).values())


def test_many_lines_share_writes_and_objects(store: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_log, "_FULL", 8)
    monkeypatch.setattr(object_log, "_INTERVAL", 0.05)
    with open_object_log(store, "") as lines:
        threads = [threading.Thread(target=lambda n=n: lines.append({"n": n})) for n in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(line["n"] for line in read_object_log(store)) == list(range(40))
        assert len(walk_objects(store)) < 10
    with open_object_log(store, "") as lines:
        lines.append({"n": 40})
        assert len(read_object_log(store)) == 41


def test_an_object_that_is_full_is_left_alone(store: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_log, "_FULL", 2)
    monkeypatch.setattr(object_log, "_INTERVAL", 0.0)
    with open_object_log(store, "1of2") as log:
        for number in range(5):
            log.append({"n": number})
    objects = [[json.loads(line)["n"] for line in content.splitlines()] for content in contents(store)]
    assert sorted(objects) == [[0, 1], [2, 3], [4]]
    assert all("-1of2-" in name for name in walk_objects(store))


def test_processes_write_no_object_of_another(store: Location) -> None:
    with open_object_log(store, "") as one, open_object_log(store, "") as other:
        one.append({"of": "one"})
        other.append({"of": "other"})
        one.append({"of": "one"}, {"of": "one"})
    assert sorted(line["of"] for line in read_object_log(store)) == ["one", "one", "one", "other"]
    assert len(contents(store)) == 2


def test_lines_that_are_none_are_skipped(store: Location) -> None:
    publish(store / "a.jsonl", b'{"n": 1}\n[1, 2]\nnull\n\xff\xfe\n{"n": 2}\n{"n": ', overwrite=False)
    assert read_object_log(store) == [{"n": 1}, {"n": 2}]
