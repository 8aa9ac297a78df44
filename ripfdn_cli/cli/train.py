"""`ripfdn train`: settings from preset, file and flags; a bar, JSON lines and logs out of the run's
reports.
"""

import logging
import os
from collections.abc import Callable
from dataclasses import Field, asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from ripfdn_cli.cli.choices import Names, Weights
from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.cli.help_pages import INPUT_AND_OUTPUT, Command, titled
from ripfdn_cli.cli.places import PATH, TEXT_PATH
from ripfdn_cli.cli.sizes import Count
from ripfdn_cli.errors import UsageError
from ripfdn_cli.training import show_pairs as write_pairs
from ripfdn_cli.training import train as run_training
from ripfdn_cli.training.degradation_recipes import RECIPES
from ripfdn_cli.training.durations import format_duration
from ripfdn_cli.training.presets import PRESETS, resolve_settings, resumed_settings
from ripfdn_cli.training.settings import FIELDS, TrainingSettings

if TYPE_CHECKING:
    from ripfdn_cli.training.reports import StepReport, ValidationReport

log = logging.getLogger(__name__)

_NOT_FLAGS = ("preset", "data", "lr_folder", "val")
_WEIGHTS = ("init_from", "teacher")


def _setting_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One option for each setting, so that flags and files can't differ. Values are checked by the
    settings.
    """
    for name, item in reversed(FIELDS.items()):
        if name in _NOT_FLAGS:
            continue
        flag, text = name.replace("_", "-"), item.metadata["help"] + _default(name)
        if item.type is bool:
            command = click.option(f"--{flag}/--no-{flag}", name, default=None, help=text)(command)
        else:
            kind = _type(name, item)
            command = click.option(f"--{flag}", name, type=kind, metavar=_metavar(item), help=text)(command)
    return command


def _default(name: str) -> str:
    """What help says of the value where none is given: that of the default preset."""
    value = getattr(resolve_settings(None, None, {}), name)
    text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return f"  [default: {text}]" if text else ""


def _type(name: str, item: Field[Any]) -> click.ParamType[str] | None:
    """What completes values; the settings check them."""
    if name in _WEIGHTS:
        return Weights()
    choices = item.metadata["choices"]
    return Names(lambda: choices, strict=False) if choices else None


def _metavar(item: Field[Any]) -> str:
    of_each: Any = getattr(item.type, "__args__", [item.type])[0]
    base = {"int": "N", "float": "X", "str": "TEXT"}[of_each.__name__]
    if item.metadata["choices"]:
        base = "|".join(item.metadata["choices"]) + ("|FILE.toml" if item.metadata["others"] else "")
    return f"{base}[,…]" if hasattr(item.type, "__args__") else base


_EXAMPLES = (
    ("ripfdn train photos/ --val Set5 -o runs/mine --max-time 2h", "two hours, with validation on Set5"),
    ("ripfdn train sharp/ --lr-folder scans/ -o runs/mine", "on your own pairs, matched by name"),
    ("ripfdn train -o runs/mine --resume --max-time 4h", "continue that run for two more hours"),
    ("ripfdn train photos/ -o runs/x2 --scale 2 --init-from x4", "another scale, starting from x4"),
    (
        "ripfdn train photos/ --degrade-preset phone --show-pairs 16 pairs.png",
        "check what the network would see, before training",
    ),
    ("ripfdn train --preset factsheet --print-config > mine.toml", "save settings to edit, for --config"),
    ("torchrun --nproc-per-node 8 -m ripfdn_cli train photos/ -o runs/large", "on eight GPUs"),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("data", nargs=-1, type=TEXT_PATH)
@titled(
    INPUT_AND_OUTPUT,
    click.option("-o", "--output", type=PATH, help="Folder for the run; created if missing."),
    click.option(
        "--preset",
        type=click.Choice(sorted(PRESETS)),
        help="Preset that the settings start from.  [default: quick]",
    ),
    click.option("--config", type=PATH, help="TOML file with settings; options override it."),
    click.option(
        "--lr-folder",
        multiple=True,
        type=TEXT_PATH,
        help=FIELDS["lr_folder"].metadata["help"]
        + " In a folder with HR/ and LRbicxN/, pairs are found automatically.",
    ),
    click.option("--val", multiple=True, type=TEXT_PATH, help=FIELDS["val"].metadata["help"]),
    click.option(
        "--degrade-preset",
        type=click.Choice(RECIPES),
        help="Short for --degradations NAME: LR pictures like those from there.",
    ),
    click.option(
        "--resume",
        is_flag=True,
        help="Continue the run in the output folder, or start one if there is none.",
    ),
    click.option(
        "--branch-decay",
        metavar="LENGTH",
        default="",
        show_default=False,
        help="Branch off from the saved state: decay the learning rate to zero over LENGTH (20m, or 500 "
        "steps), and write the weights to the folder branch-STEPS. The run itself is left unchanged.",
    ),
    click.option(
        "--show-pairs",
        type=(Count(1), PATH),
        metavar="N PAGE.png",
        help="Write a picture of the first N pairs that the network would see, LR on the left and its "
        "target on the right, without training.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace the --show-pairs picture if it exists."),
    click.option("--print-config", is_flag=True, help="Print the settings as TOML, without training."),
)
@titled("Settings, with the defaults of --preset quick", _setting_options)
@console_options
def train(
    console: Console,
    /,
    data: tuple[str, ...],
    output: Path | None,
    preset: str | None,
    config: Path | None,
    lr_folder: tuple[str, ...],
    val: tuple[str, ...],
    degrade_preset: str | None,
    resume: bool,
    branch_decay: str,
    show_pairs: tuple[int, Path] | None,
    overwrite: bool,
    print_config: bool,
    **flags: Any,
) -> None:
    """Train RIPFDN on all pictures in the folders DATA.

    Everything goes into the output folder: best.safetensors (by the first validation set), ema.safetensors,
    last.safetensors, curves.png, logs, and the state from which --resume continues.

    With several values, as in --patch 48,64, the run has stages.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    given |= {
        name: list(value) for name, value in (("data", data), ("lr_folder", lr_folder), ("val", val)) if value
    }
    if degrade_preset is not None:
        if flags["degradations"] is not None or flags["degrade"] is False:
            raise UsageError("--degrade-preset sets --degrade and --degradations; leave them out")
        given["degradations"] = degrade_preset
    if print_config:
        click.echo(resolve_settings(preset, config, given).to_toml(), nl=False)
        return
    if show_pairs is not None:
        if resume or branch_decay:
            raise UsageError("--show-pairs trains nothing; leave out --resume and --branch-decay")
        _show_pairs(console, _settings(None, preset, config, given), show_pairs, overwrite)
        return
    if overwrite:
        raise UsageError("--overwrite is for --show-pairs; a run is never replaced: choose another folder")
    if output is None:
        raise UsageError("--output is missing: name the folder for the run")
    base = _saved_settings(output) if resume or branch_decay else None
    settings = _settings(base, preset, config, given)
    with _Watcher(console) as watcher:
        folder = run_training(settings, output, resume=resume, branch_decay=branch_decay, listener=watcher)
    if os.environ.get("RANK", "0") == "0":
        found = sorted(path.name for path in folder.glob("*.safetensors"))
        names = ", ".join(name for name in found if not name.startswith("state"))
        log.info("the run is in %s; its weights are %s", folder, names)


