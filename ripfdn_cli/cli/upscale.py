"""`ripfdn upscale`: pictures and videos in, larger ones out."""

from __future__ import annotations

import logging
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from ripfdn_cli.cli.console import STATUSES, Console, console_options
from ripfdn_cli.cli.help_pages import INPUT_AND_OUTPUT, Command, titled
from ripfdn_cli.cli.network_options import network_options
from ripfdn_cli.cli.picture_options import picture_options, size_options
from ripfdn_cli.cli.places import TEXT_PATH
from ripfdn_cli.cli.sizes import Count, Rectangle
from ripfdn_cli.cli.upscale_pipe import PIPE, tile_progress, upscale_pipe
from ripfdn_cli.cli.upscale_video import (
    DAMAGED,
    FOR_FRAMES,
    FOR_PICTURES,
    local_paths,
    plan_videos_among,
    run_videos,
    show_plans,
)
from ripfdn_cli.cli.video_options import FOR_VIDEO, given_options, video_options
from ripfdn_cli.errors import SomeItemsFailedError, UsageError

if TYPE_CHECKING:
    from ripfdn_cli.cli.upscale_video import VideosAmong
    from ripfdn_cli.distributed.ray_run import RayCluster
    from ripfdn_cli.image_jobs.batch import Batch, Cluster
    from ripfdn_cli.image_jobs.image_run import Outcome
    from ripfdn_cli.image_jobs.picture_job import PictureSettings
    from ripfdn_cli.pictures.formats import Format
    from ripfdn_cli.pipeline.devices import NetworkSettings
    from ripfdn_cli.video_jobs.video_settings import VideoSettings

log = logging.getLogger(__name__)

_EXAMPLES = (
    ("ripfdn upscale in.png -o out.png", "one picture, four times as large"),
    ("ripfdn upscale in.png -o out.png --fit 3840x2160", "as large as fits into 4K"),
    ("ripfdn upscale photos/ -o large/", "a folder and its subfolders; run it again after a crash to resume"),
    (
        "ripfdn upscale photos/ -o 'large/{stem}_x{scale}{ext}' --format webp",
        "names and a format of your choice",
    ),
    ("cat in.png | ripfdn upscale - -o - --format webp > out.webp", "from a pipe to a pipe"),
    ("ripfdn upscale clip.mp4 -o clip_4x.mkv", "a video, with its sound, subtitles and tags"),
    ("ripfdn upscale frames/ -o clip.mkv --fps 24", "numbered frames become a video"),
    ("ripfdn upscale photos/ -o large/ --dry-run", "estimate sizes, time and memory"),
)


