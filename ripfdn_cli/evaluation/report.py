"""An evaluation as one self-contained HTML page: tables, plots, a slider for every picture."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from ripfdn_cli import __version__
from ripfdn_cli.evaluation import report_plots
from ripfdn_cli.evaluation.benchmark import Method, Row, UpscaledPicture
from ripfdn_cli.evaluation.report_pictures import SHOWN_SIDE, Card, picture_card
from ripfdn_cli.evaluation.speed import machine_name
from ripfdn_cli.evaluation.table import (
    NOTHING,
    Column,
    cell,
    difference_headings,
    difference_lines,
    difference_notes,
    engine_text,
    metrics_of,
    notes,
    number_columns,
)
from ripfdn_cli.image_math.metrics import Protocol

_PACKAGE = "ripfdn_cli.evaluation"


@dataclass(frozen=True)
class Cell:
    """A cell of the page's table; the best of a column stands out."""

    text: str
    is_best: bool


@dataclass(frozen=True)
class Line:
    """A row of the page's table."""

    method: str
    engine: str
    series: int
    is_network: bool
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Group:
    """A data set at a scale: its part of the table, and its headline figure."""

    title: str
    pictures: int
    lines: tuple[Line, ...]
    figure: str
    unit: str
    remark: str


@dataclass
class Report:
    """Collects pictures while an evaluation runs; the first of `protocols` is that of plots and pictures."""

    protocols: Sequence[Protocol]
    _cards: list[Card] = field(default_factory=list)

    def add(self, picture: UpscaledPicture) -> None:
        """Encode what the page will show of `picture`, which may be forgotten then."""
        self._cards.append(picture_card(picture, self.protocols[0]))

    def render(self, rows: Sequence[Row]) -> str:
        """The page."""
        series = list(dict.fromkeys(row.method.name for row in rows))
        metrics = metrics_of(rows)
        columns = number_columns(self.protocols, metrics)
        groups = [_group(part, columns, series, self.protocols[0]) for part in _by_data_set(rows)]
        plot_columns = min(max(len(groups), 2), 3)
        frame = report_plots.Frame(width=360.0 if plot_columns == 3 else 540.0)
        return rendered(
            "eval",
            [row.method for row in rows],
            title=_title(rows),
            groups=groups,
            headings=[column.heading for column in columns],
            protocol=self.protocols[0],
            notes=notes(rows, self.protocols),
            differences=difference_lines(rows, self.protocols),
            difference_headings=difference_headings(self.protocols, metrics),
            difference_notes=difference_notes(rows, self.protocols),
            networks=_network_lines(rows),
            panels=[
                panel
                for quantity in (report_plots.psnr(self.protocols[0]), *map(report_plots.values, metrics))
                for panel in report_plots.panels(rows, quantity, series, frame)
            ],
            gains=report_plots.gain_charts(self._cards, frame),
            gain_of=next(row.method.name for row in rows if row.method.network is not None),
            gain_over=next(row.method.name for row in rows if row.method.network is None),
            frame=frame,
            plot_columns=plot_columns,
            legend=[(name, _is_network(name, rows)) for name in series],
            cards=self._cards,
            shown_side=SHOWN_SIDE,
            shown=list(dict.fromkeys(shot.label for card in self._cards for shot in card.shots)),
        )


def rendered(command: str, methods: Sequence[Method], *, packages: Sequence[str] = (), **values: Any) -> str:
    """The page that the template of `command` makes of `values`, in the frame that all pages have, which
    names the machine that ran `methods`. Templates lie in the folders "templates" of `packages` and of this
    one; what is put into a page is escaped.
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "templates") for package in (*packages, _PACKAGE)]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    devices = sorted({method.device for method in methods if method.device.startswith("cuda")})
    return environment.get_template(f"{command}.html").render(
        command=command,
        version=__version__,
        machine=", ".join(map(machine_name, ["cpu", *devices])),
        date=datetime.date.today().isoformat(),
        **values,
    )


def _by_data_set(rows: Sequence[Row]) -> list[list[Row]]:
    return [list(part) for _, part in groupby(rows, key=lambda row: (row.data_set, row.method.scale))]


def _group(rows: list[Row], columns: list[Column], series: list[str], protocol: Protocol) -> Group:
    title = f"{rows[0].data_set} ×{rows[0].method.scale}"
    lines = tuple(
        Line(
            row.method.name,
            engine_text(row),
            series.index(row.method.name),
            row.method.network is not None,
            tuple(Cell(cell(column, row), _is_best(column, row, rows)) for column in columns),
        )
        for row in rows
    )
    return Group(title, len(rows[0].pictures), lines, *_headline(rows, protocol))


def _headline(rows: list[Row], protocol: Protocol) -> tuple[str, str, str]:
    """Figure, unit and remark for the first network: PSNR and its gain, or time where there is no HR."""
    network = next(row for row in rows if row.method.network is not None)
    own, baseline = network.mean_score(protocol), rows[0].mean_score(protocol)
    if own is None or baseline is None:
        return f"{1000 * network.seconds:.0f}", "ms", f"a picture, {network.method.name}"
    gain = f"{own.psnr - baseline.psnr:+.2f} dB".replace("-", "−")
    remark = f"PSNR {protocol.name} of {network.method.name}, {gain} over {rows[0].method.name}"
    return f"{own.psnr:.2f}", "dB", remark


def _is_best(column: Column, row: Row, rows: list[Row]) -> bool:
    """Whether `row` has the best of several networks: interpolations are faster, and don't compete."""
    rivals = [r for r in rows if r.method.network is not None]
    if column.best is None or row not in rivals or len(rivals) < 2:
        return False
    values = [value for rival in rivals if (value := column.value(rival)) is not None]
    return bool(values) and column.value(row) == column.best(values)


def _is_network(name: str, rows: Sequence[Row]) -> bool:
    return any(row.method.network is not None for row in rows if row.method.name == name)


def _title(rows: Sequence[Row]) -> str:
    """Which networks on which data sets, e.g. x4 on Set5, Set14 and BSD100."""
    networks = list(dict.fromkeys(row.method.name for row in rows if row.method.network is not None))
    what = _joined(networks) if len(networks) <= 3 else f"{len(networks)} networks"
    return f"{what} on {_joined(list(dict.fromkeys(row.data_set for row in rows)))}"


def _joined(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _network_lines(rows: Sequence[Row]) -> list[tuple[str, str, str]]:
    """Name, weights and hash of every network."""
    found = {
        row.method.name: (row.method.name, network.weights, network.sha256 or NOTHING)
        for row in rows
        if (network := row.method.network) is not None
    }
    return list(found.values())
