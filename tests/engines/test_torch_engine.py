"""The torch engine's own machinery; its results are held by test_contract.py."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_pairs import golden_checkpoint, whole_job
from torch._dynamo.exc import TorchDynamoException

from ripfdn_cli.engines.torch_engine import COMPILE_AFTER, TorchEngine
from ripfdn_cli.errors import OutOfMemoryError, UnavailableError

SHAPE = torch.Size((1, 20, 20, 3))
PIXELS = np.random.default_rng(5).integers(0, 256, SHAPE, np.uint8)


@pytest.fixture
def engine() -> TorchEngine:
    return TorchEngine(golden_checkpoint())


def test_two_in_flight_give_the_same_in_the_same_order(engine: TorchEngine) -> None:
    """As on a GPU: the second tile is launched before the first has landed."""
    jobs = [whole_job(np.roll(PIXELS, shift, axis=1)) for shift in range(3)]
    expected = list(engine.run(jobs))
    launched: list[int] = []

    def watched(job: Any, launch: Callable[[Any], Any] = engine._launch) -> Any:
        launched.append(len(launched))
        return launch(job)

    engine._launch, engine._most_in_flight = watched, 2
    results = engine.run(iter(jobs))
    first = next(results)
    assert launched == [0, 1]
    for result, same in zip([first, *results], expected, strict=True):
        np.testing.assert_array_equal(result, same)


def test_threads_are_the_engines_own_while_it_works_and_the_callers_again_after() -> None:
    threads, seen = torch.get_num_threads(), list[int]()
    engines = [TorchEngine(golden_checkpoint(), threads=count) for count in (threads + 1, None)]
    assert torch.get_num_threads() == threads

    def watch(engine: TorchEngine) -> None:
        launch = engine._launch

        def watched(job: Any) -> Any:
            seen.append(torch.get_num_threads())
            return launch(job)

        engine._launch = watched

    for engine in engines:
        watch(engine)
        for _ in engine.run([whole_job(PIXELS)] * 2):
            assert torch.get_num_threads() == threads
    assert seen == [threads + 1] * 2 + [threads] * 2


def test_a_shape_is_compiled_when_it_has_cost_as_much_as_compiling(
    engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Compiling itself needs a GPU; the rule doesn't."""
    compiled: list[dict[str, Any]] = []

    def compile_(step: Any, **options: Any) -> Any:
        compiled.append(options)
        return step

    monkeypatch.setattr(torch, "compile", compile_)
    engine._may_compile = True
    assert engine._step(SHAPE) is engine._eager
    engine._seconds[SHAPE] = COMPILE_AFTER
    step = engine._step(SHAPE)
    assert step is not engine._eager
    assert compiled == [{"mode": "reduce-overhead", "dynamic": False}]
    assert engine._step(torch.Size((1, 20, 26, 3))) is engine._eager
    engine._eager = step
    np.testing.assert_array_equal(
        next(engine.run([whole_job(PIXELS)])), next(TorchEngine(golden_checkpoint()).run([whole_job(PIXELS)]))
    )


def test_the_time_of_a_shape_is_counted(engine: TorchEngine) -> None:
    list(engine.run([whole_job(PIXELS)]))
    assert set(engine._seconds) == {SHAPE}
    assert 0 < engine._seconds[SHAPE] < 60


def test_matrices_are_uploaded_once_and_forgotten_in_the_end(
    engine: TorchEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = whole_job(PIXELS)
    list(engine.run([job, job]))
    assert len(engine._uploaded) == 1, "a square has one matrix for both sides"
    first = engine._matrix(job.geometry.rows)
    assert engine._matrix(job.geometry.rows) is first
    np.testing.assert_array_equal(first, job.geometry.rows)
    monkeypatch.setattr("ripfdn_cli.engines.torch_engine._MOST_MATRICES", 3)
    for side in range(15, 22):
        engine._matrices(whole_job(PIXELS[:, :side, :15]).geometry)
    assert len(engine._uploaded) == 3
    assert engine._matrix(job.geometry.rows) is not first


def test_where_compiling_fails_it_goes_on_without(
    engine: TorchEngine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: Any) -> Any:
        raise TorchDynamoException("no compiler\nand more")

    monkeypatch.setattr(torch, "compile", lambda step, **options: failing)
    expected = next(engine.run([whole_job(PIXELS)]))
    engine._may_compile, engine._seconds[SHAPE] = True, COMPILE_AFTER
    pixels = torch.from_numpy(PIXELS)
    matrices = engine._matrices(whole_job(PIXELS).geometry)
    with caplog.at_level(logging.WARNING), torch.inference_mode():
        image, _ = engine._step(SHAPE)(pixels, *matrices)
    np.testing.assert_array_equal(image, expected)
    assert "no compiler" in caplog.text
    assert "and more" not in caplog.text
    assert engine._step(SHAPE) is engine._eager


@pytest.mark.parametrize(
    "message",
    ["[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried", "MPS backend out of memory"],
)
def test_torch_s_words_for_out_of_memory(engine: TorchEngine, message: str) -> None:
    def failing(job: Any) -> Any:
        raise RuntimeError(message)

    engine._launch = failing
    with pytest.raises(OutOfMemoryError, match="`memory`"):
        list(engine.run([whole_job(PIXELS)]))


def test_other_errors_stay_what_they_are(engine: TorchEngine) -> None:
    def failing(job: Any) -> Any:
        raise RuntimeError("a bug")

    engine._launch = failing
    with pytest.raises(RuntimeError, match="a bug"):
        list(engine.run([whole_job(PIXELS)]))


def test_fp16_is_refused_on_a_cpu() -> None:
    with pytest.raises(UnavailableError, match="fp16"):
        TorchEngine(golden_checkpoint(), precision="fp16")


@pytest.mark.gpu
def test_compiled_gives_what_eager_gives() -> None:
    jobs = [whole_job(np.roll(PIXELS, shift, axis=1), keep=(1, 19, 2, 20)) for shift in range(6)]
    eager = TorchEngine(golden_checkpoint(), device="cuda", precision="fp16", compile_after=1e9)
    compiled = TorchEngine(golden_checkpoint(), device="cuda", precision="fp16", compile_after=0)
    expected, results = list(eager.run(jobs)), list(compiled.run(jobs))
    assert compiled._compiled is not None
    for result, same in zip(results, expected, strict=True):
        assert np.abs(result.astype(int) - same).max() <= 1