@click.command(cls=Command, examples=_EXAMPLES)
@click.argument("inputs", nargs=-1, required=True, type=TEXT_PATH)
@console_options  # outermost: what the other groups' values make is told through it
@titled(
    INPUT_AND_OUTPUT,
    click.option(
        "-o",
        "--output",
        required=True,
        type=TEXT_PATH,
        help="A file, a folder, a name template such as 'out/{stem}_x{scale}{ext}', or - for stdout.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace existing outputs."),
    click.option(
        "--skip-existing",
        is_flag=True,
        help="Skip inputs that the journal beside the output lists as done, as folders always do; with "
        "--overwrite, do again only what has changed.",
    ),
    click.option("--include", multiple=True, metavar="GLOB", help="In folders, take only files that match."),
    click.option("--exclude", multiple=True, metavar="GLOB", help="In folders, leave out files that match."),
    click.option(
        "--raw",
        type=Rectangle(),
        help="Read raw rgb24 frames of this size, WxH, from stdin; y4m doesn't need it.",
    ),
    click.option(
        "-n",
        "--dry-run",
        is_flag=True,
        help="Show what would be done, with sizes and times, without doing it.",
    ),
)
@titled(
    "Cluster",
    click.option(
        "--shard",
        metavar="N/M",
        help="Do only share N of M, for example 3/16: for array jobs that write to one folder.",
    ),
    click.option(
        "--on",
        type=click.Choice(["ray"]),
        help="Run pictures, and the segments of a video, on a Ray cluster; without --address, a local one.",
    ),
    click.option("--address", help="Address of the Ray cluster: HOST:PORT, auto, or ray://HOST:PORT."),
    click.option(
        "--workers", type=Count(1), help="Workers on the cluster.  [default: as many as it has room for]"
    ),
)
@size_options
@network_options
@picture_options
@video_options
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
    on: str | None,
    address: str | None,
    workers: int | None,
    raw: tuple[int, int] | None,
    dry_run: bool,
    network: NetworkSettings,
    picture: PictureSettings,
    file_format: Format | None,
    video: VideoSettings,
) -> None:
    """Upscale pictures and videos: INPUTS are files, folders (at any depth), URLs (s3://bucket/folder/) of
    either, or - for stdin.

    An image sequence (numbered frames: a folder or a glob, with --fps) becomes a video by an output such as
    clip.mkv, and a video becomes numbered frames by an output such as 'out/%06d.png'.
    """
    from ripfdn_cli.files.storage import location
    from ripfdn_cli.image_jobs.batch import BatchRequest, plan_batch
    from ripfdn_cli.pipeline.shards import Shard
    from ripfdn_cli.video_jobs.video_request import VideoRequest

    silence_decoders()
    share = None if shard is None else Shard.parse(shard)
    cluster = _cluster(on, address, workers)
    choices = (include, exclude, overwrite, skip_existing, share)
    wanted = VideoRequest(local_paths(inputs), output, *choices)
    videos = plan_videos_among(inputs, wanted, _for_videos(video, picture), network)
    _check_kinds(videos)
    if videos is None and (PIPE in inputs or output == PIPE):
        upscale_pipe(console, inputs, output, overwrite, network, picture, file_format, raw)
        return
    if raw is not None:
        raise UsageError("--raw is for frames from stdin; give - as the input and -o -")
    names = inputs if videos is None else videos.other_inputs
    paths = tuple(location(name) for name in names)
    request = BatchRequest(paths, output, *choices, file_format=file_format)
    pictures = plan_batch(request, picture, network) if names else None
    if dry_run:
        _show_estimates(console, pictures, videos)
    else:
        _run(console, pictures, cluster, videos)


def _for_videos(video: VideoSettings, picture: PictureSettings) -> VideoSettings:
    """`video` with what the options that pictures have too say of it."""
    from ripfdn_cli.video_jobs.video_settings import FrameOptions

    given = given_options(("background",))
    return replace(
        video,
        size=picture.size,
        reading=replace(video.reading, max_pixels=picture.max_pixels),
        frames=FrameOptions(picture.quality, picture.lossless, picture.depth),
        background=picture.background if given else None,
    )


def _check_kinds(videos: VideosAmong | None) -> None:
    """Raises UsageError for options of a kind that isn't there."""
    if videos is None and (given := given_options(FOR_VIDEO)):
        raise UsageError(f"{given[0]} is for video and does not apply to pictures; leave it out")
    if videos is None or videos.other_inputs:
        return
    refused = set(FOR_PICTURES) - set(FOR_FRAMES if videos.batch.writes_pictures else ())
    if given := given_options(refused):
        raise UsageError(f"{given[0]} is for pictures and does not apply to video; leave it out")


def _cluster(on: str | None, address: str | None, workers: int | None) -> RayCluster | None:
    from ripfdn_cli.distributed.ray_run import RayCluster

    if on is None and (address is not None or workers is not None):
        raise UsageError(f"{'--address' if address else '--workers'} is for a cluster; add --on ray")
    return None if on is None else RayCluster(address, workers)


