import math

from hypothesis import given
from hypothesis import strategies as st

from ripfdn_cli.evaluation.benchmark import Method, Network, PictureResult, Row
from ripfdn_cli.evaluation.complexity import Complexity
from ripfdn_cli.evaluation.library_metrics import METRICS
from ripfdn_cli.evaluation.report_pictures import Card, PictureScore, Shot, Window
from ripfdn_cli.evaluation.report_plots import (
    Frame,
    gain_charts,
    linear_ticks,
    logarithmic_ticks,
    panels,
    psnr,
    values,
)
from ripfdn_cli.image_math.metrics import PAPERS, Score

FRAME = Frame()
NETWORK = Network("w", "", "torch", "fp32", "cpu", Complexity(1, 1, 1, 1))


def row(data_set: str, name: str, psnr: float, seconds: float, network: Network | None = None) -> Row:
    picture = PictureResult("p", 4, 4, seconds, {"Y": Score(psnr, 0.9)})
    return Row(data_set, Method(name, 4, lambda pixels: pixels, network), (picture,), None)


def card(name: str, baseline: float, own: float) -> Card:
    scores = (
        PictureScore("Bicubic", Score(baseline, 0.8), 0.1, False),
        PictureScore("ours", Score(own, 0.9), 0.1, True),
    )
    window = Window(0, 0, 8, 8)
    shots = (Shot("Bicubic", ""), Shot("ours", ""))
    return Card("Set", 4, name, 8, 8, window, None, shots, (), scores)


@given(low=st.floats(-100, 100), span=st.floats(1e-3, 1e4))
def test_ticks_are_round_inside_and_few(low: float, span: float) -> None:
    ticks = linear_ticks(low, low + span)
    assert 1 <= len(ticks) <= 6
    slack = 1e-6 * (span + abs(low))
    assert all(low - slack <= tick <= low + span + slack for tick in ticks)


def test_ticks_by_hand() -> None:
    assert linear_ticks(28.1, 32.6) == [29, 30, 31, 32]
    assert linear_ticks(0, 0.5) == [0, 0.1, 0.2, 0.30000000000000004, 0.4, 0.5]
    assert linear_ticks(-1, 7) == [0, 2, 4, 6]
    assert logarithmic_ticks(0.9, 11) == [1, 2, 5, 10]
    assert logarithmic_ticks(0.9, 1100) == [1, 10, 100, 1000]


def test_better_is_higher_and_slower_is_further_right() -> None:
    rows = [
        row("A", "Bicubic", 28, 0.001),
        row("A", "ours", 32, 0.1, NETWORK),
        row("B", "Bicubic", 26, 0.002),
    ]
    first, second = panels(rows, psnr(PAPERS), ["Bicubic", "ours"], FRAME)
    bicubic, ours = first.marks
    assert (first.title, second.title) == ("A ×4", "B ×4")
    assert ours.y < bicubic.y
    assert ours.x > bicubic.x
    assert (bicubic.series, ours.series) == (0, 1)
    assert (bicubic.is_network, ours.is_network) == (False, True)
    assert ours.label == "ours: 32.00 dB, 100.0 ms"
    for panel in (first, second):
        assert all(FRAME.left <= mark.x <= FRAME.right for mark in panel.marks)
        assert all(FRAME.top <= mark.y <= FRAME.bottom for mark in panel.marks)
        assert panel.x_ticks
        assert panel.y_ticks


def test_what_was_not_scored_is_not_plotted() -> None:
    unscored = Row("A", Method("ours", 4, lambda p: p, NETWORK), (PictureResult("p", 4, 4, 0.1, {}),), None)
    assert panels([unscored, row("B", "ours", float("inf"), 0.1)], psnr(PAPERS), ["ours"], FRAME) == []


def test_where_less_is_better_less_is_further_up() -> None:
    def scored(name: str, lpips: float, ssimulacra2: float) -> Row:
        found = {"lpips": lpips, "ssimulacra2": ssimulacra2}
        picture = PictureResult("p", 4, 4, 0.1, {"Y": Score(30, 0.9)}, found)
        return Row("A", Method(name, 4, lambda pixels: pixels), (picture,), None)

    rows = [scored("soft", 0.3, 40), scored("sharp", 0.125, 65)]
    for name, label in (("lpips", "sharp: 0.1250, 100.0 ms"), ("ssimulacra2", "sharp: 65.00, 100.0 ms")):
        (panel,) = panels(rows, values(METRICS[name]), ["soft", "sharp"], FRAME)
        soft, sharp = panel.marks
        assert sharp.y < soft.y
        assert sharp.label == label
        texts = [float(tick.text) for tick in sorted(panel.y_ticks, key=lambda tick: tick.at)]
        assert texts == sorted(texts, reverse=name == "ssimulacra2")
    assert panels([row("A", "ours", 30, 0.1)], values(METRICS["lpips"]), ["ours"], FRAME) == []


def test_gains_ascend_and_lead_to_their_cards() -> None:
    (chart,) = gain_charts([card("up", 28, 31), card("down", 30, 29), card("same", 25, 27)], FRAME)
    assert [bar.card for bar in chart.bars] == [1, 2, 0]
    assert [bar.label for bar in chart.bars] == ["down: -1.00 dB", "same: +2.00 dB", "up: +3.00 dB"]
    assert (chart.method, chart.baseline) == ("ours", "Bicubic")
    assert chart.mean.text == "mean +1.33"
    down, same, up = chart.bars
    assert down.y == chart.zero  # hangs from zero
    assert up.y + up.height == chart.zero  # stands on it
    assert abs(up.height / same.height - 1.5) < 1e-9
    assert all(FRAME.left <= bar.x and bar.x + bar.width <= FRAME.right for bar in chart.bars)
    assert down.x + down.width <= same.x


def test_one_finite_gain_makes_no_chart() -> None:
    perfect = card("perfect", math.inf, math.inf)
    assert perfect.psnr is None
    assert gain_charts([card("only", 28, 31), perfect], FRAME) == []