def _show_pairs(
    console: Console, settings: TrainingSettings, shown: tuple[int, Path], overwrite: bool
) -> None:
    count, path = shown
    if path.suffix.lower() != ".png":
        raise UsageError(f"--show-pairs writes PNG; name {path.with_suffix('.png')}, not {path}")
    with _Watcher(console) as watcher:
        write_pairs(settings, count, path, overwrite=overwrite, listener=watcher)
    log.info("%s: %d pairs, LR on the left", path, count)


def _saved_settings(folder: Path) -> TrainingSettings | None:
    from ripfdn_cli.training.state import saved_settings  # imports torch

    return saved_settings(folder)


def _settings(
    base: TrainingSettings | None, preset: str | None, config: Path | None, given: dict[str, Any]
) -> TrainingSettings:
    """Of a new run, or of one that is resumed: then what isn't given stays as it was."""
    if base is not None and preset is None and config is None:
        return resumed_settings(base, given)
    settings = resolve_settings(preset, config, given)
    if not settings.data:
        raise UsageError("no folder of pictures is given; name at least one to train on")
    return settings


class _Watcher:
    """Shows a run: bars on a terminal, a line for each validation, JSON lines with --json."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: tqdm[Any] | None = None
        self._psnr = ""
        self._training = False

    def __enter__(self) -> "_Watcher":
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def preparing(self, what: str, total: int) -> Callable[[int], object]:
        self._open(total, "picture", what)
        assert self._bar is not None
        return self._bar.update

    def stepped(self, report: "StepReport") -> None:
        if not self._training:
            self._training = True
            self._open(
                100, "%", "training", "{desc}: {percentage:5.1f}%|{bar}| {elapsed}<{remaining} {postfix}"
            )
            assert self._bar is not None
            # What was done before this run's first step, in a run that is resumed, took none of its time.
            self._bar.initial = self._bar.n = report.progress * 100
        assert self._bar is not None
        self._bar.update(report.progress * 100 - self._bar.n)
        self._bar.set_postfix_str(
            f"step {report.steps}, loss {report.loss:.5f}, {report.steps_per_second:.2f} it/s{self._psnr}",
            refresh=False,
        )
        self._console.record({"event": "step", **asdict(report)})

    def validated(self, report: "ValidationReport") -> None:
        scores = ", ".join(
            f"{name} {score.psnr:.3f} dB / {score.ssim:.4f}" for name, score in report.scores.items()
        )
        self._psnr = f", {next(iter(report.scores.values())).psnr:.2f} dB"
        mark = " (best)" if report.best else ""
        line = f"step {report.steps}, {format_duration(report.seconds)}: {scores}{mark}"
        if not self._console.json and not self._console.quiet:
            tqdm.write(line)
        self._console.record(report.record())

    def _open(self, total: int, unit: str, description: str, form: str | None = None) -> None:
        self._close()
        self._bar = self._console.progress(total=total, unit=unit, description=description)
        if form:
            self._bar.bar_format = form

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
