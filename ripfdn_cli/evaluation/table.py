"""The rows of an evaluation as a table to read, as CSV, and as records for programs."""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ripfdn_cli.evaluation.benchmark import PictureResult, Row
from ripfdn_cli.evaluation.complexity import COUNTED_SIDE, Complexity
from ripfdn_cli.evaluation.differences import (
    FEWEST_PICTURES,
    METRICS,
    Difference,
    Interval,
    differences,
)
from ripfdn_cli.evaluation.library_metrics import Metric
from ripfdn_cli.evaluation.markdown import escaped, markdown_table
from ripfdn_cli.image_math.metrics import Protocol, Score

NOTHING = "–"


@dataclass(frozen=True)
class Column:
    """`heading` with the unit; `value` is None where there is nothing to say; `best` says which end wins."""

    heading: str
    value: Callable[[Row], float | None]
    text: Callable[[float], str]
    best: Callable[[Iterable[float]], float] | None = None


def number_columns(protocols: Iterable[Protocol], metrics: Iterable[Metric] = ()) -> list[Column]:
    """Those of NTIRE's table; PSNR and SSIM for each of `protocols`, and what `metrics` give."""
    scores = [column for protocol in protocols for column in _score_columns(protocol)]
    return [
        *scores,
        *(_metric_column(metric) for metric in metrics),
        Column("Time [ms]", lambda row: 1000 * row.seconds, "{:.1f}".format, min),
        Column("Params [M]", _complexity(lambda cost: cost.parameters / 1e6), "{:.3f}".format),
        Column("MACs [G]", _complexity(lambda cost: cost.macs / 1e9), "{:.2f}".format),
        Column("Acts [M]", _complexity(lambda cost: cost.activations / 1e6), "{:.1f}".format),
        Column(
            "Memory [MiB]", lambda row: None if row.memory is None else row.memory / 2**20, "{:.0f}".format
        ),
        Column("Convs", _complexity(lambda cost: cost.convolutions), "{:.0f}".format),
    ]


def metrics_of(rows: Sequence[Row]) -> tuple[Metric, ...]:
    """Those that `rows`, all of one evaluation, were scored by."""
    return rows[0].metrics if rows else ()


def cell(column: Column, row: Row) -> str:
    """The text of `row` in `column`."""
    value = column.value(row)
    return NOTHING if value is None else column.text(value)


def engine_text(row: Row) -> str:
    """What computed `row`, e.g. torch fp32 cpu."""
    network = row.method.network
    return "Pillow cpu" if network is None else f"{network.engine} {network.precision} {network.device}"


def text_table(rows: Sequence[Row], protocols: Sequence[Protocol]) -> list[str]:
    """The lines of a Markdown table."""
    columns = number_columns(protocols, metrics_of(rows))
    headings = ["Data set", "Method", "Engine", *(column.heading for column in columns)]
    lines = [
        [
            escaped(f"{row.data_set} ×{row.method.scale}"),
            escaped(row.method.name),
            engine_text(row),
            *(cell(column, row) for column in columns),
        ]
        for row in rows
    ]
    return markdown_table(headings, lines, words=3)


@dataclass(frozen=True)
class DifferenceLine:
    """A network against the first one of its set, as texts. `cells` in pairs, each with whether it is clear:
    the mean difference and its interval, in the order of `difference_headings`.
    """

    data_set: str
    method: str
    against: str
    pictures: int
    cells: tuple[tuple[str, bool], ...]


def difference_headings(protocols: Iterable[Protocol], metrics: Iterable[Metric] = ()) -> list[str]:
    """Of the numbers of a DifferenceLine."""
    scores = [
        heading
        for protocol in protocols
        for heading in (f"PSNR {protocol.name} [dB]", f"SSIM {protocol.name}")
    ]
    headings = (*scores, *(metric.heading for metric in metrics))
    return [text for heading in headings for text in (heading, "95 % interval")]


