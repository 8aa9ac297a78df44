"""Work ahead and behind stays in order and in bounds, and its exceptions are not lost."""

import threading
import time
from collections.abc import Iterator

import pytest

from ripfdn_cli.pipeline.lookahead import prefetched, write_behind


def test_items_come_in_order() -> None:
    assert list(prefetched(iter(range(50)), 3)) == list(range(50))
    assert list(prefetched(iter([]), 3)) == []


def test_no_more_than_asked_for_are_made_ahead() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(20):
            made.append(number)
            yield number

    for item in prefetched(items(), 4):
        time.sleep(0.005)
        assert len(made) <= item + 1 + 4


def test_an_exception_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("broken")

    seen: list[int] = []
    with pytest.raises(ValueError, match="broken"):
        seen.extend(prefetched(items(), 5))
    assert seen == [1, 2]


def test_nothing_runs_after_closing() -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1000):
            made.append(number)
            yield number

    stream = prefetched(items(), 2)
    next(stream)
    stream.close()
    count = len(made)
    time.sleep(0.02)
    assert len(made) == count < 10


def test_work_behind_is_done_in_order_and_to_the_end() -> None:
    done: list[int] = []
    with write_behind(done.append, 2) as put:
        for number in range(20):
            put(number)
    assert done == list(range(20))


def test_work_behind_waits_when_too_much_is_waiting() -> None:
    gate, begun = threading.Event(), threading.Event()

    def work(number: int) -> None:
        gate.wait(5)

    def feed() -> None:
        with write_behind(work, 2) as put:
            put(0)
            put(1)
            begun.set()
            put(2)
            fed.set()

    fed = threading.Event()
    thread = threading.Thread(target=feed)
    thread.start()
    assert begun.wait(5)
    assert not fed.wait(0.05)
    gate.set()
    thread.join(5)
    assert fed.is_set()


def test_an_exception_behind_comes_out_and_stops_the_rest() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 3:
            raise ValueError("broken")
        done.append(number)

    def feed() -> None:
        with write_behind(work, 1) as put:
            for number in range(50):
                put(number)

    with pytest.raises(ValueError, match="broken"):
        feed()
    assert done[:3] == [0, 1, 2]


def test_work_put_before_an_error_is_still_done() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.005)
        done.append(number)

    def feed() -> None:
        with write_behind(work, 10) as put:
            for number in range(5):
                put(number)
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        feed()
    assert done == [0, 1, 2, 3, 4]


def test_leaving_by_an_exception_leaves_waiting_work_undone() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.02)
        done.append(number)

    def feed() -> None:
        with write_behind(work, 10) as put:
            for number in range(10):
                put(number)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        feed()
    assert len(done) < 10
