import os
import signal
import threading

import pytest

from ripfdn_cli.training.interruption import deferred_signals


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_inside_takes_effect_at_the_end(number: signal.Signals) -> None:
    def stop(signum: int, frame: object) -> None:
        raise StoppedError

    before = signal.signal(number, stop)
    reached = []
    try:
        with pytest.raises(StoppedError):  # noqa: PT012 - where it is raised is the question
            with deferred_signals():
                os.kill(os.getpid(), number)
                reached.append("the end")
            reached.append("beyond")
        assert reached == ["the end"]
        assert signal.getsignal(number) is stop
    finally:
        signal.signal(number, before)


def test_an_error_inside_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="real"), deferred_signals():
        raise ValueError("real")


def test_other_threads_pass_through() -> None:
    reached = []

    def work() -> None:
        with deferred_signals():
            reached.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert reached == [1]