def difference_lines(rows: Sequence[Row], protocols: Sequence[Protocol]) -> list[DifferenceLine]:
    """One for each network with scores but the first of a set; none where there is one network."""
    return [
        DifferenceLine(
            f"{row.data_set} ×{row.method.scale}",
            row.method.name,
            difference.against,
            difference.pictures,
            tuple(
                cell
                for interval, digits in _intervals(difference, protocols, row.metrics)
                for cell in _difference_cells(interval, digits)
            ),
        )
        for row, difference in zip(rows, differences(rows, protocols), strict=True)
        if difference is not None and row.mean_score(protocols[0]) is not None
    ]


def _intervals(
    difference: Difference, protocols: Iterable[Protocol], metrics: Iterable[Metric]
) -> list[tuple[Interval | None, int]]:
    """In the order of `difference_headings`, with the decimals to show."""
    scores = [
        (difference.intervals.get(protocol.name, {}).get(metric), digits)
        for protocol in protocols
        for metric, digits in zip(METRICS, (3, 4), strict=True)
    ]
    return scores + [(difference.values.get(metric.name), metric.digits) for metric in metrics]


def difference_table(rows: Sequence[Row], protocols: Sequence[Protocol]) -> list[str]:
    """The lines of a Markdown table, or none where there are not two networks to compare."""
    lines = difference_lines(rows, protocols)
    if not lines:
        return []
    headings = ["Data set", "Method", "minus", *difference_headings(protocols, metrics_of(rows))]
    cells = [
        [
            escaped(line.data_set),
            escaped(line.method),
            escaped(line.against),
            *(text for text, _ in line.cells),
        ]
        for line in lines
    ]
    return markdown_table(headings, cells, words=3)


def difference_notes(rows: Sequence[Row], protocols: Sequence[Protocol]) -> list[str]:
    """What the intervals mean, where there are any."""
    lines = difference_lines(rows, protocols)
    if not lines:
        return []
    few = min(line.pictures for line in lines) < FEWEST_PICTURES
    return [
        "Differences: mean over the pictures, with a paired bootstrap interval. One that contains 0 shows "
        "no difference: other pictures of this kind could reverse the order.",
        *([f"Fewer than {FEWEST_PICTURES} pictures are too few for an interval."] if few else []),
    ]


def notes(rows: Sequence[Row], protocols: Iterable[Protocol]) -> list[str]:
    """What the numbers in the table mean: a line for each protocol, and how cost was measured."""
    scales = sorted({row.method.scale for row in rows})
    return [
        *(protocol.text(scale) for protocol in protocols for scale in scales),
        *(metric.text for metric in metrics_of(rows)),
        f"MACs and Acts: of the convolutions, for an input of {COUNTED_SIDE}×{COUNTED_SIDE} px.",
        "Time: mean of a picture, pixels in to pixels out, after one run of each size. "
        "Memory: peak of loading and of the largest picture.",
    ]


