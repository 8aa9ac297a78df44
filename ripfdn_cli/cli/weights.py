"""`ripfdn weights`: list, inspect, fetch, import and export checkpoints."""

import io
import logging
from pathlib import Path
from typing import Any

import click

from ripfdn_cli.cli.choices import Weights
from ripfdn_cli.cli.console import Console, console_options, count_progress
from ripfdn_cli.cli.help_pages import INPUT_AND_OUTPUT, Group, titled
from ripfdn_cli.cli.places import PATH
from ripfdn_cli.errors import CheckpointError, SomeItemsFailedError

log = logging.getLogger(__name__)

OUTPUT = click.Path(path_type=Path, dir_okay=False, readable=False)


@click.group(cls=Group)
def weights() -> None:
    """List, inspect, mix, fetch, import and export weights.

    Wherever ripfdn takes --weights, give a name from 'ripfdn weights list' or the path of a file.
    """


@weights.command("list", examples=[("ripfdn weights list --json", "for programs")])
@console_options
def list_(console: Console) -> None:
    """List the weights that --weights takes by name: those shipped with ripfdn and your own."""
    from ripfdn_cli.model.checkpoint import Checkpoint
    from ripfdn_cli.model.weights_store import list_weights

    found = list_weights()
    width = max(map(len, found), default=0)
    damaged = []
    for name, path in found.items():
        try:
            checkpoint = Checkpoint.load(path)
        except CheckpointError as error:
            damaged.append(str(error))
            continue
        config = checkpoint.config
        console.record(
            {"name": name, "scale": config.scale, "parameters": checkpoint.parameters, "path": str(path)}
        )
        console.text(f"{name:{width}}  ×{config.scale}  {checkpoint.parameters:,} parameters  {path}")
    if damaged:
        raise SomeItemsFailedError("; ".join(damaged))


@weights.command(examples=[("ripfdn weights info x4", "what x4 was trained on, and what it scores")])
@click.argument("name", type=Weights())
@console_options
def info(console: Console, name: str) -> None:
    """Show config, provenance and hash of NAME, a name or a file, after checking that it is intact."""
    from ripfdn_cli.model.network import build_network
    from ripfdn_cli.model.weights_store import load_weights, weights_path

    checkpoint = load_weights(name)
    build_network(checkpoint)
    values = {
        "path": str(weights_path(name)),
        "sha256": checkpoint.sha256,
        "parameters": checkpoint.parameters,
        "config": checkpoint.config.as_dict(),
        "provenance": checkpoint.provenance,
    }
    console.record(values)
    for line in _lines(values):
        console.text(line)


@weights.command(
    "import",
    examples=[
        ("ripfdn weights import model.pth", "installed as 'model'; then: ripfdn upscale -w model …"),
        ("ripfdn weights import runs/mine/best.safetensors --name mine", "installed as 'mine'"),
        ("ripfdn weights import model.pth model.safetensors", "converted into a file"),
    ],
)
@click.argument("source", type=PATH)
@click.argument("output", type=OUTPUT, required=False)
@titled(
    INPUT_AND_OUTPUT,
    click.option("--name", help="Name to install them under.  [default: SOURCE's own]"),
    click.option("--overwrite", is_flag=True, help="Replace OUTPUT, or weights of that name."),
)
@console_options
def import_(console: Console, source: Path, output: Path | None, name: str | None, overwrite: bool) -> None:
    """Install SOURCE under a name that --weights takes; or, with OUTPUT, write it to that file instead.

    SOURCE holds weights in ripfdn's format, as 'ripfdn train' writes them, or under the authors' names (.pth,
    .safetensors).
    """
    from ripfdn_cli.files.atomic_file import write_bytes
    from ripfdn_cli.model.weights_store import import_weights, install

    if output is not None and name is not None:
        raise click.UsageError("OUTPUT and --name contradict each other; give one")
    checkpoint = import_weights(source)
    if output is None:
        called = name or source.stem
        path = install(called, checkpoint, overwrite=overwrite)
        _tell_installed(console, called, path, checkpoint.config.scale)
        return
    write_bytes(output, checkpoint.to_bytes(), overwrite=overwrite)
    _tell_written(console, output, checkpoint.config.scale)


