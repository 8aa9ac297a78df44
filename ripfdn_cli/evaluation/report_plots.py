"""The plots of a report, as coordinates: the page's template draws them."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ripfdn_cli.evaluation.benchmark import Row
from ripfdn_cli.evaluation.library_metrics import Metric
from ripfdn_cli.evaluation.report_pictures import Card
from ripfdn_cli.image_math.metrics import Protocol

Scale = Callable[[float], float]

WIDEST_BAR = 34.0


@dataclass(frozen=True)
class Frame:
    """A drawing of `width` × `height`, and the plotting area inside it, with room for ticks and labels."""

    width: float = 360.0
    height: float = 260.0

    left = 40.0
    top = 26.0

    @property
    def right(self) -> float:
        """Of the plot's area, in px."""
        return self.width - 14.0

    @property
    def bottom(self) -> float:
        """Of the plot's area, in px."""
        return self.height - 40.0


@dataclass(frozen=True)
class Quantity:
    """What a panel shows against time: `of` a row, None where it wasn't scored; `axis` names it and its unit,
    `text` writes a value, and of two values `best` gives the better one.
    """

    heading: str
    axis: str
    of: Callable[[Row], float | None]
    text: Callable[[float], str]
    best: Callable[[Iterable[float]], float]


@dataclass(frozen=True)
class Tick:
    """A mark on an axis, `at` px."""

    at: float
    text: str


@dataclass(frozen=True)
class Mark:
    """One method in a panel. `series` numbers the method over all panels, so that its colour is the same."""

    x: float
    y: float
    label: str
    series: int
    is_network: bool


@dataclass(frozen=True)
class Panel:
    """A quantity against time of one data set; what is better is further up."""

    title: str
    quantity: Quantity
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]


@dataclass(frozen=True)
class Bar:
    """One picture's gain: a rectangle, and the card it leads to."""

    x: float
    y: float
    width: float
    height: float
    label: str
    card: int


@dataclass(frozen=True)
class GainChart:
    """What `method` adds to `baseline` on every picture, in ascending order; `zero` is where 0 dB lies."""

    title: str
    method: str
    baseline: str
    mean: Tick
    y_ticks: tuple[Tick, ...]
    zero: float
    bars: tuple[Bar, ...]


def psnr(protocol: Protocol) -> Quantity:
    """The mean PSNR by `protocol`."""

    def of(row: Row) -> float | None:
        mean = row.mean_score(protocol)
        return None if mean is None else mean.psnr

    heading = f"PSNR {protocol.name}"
    return Quantity(heading, f"{heading} [dB]", of, lambda value: f"{value:.2f} dB", max)


def values(metric: Metric) -> Quantity:
    """The mean value by `metric`."""

    def of(row: Row) -> float | None:
        return row.mean_value(metric)

    return Quantity(
        metric.heading, metric.heading, of, lambda value: f"{value:.{metric.digits}f}", metric.best
    )


def panels(rows: Sequence[Row], quantity: Quantity, series: Sequence[str], frame: Frame) -> list[Panel]:
    """A panel for each data set and scale that was scored with finite values, in the order of `rows`."""
    groups: dict[tuple[str, int], list[tuple[Row, float]]] = {}
    for row in rows:
        value = quantity.of(row)
        if value is not None and math.isfinite(value):
            groups.setdefault((row.data_set, row.method.scale), []).append((row, value))
    return [
        _panel(f"{name} ×{scale}", quantity, group, series, frame) for (name, scale), group in groups.items()
    ]


def gain_charts(cards: Sequence[Card], frame: Frame) -> list[GainChart]:
    """A chart for each data set and scale with at least two pictures."""
    groups: dict[tuple[str, int], list[tuple[float, int]]] = {}
    for index, card in enumerate(cards):
        if card.gain is not None:
            groups.setdefault((card.data_set, card.scale), []).append((card.gain, index))
    return [
        _gain_chart(f"{name} ×{scale}", sorted(gains), cards, frame)
        for (name, scale), gains in groups.items()
        if len(gains) > 1
    ]


def linear_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) inside `low` .. `high`, at most `most`."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / most))
    step = next(power * factor for factor in (1, 2, 5, 10, 20) if span / (power * factor) <= most - 1)
    first = math.ceil(low / step - 1e-9)
    return [step * i for i in range(first, math.floor(high / step + 1e-9) + 1)]


def logarithmic_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5 times powers of ten inside `low` .. `high`, or the powers alone over more than two decades."""
    factors = (1,) if math.log10(high / low) > 2 else (1, 2, 5)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [tick for decade in decades for f in factors if low <= (tick := f * 10.0**decade) <= high]


def _panel(
    title: str, quantity: Quantity, group: list[tuple[Row, float]], series: Sequence[str], frame: Frame
) -> Panel:
    times = [1000 * row.seconds for row, _ in group]
    x_low, x_high = min(times) / 1.6, max(times) * 1.6
    y_low, y_high = _padded([value for _, value in group])
    worst, best = (y_high, y_low) if quantity.best((y_low, y_high)) == y_low else (y_low, y_high)
    x = _scale(math.log(x_low), math.log(x_high), frame.left, frame.right)
    y = _scale(worst, best, frame.bottom, frame.top)
    marks = tuple(
        Mark(
            x(math.log(time)),
            y(value),
            f"{row.method.name}: {quantity.text(value)}, {time:.1f} ms",
            series.index(row.method.name),
            row.method.network is not None,
        )
        for (row, value), time in zip(group, times, strict=True)
    )
    x_ticks = tuple(Tick(x(math.log(t)), f"{t:g}") for t in logarithmic_ticks(x_low, x_high))
    return Panel(title, quantity, x_ticks, _y_ticks(y_low, y_high, y), marks)


def _gain_chart(title: str, gains: list[tuple[float, int]], cards: Sequence[Card], frame: Frame) -> GainChart:
    values = [gain for gain, _ in gains]
    low, high = min(0.0, *values), max(0.0, *values)
    margin = 0.06 * (high - low) or 1.0
    low, high = low - margin * (low < 0), high + margin
    y = _scale(low, high, frame.bottom, frame.top)
    step = (frame.right - frame.left) / len(values)
    width = min(step - min(2.0, 0.25 * step), WIDEST_BAR)
    bars = tuple(
        Bar(
            x=frame.left + (i + 0.5) * step - width / 2,
            y=min(y(gain), y(0)),
            width=width,
            height=abs(y(gain) - y(0)),
            label=f"{cards[index].name}: {gain:+.2f} dB",
            card=index,
        )
        for i, (gain, index) in enumerate(gains)
    )
    mean = sum(values) / len(values)
    method, baseline = cards[gains[0][1]].compared
    return GainChart(
        title, method, baseline, Tick(y(mean), f"mean {mean:+.2f}"), _y_ticks(low, high, y), y(0), bars
    )


def _y_ticks(low: float, high: float, y: Scale) -> tuple[Tick, ...]:
    return tuple(Tick(y(tick), f"{tick:g}") for tick in (round(t, 9) for t in linear_ticks(low, high)))


def _padded(values: Iterable[float]) -> tuple[float, float]:
    values = list(values)
    margin = 0.12 * (max(values) - min(values)) or 0.05 * abs(values[0]) or 0.5
    return min(values) - margin, max(values) + margin


def _scale(low: float, high: float, start: float, stop: float) -> Scale:
    return lambda value: start + (value - low) / (high - low) * (stop - start)
