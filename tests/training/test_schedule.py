import math
from dataclasses import replace
from itertools import pairwise

import pytest

from ripfdn_cli.training.presets import resolve_settings
from ripfdn_cli.training.schedule import Position, ema_decay_at, learning_rate_at, stage_at
from ripfdn_cli.training.settings import TrainingSettings

BY_STEPS = TrainingSettings(steps=100, learning_rate=(2.0e-3,), schedule="cosine")


def positions(settings: TrainingSettings, took: list[float]) -> list[Position]:
    """Those of a run whose steps take `took` seconds each."""
    found = [Position()]
    for seconds in took:
        found.append(found[-1].after_step(settings, found[-1].seconds + seconds, seconds, 0.0))
        if found[-1].ends(settings, 0.0):
            break
    return found


def test_a_run_of_steps_ends_with_them() -> None:
    found = positions(BY_STEPS, [1.0] * 200)
    assert found[-1].steps == 100
    assert found[50].progress == pytest.approx(0.5)


def test_cosine() -> None:
    rates = [learning_rate_at(BY_STEPS, Position(step, 0, step / 100)) for step in (0, 25, 50, 100)]
    expected = [2e-3 * (1 + math.cos(math.pi * x)) / 2 for x in (0, 0.25, 0.5, 1)]
    assert rates == pytest.approx(expected, abs=1e-12)


def test_cosine_per_stage_starts_anew() -> None:
    settings = replace(BY_STEPS, schedule="cosine-per-stage", share=(3.0, 1.0), learning_rate=(1e-3, 4e-4))
    at = [learning_rate_at(settings, Position(1, 0, progress)) for progress in (0.0, 0.375, 0.75, 0.875)]
    assert at == pytest.approx([1e-3, 5e-4, 4e-4, 2e-4])


def test_warm_up_stable_decay() -> None:
    settings = replace(BY_STEPS, schedule="wsd", decay_share=0.4, warmup=2)
    rates = [learning_rate_at(settings, Position(step, 0, step / 100)) for step in (0, 1, 2, 60, 70, 90, 100)]
    assert rates == pytest.approx([1e-3, 2e-3, 2e-3, 2e-3, 1.5e-3, 0.5e-3, 0.0])
    never = replace(settings, decay_share=0.0)
    assert learning_rate_at(never, Position(99, 0, 0.99)) == 2e-3


def test_the_factsheets_stages_begin_at_their_step() -> None:
    settings = resolve_settings("factsheet", None, {})
    batches = [
        stage_at(settings, step / settings.steps).batch for step in (0, 1_199_999, 1_200_000, 1_699_999)
    ]
    assert batches == [64, 64, 256, 256]


def test_warmup_rises_to_the_rate() -> None:
    settings = replace(BY_STEPS, schedule="constant", warmup=4)
    rates = [learning_rate_at(settings, Position(step, 0, step / 100)) for step in range(6)]
    assert rates == pytest.approx([5e-4, 1e-3, 1.5e-3, 2e-3, 2e-3, 2e-3])


@pytest.mark.parametrize("took", [[0.5] * 1000, [0.1, 2.0, 0.7] * 300, [5.0] + [0.2] * 1000])
def test_a_time_limit_is_kept_and_the_rate_is_near_zero_by_then(took: list[float]) -> None:
    settings = replace(BY_STEPS, steps=0, max_time=60.0)
    found = positions(settings, took)
    assert found[-1].ends(settings, 0.0)
    assert 60 <= found[-1].seconds <= 60 + max(took)
    assert all(a.progress <= b.progress for a, b in pairwise(found))
    assert learning_rate_at(settings, found[-2]) < 0.05 * 2e-3


def test_time_lost_to_set_up_compresses_the_schedule_instead_of_cutting_it() -> None:
    settings = replace(BY_STEPS, steps=0, max_time=100.0)
    late = Position(0, 50.0, 0.0).after_step(settings, 51.0, 1.0, 0.0)
    assert late.progress == pytest.approx(1 / 50)
    with_reserve = Position(0, 50.0, 0.0).after_step(settings, 51.0, 1.0, 25.0)
    assert with_reserve.progress == pytest.approx(1 / 25)


def test_with_both_limits_the_earlier_counts() -> None:
    settings = replace(BY_STEPS, steps=10, max_time=1000.0)
    assert positions(settings, [1.0] * 50)[-1].steps == 10
    assert positions(replace(settings, steps=10**6, max_time=20.0), [1.0] * 50)[-1].steps in (20, 21)


def test_a_time_limit_changes_nothing_of_a_run_of_steps_until_it_is_reached() -> None:
    took = [9.0, *[1.0] * 99]  # the first step compiles, say
    free, limited = (positions(replace(BY_STEPS, max_time=limit), took) for limit in (0.0, 110.0))
    assert limited == free
    assert [position.progress for position in limited] == [step / 100 for step in range(101)]
    cut = positions(replace(BY_STEPS, max_time=48.0), took)
    assert cut == free[:41]
    assert cut[-1].seconds == 48.0
    assert not cut[-1].ends(replace(BY_STEPS, max_time=49.0), 0.0)
    assert cut[-1].ends(replace(BY_STEPS, max_time=49.0), 1.0)


def test_the_average_forgets_its_start() -> None:
    settings = replace(BY_STEPS, ema=0.999)
    assert ema_decay_at(settings, 0) == pytest.approx(0.1)
    assert ema_decay_at(settings, 10**6) == 0.999