def _run(
    console: Console, pictures: Batch | None, cluster: RayCluster | None, videos: VideosAmong | None
) -> None:
    started, count = time.perf_counter(), Counter[str]()
    if pictures is not None:
        count += _run_pictures(console, pictures, cluster, alone=_is_single(pictures, videos))
    if videos is not None:
        count += run_videos(console, videos.batch, cluster)
    damaged = count.pop(DAMAGED, 0)
    seconds = time.perf_counter() - started
    console.summary(count, seconds)
    if _is_single(pictures, videos):
        return
    log.info("%d done, %d skipped, %d failed in %.1f s", *(count[name] for name in STATUSES), seconds)
    if count["failed"]:
        kinds = " and ".join(
            kind for kind, part in (("pictures", pictures), ("videos", videos)) if part is not None
        )
        raise SomeItemsFailedError(f"{count['failed']} of {count.total()} {kinds} failed, each listed above")
    if damaged:
        raise SomeItemsFailedError(f"{damaged} of the inputs are damaged and lack frames, each listed above")


def _is_single(pictures: Batch | None, videos: VideosAmong | None) -> bool:
    """There is one input, whose error is the command's."""
    if pictures is not None:
        return pictures.is_single and videos is None
    return videos is not None and videos.batch.is_single


def _run_pictures(console: Console, batch: Batch, cluster: Cluster | None, *, alone: bool) -> Counter[str]:
    count = Counter[str]()
    single = len(batch) == 1 and cluster is None
    with (
        console.progress(total=None if single else len(batch), unit="tile" if single else "picture") as bar,
        closing(batch.run(tile_progress(bar) if single else None, cluster)) as outcomes,
    ):
        for outcome in outcomes:
            record = outcome.record()
            count[record["status"]] += 1
            console.record(record)
            _tell(console, outcome, alone=alone)
            bar.update(0 if single else 1)
    return count


def _show_estimates(console: Console, pictures: Batch | None, videos: VideosAmong | None) -> None:
    if videos is not None:
        totals = show_plans(console, videos.batch)
        if pictures is None and not videos.batch.is_single:
            console.record({"summary": True, **totals})
            console.text(
                f"{totals['planned']} to do, {totals['skipped']} done already, "
                f"{totals['failed']} can't be done"
            )
    if pictures is not None:
        _show_estimate(console, pictures, alone=_is_single(pictures, videos))


def _show_estimate(console: Console, batch: Batch, *, alone: bool) -> None:
    """What `_run` would do, a line or record for each picture, and in all. Raises the error of a picture that
    is `alone`, as `_run` does.
    """
    from ripfdn_cli.image_jobs.batch_estimate import Estimator

    done, to_do = batch.look()
    seconds, memory, disk, impossible = 0.0, 0, 0, 0
    with closing(Estimator(batch)) as estimator, console.progress(total=len(to_do), unit="picture") as bar:
        for task in to_do:
            estimate = estimator.estimate(task)
            bar.update()
            if alone and estimate.error is not None:
                raise estimate.error
            console.record(estimate.record())
            impossible += estimate.error is not None
            seconds += estimate.seconds
            memory, disk = max(memory, estimate.memory), disk + estimate.disk
            console.text(str(estimate))
    for outcome in batch.failed:
        if alone and outcome.error is not None:
            raise outcome.error
        console.record(outcome.record())
        console.text(f"{outcome.source}: {outcome.error}")
    failed = len(batch.failed) + impossible
    totals = {"planned": len(to_do) - impossible, "skipped": len(done), "failed": failed}
    console.record({"summary": True, **totals, "seconds": round(seconds, 2), "memory": memory, "disk": disk})
    console.text(
        f"{totals['planned']} to do, {len(done)} done already, {failed} can't be done; "
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


def silence_decoders() -> None:
    """What decoders have to say of odd files goes with -v; what matters becomes an error."""
    logging.captureWarnings(True)
    for name in ("py.warnings", "tifffile", "PIL"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