@weights.command(examples=[("ripfdn weights export x4 team23.pth", "for the authors' code")])
@click.argument("name", type=Weights())
@click.argument("output", type=OUTPUT)
@titled(INPUT_AND_OUTPUT, click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it exists."))
@console_options
def export(console: Console, name: str, output: Path, overwrite: bool) -> None:
    """Write NAME under the authors' names to OUTPUT (.pth or .safetensors), for tools made for their code."""
    from ripfdn_cli.files.atomic_file import write_bytes
    from ripfdn_cli.model.checkpoint import RELEASED_SUFFIX, SUFFIX, suffix_of
    from ripfdn_cli.model.released_checkpoint import export_released
    from ripfdn_cli.model.weights_store import load_weights

    if suffix_of(output) not in (RELEASED_SUFFIX, SUFFIX):
        raise click.UsageError(f"{output} does not end in .pth or .safetensors; use one of them")
    checkpoint = load_weights(name)
    content = _serialised(export_released(checkpoint), suffix_of(output))
    write_bytes(output, content, overwrite=overwrite)
    _tell_written(console, output, checkpoint.config.scale)


@weights.command(
    examples=[("ripfdn weights mix x4 x4-photo half.safetensors --strength 0.5", "half of each")]
)
@click.argument("name", type=Weights())
@click.argument("other", type=Weights())
@click.argument("output", type=OUTPUT)
@titled(
    INPUT_AND_OUTPUT,
    click.option(
        "--strength",
        type=click.FloatRange(0, 1),
        required=True,
        help="0 for NAME, 1 for OTHER, or anything in between.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace OUTPUT if it exists."),
)
@console_options
def mix(console: Console, name: str, other: str, output: Path, strength: float, overwrite: bool) -> None:
    """Write weights between NAME and OTHER, of which one was trained from the other, to OUTPUT."""
    from ripfdn_cli.files.atomic_file import write_bytes
    from ripfdn_cli.model.mixing import between
    from ripfdn_cli.model.weights_store import load_weights

    checkpoint = between(load_weights(name), load_weights(other), strength)
    write_bytes(output, checkpoint.to_bytes(), overwrite=overwrite)
    _tell_written(console, output, checkpoint.config.scale)


@weights.command(
    examples=[
        ("ripfdn weights fetch released", "then: ripfdn upscale -w released …"),
        (
            "ripfdn weights fetch released --url team23_RIPFDN.pth",
            "from a file that was downloaded elsewhere",
        ),
    ]
)
@click.argument("name", type=click.Choice(["released"]))
@titled(
    INPUT_AND_OUTPUT,
    click.option(
        "--url",
        help="A mirror or a file to get them from; its SHA-256 must match.  [default: the authors' URL]",
    ),
)
@console_options
def fetch(console: Console, name: str, url: str | None) -> None:
    """Download the checkpoint that RIPFDN's authors released, and install it under the name 'released'.

    HTTPS_PROXY and NO_PROXY are honoured.
    """
    from ripfdn_cli.model.weights_store import RELEASED_LICENCE, fetch_released

    with console.progress(total=None, unit="B", description=name) as bar:
        path, scale = fetch_released(url, count_progress(bar))
    log.info("licence of these weights: %s", RELEASED_LICENCE)
    _tell_installed(console, name, path, scale)


def _tell_installed(console: Console, name: str, path: Path, scale: int) -> None:
    console.record({"name": name, "output": str(path), "scale": scale})
    log.info("installed %s as '%s' (×%d)", path, name, scale)


def _tell_written(console: Console, path: Path, scale: int) -> None:
    console.record({"output": str(path), "scale": scale})
    log.info("wrote %s (×%d)", path, scale)


def _serialised(tensors: dict[str, Any], suffix: str) -> bytes:
    if suffix == ".safetensors":
        from safetensors.torch import save

        return save(tensors)
    import torch

    buffer = io.BytesIO()
    torch.save({"params": tensors}, buffer)
    return buffer.getvalue()


def _lines(values: dict[str, Any], indent: str = "") -> list[str]:
    lines = []
    for key, value in values.items():
        if isinstance(value, dict):
            lines += [f"{indent}{key}:", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines
