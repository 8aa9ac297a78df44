"""`ripfdn upscale`: pictures and videos in, larger ones out."""

from __future__ import annotations

import logging
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click

from ripfdn_cli.cli.console import Console, console_options
from ripfdn_cli.cli.network_options import network_options
from ripfdn_cli.cli.picture_options import picture_options, size_options
from ripfdn_cli.cli.upscale_video import is_video_command, upscale_videos
from ripfdn_cli.cli.video_options import VideoOptions, video_options
from ripfdn_cli.errors import SomeItemsFailedError, UsageError

if TYPE_CHECKING:
    from tqdm import tqdm

    from ripfdn_cli.image_formats import Format
    from ripfdn_cli.jobs.batch import Batch
    from ripfdn_cli.jobs.devices import NetworkSettings
    from ripfdn_cli.jobs.images import Outcome
    from ripfdn_cli.jobs.picture_job import PictureSettings

log = logging.getLogger(__name__)

PIPE = "-"
STATUSES = ("done", "skipped", "failed")


@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(),
    help="A file, a folder, a name template such as 'out/{stem}_x{scale}{ext}', or - for stdout.",
)
@click.option("--overwrite", is_flag=True, help="Replace outputs that exist already.")
@click.option(
    "--skip-existing",
    is_flag=True,
    help="Leave out what is done already, by a journal beside it; folders do so without --overwrite.",
)
@click.option("--include", multiple=True, metavar="GLOB", help="Of folders, only files that match.")
@click.option("--exclude", multiple=True, metavar="GLOB", help="Of folders, no files that match.")
@click.option(
    "--shard",
    metavar="N/M",
    help="Only share N of M, as 3/16: for the jobs of an array, all into one folder.",
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done, how large, how long, and stop.")
@size_options
@network_options
@picture_options
@video_options
@console_options
def upscale(
    console: Console,
    *,
    inputs: tuple[str, ...],
    output: str,
    overwrite: bool,
    skip_existing: bool,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    shard: str | None,
    dry_run: bool,
    network: NetworkSettings,
    picture: PictureSettings,
    file_format: Format | None,
    video: VideoOptions,
) -> None:
    """Upscale pictures and videos: INPUTS are files, folders (at any depth), URLs (s3://bucket/folder/) of
    either, or - for stdin.

    A folder or a glob of numbered frames with --fps becomes a video, and a video becomes numbered frames, by
    an output such as clip.mkv or 'out/%06d.png'.
    """
    from ripfdn_cli.jobs.batch import BatchRequest, plan_batch
    from ripfdn_cli.jobs.shards import Shard
    from ripfdn_cli.storage import location

    silence_decoders()
    share = None if shard is None else Shard.parse(shard)
    if is_video_command(inputs, output):
        _refuse_for_video(inputs, output, shard)
        upscale_videos(
            console,
            inputs,
            output,
            options=video,
            size=picture.size,
            network=network,
            max_pixels=picture.max_pixels,
            overwrite=overwrite,
            dry_run=dry_run,
        )
        return
    if video.given:
        raise UsageError(f"{video.given[0]} is for video and says nothing to pictures; leave it")
    if PIPE in inputs or output == PIPE:
        _upscale_pipe(console, inputs, output, overwrite, network, picture, file_format)
        return
    paths = tuple(location(name) for name in inputs)
    request = BatchRequest(paths, output, file_format, include, exclude, overwrite, skip_existing, share)
    batch = plan_batch(request, picture, network)
    if dry_run:
        _show_estimate(console, batch)
    else:
        _run(console, batch)


def _refuse_for_video(inputs: tuple[str, ...], output: str, shard: str | None) -> None:
    """Raises UsageError for what only pictures can have."""
    from ripfdn_cli.storage import is_url

    if shard is not None:
        raise UsageError("--shard is for pictures; give each job videos of its own")
    for name in (*inputs, output):
        if is_url(name):
            raise UsageError(
                f"{name}: videos are read and written in files only; mount the store as a folder "
                "(with s3fs-fuse, mountpoint-s3 or rclone), or copy the video"
            )


def _run(console: Console, batch: Batch) -> None:
    started, count = time.perf_counter(), Counter[str]()
    single = len(batch) == 1
    with (
        console.progress(total=None if single else len(batch), unit="tile" if single else "picture") as bar,
        closing(batch.run(_tile_progress(bar) if single else None)) as outcomes,
    ):
        for outcome in outcomes:
            record = outcome.record()
            count[record["status"]] += 1
            console.record(record)
            _tell(console, outcome, alone=batch.is_single)
            bar.update(0 if single else 1)
    seconds = round(time.perf_counter() - started, 3)
    console.record({"summary": True, **{name: count[name] for name in STATUSES}, "seconds": seconds})
    if batch.is_single:
        return
    log.info("%d done, %d skipped, %d failed in %.1f s", *(count[name] for name in STATUSES), seconds)
    if count["failed"]:
        raise SomeItemsFailedError(f"{count['failed']} of {len(batch)} pictures failed, each listed above")


def _show_estimate(console: Console, batch: Batch) -> None:
    """What `_run` would do, a line or record for each picture, and in all."""
    from ripfdn_cli.jobs.estimate import Estimator

    done, to_do = batch.look()
    seconds, memory, disk, unreadable = 0.0, 0, 0, 0
    with closing(Estimator(batch)) as estimator, console.progress(total=len(to_do), unit="picture") as bar:
        for task in to_do:
            estimate = estimator.estimate(task)
            bar.update()
            console.record(estimate.record())
            unreadable += estimate.error is not None
            seconds += estimate.seconds
            memory, disk = max(memory, estimate.memory), disk + estimate.disk
            console.text(str(estimate))
    for outcome in batch.failed:
        console.record(outcome.record())
        console.text(f"{outcome.source}: {outcome.error}")
    failed = len(batch.failed) + unreadable
    totals = {"planned": len(to_do) - unreadable, "skipped": len(done), "failed": failed}
    console.record({"summary": True, **totals, "seconds": round(seconds, 2), "memory": memory, "disk": disk})
    console.text(
        f"{totals['planned']} to do, {len(done)} done already, {failed} unreadable; "
        f"about {seconds:.0f} s of the network, {memory / 1e9:.1f} GB of memory for the largest, "
        f"{disk / 1e6:.1f} MB of disk"
    )


def _tell(console: Console, outcome: Outcome, *, alone: bool) -> None:
    """The one picture's error ends the command; one of several is listed, and the others go on."""
    if outcome.error is not None:
        if alone:
            raise outcome.error
        console.fail(str(outcome.error))
    elif outcome.facts is None:
        log.debug("%s: done already, skipped", outcome.source)
    else:
        width, height = outcome.facts.output_size
        level = logging.INFO if alone else logging.DEBUG
        log.log(level, "%s: %d×%d px in %.1f s", outcome.output, width, height, outcome.seconds)


def _tile_progress(bar: tqdm[Any]) -> Callable[[int, int], None]:
    """Shows tiles; a second round (transparency, another frame) adds to the first."""
    earlier = 0

    def show(done: int, total: int) -> None:
        nonlocal earlier
        if earlier + done <= bar.n:
            earlier = int(bar.n)
        bar.total = earlier + total
        bar.update(earlier + done - bar.n)

    return show


def _upscale_pipe(
    console: Console,
    inputs: tuple[str, ...],
    output: str,
    overwrite: bool,
    network: NetworkSettings,
    picture: PictureSettings,
    file_format: Format | None,
) -> None:
    """One picture from stdin, to stdout, or both."""
    from ripfdn_cli.image_files import read_file, read_limited
    from ripfdn_cli.jobs.images import ImageRun, Outcome
    from ripfdn_cli.jobs.output_names import output_names
    from ripfdn_cli.storage import location, make_folder, publish

    started = time.perf_counter()
    if len(inputs) > 1:
        raise UsageError("a pipe takes one picture: give one input with -, or with -o -")
    source, to_stdout = location(inputs[0]), output == PIPE
    _check_pipes(console, from_stdin=inputs[0] == PIPE, to_stdout=to_stdout)
    target = None if to_stdout else output_names(output, [source], file_format).single
    if target is None and not to_stdout:
        raise UsageError(f"-o {output}: what comes from stdin has no name; name the file to write")
    if target is not None and file_format is None:
        file_format = output_names(output, [source], None).format_for(target)
    if inputs[0] == PIPE:
        data, name = read_limited(sys.stdin.buffer, "stdin", picture.max_pixels), "stdin"
    else:
        data, name = read_file(source, max_pixels=picture.max_pixels), str(source)
    with console.progress(total=None, unit="tile") as bar:
        run = ImageRun(picture, network, progress=_tile_progress(bar))
        content, facts = run.run_bytes(data, name, file_format)
    if target is None:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    else:
        make_folder(target.parent)
        publish(target, content, overwrite=overwrite)
    outcome = Outcome(source, target, facts, size=len(content), seconds=time.perf_counter() - started)
    console.record(outcome.record())


def _check_pipes(console: Console, *, from_stdin: bool, to_stdout: bool) -> None:
    if to_stdout and console.json:
        raise UsageError("--json and -o - would both write to stdout; leave one out")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("-o - would write a picture to the terminal; redirect stdout, or name a file")
    if from_stdin and sys.stdin.isatty():
        raise UsageError("- reads a picture from stdin, and stdin is the terminal; redirect it")


def silence_decoders() -> None:
    """What decoders have to say of odd files goes with -v; what matters of it is an error of ours."""
    logging.captureWarnings(True)
    for name in ("py.warnings", "tifffile", "PIL"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