def csv_table(rows: Iterable[Row], protocols: Sequence[Protocol]) -> str:
    """One line for each row, with the protocols' names in the headings and no units in the cells."""
    stream = io.StringIO()
    rows = list(rows)
    pairs = zip(rows, differences(rows, protocols), strict=True)
    records = [_flat(row, protocols, difference) for row, difference in pairs]
    writer = csv.DictWriter(stream, records[0].keys(), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return stream.getvalue()


def record(row: Row, protocols: Iterable[Protocol], difference: Difference | None = None) -> dict[str, Any]:
    """`row` as a JSON object. Times in seconds, memory in bytes; an infinite PSNR is the string "inf"."""
    protocols = tuple(protocols)
    network = row.method.network
    scale = row.method.scale
    means = {p.name: mean for p in protocols if (mean := row.mean_score(p)) is not None}
    return {
        "data_set": row.data_set,
        "scale": scale,
        "method": row.method.name,
        "weights": network and network.weights,
        "sha256": network and network.sha256,
        "engine": network.engine if network else "Pillow",
        "precision": network and network.precision,
        "device": row.method.device,
        "scores": {name: mean.as_json() for name, mean in means.items()},
        "metrics": {metric.name: row.mean_value(metric) for metric in row.metrics},
        "protocols": {p.name: p.text(scale) for p in protocols},
        "difference": difference and asdict(difference),
        "seconds": row.seconds,
        "memory": row.memory,
        "complexity": asdict(network.complexity) if network and network.complexity else None,
        "pictures": [_picture(picture) for picture in row.pictures],
    }


def _score_columns(protocol: Protocol) -> list[Column]:
    def mean(row: Row, pick: Callable[[Score], float]) -> float | None:
        score = row.mean_score(protocol)
        return None if score is None else pick(score)

    return [
        Column(f"PSNR {protocol.name} [dB]", lambda row: mean(row, lambda s: s.psnr), "{:.3f}".format, max),
        Column(f"SSIM {protocol.name}", lambda row: mean(row, lambda s: s.ssim), "{:.4f}".format, max),
    ]


def _metric_column(metric: Metric) -> Column:
    text = f"{{:.{metric.digits}f}}".format
    return Column(metric.heading, lambda row: row.mean_value(metric), text, metric.best)


def _complexity(pick: Callable[[Complexity], float]) -> Callable[[Row], float | None]:
    def value(row: Row) -> float | None:
        network = row.method.network
        return None if network is None or network.complexity is None else pick(network.complexity)

    return value


def _difference_cells(interval: Interval | None, digits: int) -> tuple[tuple[str, bool], tuple[str, bool]]:
    if interval is None:
        return (NOTHING, False), (NOTHING, False)
    mean = _signed(interval.mean, digits)
    if interval.low is None or interval.high is None:
        return (mean, False), (NOTHING, False)
    bounds = f"{_signed(interval.low, digits)} to {_signed(interval.high, digits)}"
    return (mean, interval.is_clear), (bounds, interval.is_clear)


def _signed(value: float, digits: int) -> str:
    """With a sign but of what rounds to nothing."""
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}".replace("-", "−") if rounded else f"{0:.{digits}f}"


def _flat(row: Row, protocols: Iterable[Protocol], difference: Difference | None) -> dict[str, Any]:
    values = record(row, protocols)
    cost = values["complexity"] or dict.fromkeys(Complexity.__dataclass_fields__)
    scores = {
        f"{metric}_{p.name}": values["scores"].get(p.name, {}).get(metric)
        for p in protocols
        for metric in ("psnr", "ssim")
    }
    apart = difference.intervals if difference else {}
    bounds = {
        f"{metric}_{p.name}_{name}": getattr(apart.get(p.name, {}).get(metric), field, None)
        for p in protocols
        for metric in METRICS
        for name, field in (("difference", "mean"), ("low", "low"), ("high", "high"))
    }
    values |= {"metrics": {m.key: values["metrics"][m.name] for m in row.metrics}}
    for metric in row.metrics:
        interval = difference and difference.values.get(metric.name)
        for name, field in (("difference", "mean"), ("low", "low"), ("high", "high")):
            bounds[f"{metric.key}_{name}"] = getattr(interval, field, None)
    kept = ("data_set", "scale", "method", "weights", "sha256", "engine", "precision", "device")
    return {
        **{key: values[key] for key in kept},
        "pictures": len(row.pictures),
        **scores,
        **values["metrics"],
        "against": difference and difference.against,
        **bounds,
        "seconds": row.seconds,
        **cost,
        "memory": row.memory,
        "protocols": "; ".join(values["protocols"].values()),
    }


def _picture(picture: PictureResult) -> dict[str, Any]:
    return {
        "name": picture.name,
        "width": picture.width,
        "height": picture.height,
        "seconds": picture.seconds,
        "scores": {name: score.as_json() for name, score in picture.scores.items()},
        "metrics": picture.values,
    }
