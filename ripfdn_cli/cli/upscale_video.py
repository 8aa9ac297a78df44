"""`ripfdn upscale` where frames are concerned: from or to a video, or to numbered pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ripfdn_cli.cli.video_options import given_options
from ripfdn_cli.errors import RipfdnError, SomeItemsFailedError, UsageError

if TYPE_CHECKING:
    from tqdm import tqdm

    from ripfdn_cli.cli.console import Console
    from ripfdn_cli.cli.video_options import VideoOptions
    from ripfdn_cli.pipeline.devices import NetworkSettings
    from ripfdn_cli.pipeline.output_size import SizeRequest
    from ripfdn_cli.video_jobs.video_estimate import VideoEstimate
    from ripfdn_cli.video_jobs.video_plan import VideoPlan, VideoSettings
    from ripfdn_cli.video_jobs.video_run import VideoFacts

log = logging.getLogger(__name__)

FOR_PICTURES = (
    *("format_name", "quality", "lossless", "depth", "background", "strip_metadata", "wrap"),
    *("skip_existing", "include", "exclude"),
)


def is_video_command(inputs: Sequence[str], output: str) -> bool:
    """Whether these arguments are about frames. Raises UsageError where they are about both kinds."""
    from ripfdn_cli.video.formats import is_video
    from ripfdn_cli.video.numbered_frames import is_pattern

    target = Path(output)
    if is_video(target) or is_pattern(target):
        return True
    kinds = {is_video(Path(name)) and not Path(name).is_dir() for name in inputs}
    if len(kinds) > 1:
        raise UsageError("pictures and videos can't be upscaled by one command; give them to two")
    return kinds == {True}


def upscale_videos(
    console: Console,
    inputs: Sequence[str],
    output: str,
    *,
    options: VideoOptions,
    size: SizeRequest,
    network: NetworkSettings,
    max_pixels: int,
    overwrite: bool,
    dry_run: bool,
) -> None:
    """Make one video of `inputs`, or one of each of them. Raises RipfdnError."""
    if given := given_options(FOR_PICTURES):
        raise UsageError(f"{given[0]} is for pictures and says nothing to video; leave it")
    settings = _settings(options, size, max_pixels, overwrite)
    jobs = _jobs(tuple(Path(name) for name in inputs), output)
    if dry_run:
        _show_plans(console, jobs, settings, network)
        return
    failed = 0
    for paths, target in jobs:
        try:
            _upscale(console, paths, target, settings, network)
        except RipfdnError as error:
            if len(jobs) == 1:
                raise
            failed += 1
            console.fail(str(error))
            record = {"input": str(paths[0]), "output": str(target), "status": "failed", "error": str(error)}
            console.record(record | {"exit_code": error.exit_code})
    if failed:
        raise SomeItemsFailedError(f"{failed} of {len(jobs)} videos failed, each listed above")


def _settings(options: VideoOptions, size: SizeRequest, max_pixels: int, overwrite: bool) -> VideoSettings:
    from ripfdn_cli.video_jobs.video_plan import VideoSettings
    from ripfdn_cli.video_jobs.video_sources import ReadingOptions

    reading = ReadingOptions(
        start=options.start,
        end=options.end,
        fps=options.fps,
        deinterlace=options.deinterlace,
        bad_frames="repeat" if options.bad_frames == "repeat" else "error",
        drop=options.drop,
        max_pixels=max_pixels,
    )
    return VideoSettings(
        size=size,
        reading=reading,
        codec=options.codec,
        crf=options.crf,
        preset=options.preset,
        pixel_format=options.pixel_format,
        segment=options.segment,
        restart=options.restart,
        overwrite=overwrite,
    )


def _jobs(paths: tuple[Path, ...], output: str) -> list[tuple[tuple[Path, ...], Path]]:
    """Inputs and output of each result: pictures together are the frames of one."""
    from ripfdn_cli.pipeline.find_inputs import Source
    from ripfdn_cli.pipeline.output_names import output_names
    from ripfdn_cli.video.formats import is_video
    from ripfdn_cli.video.numbered_frames import is_pattern

    target = Path(output)
    videos = [path for path in paths if is_video(path) and not path.is_dir()]
    if (is_video(target) and not target.is_dir()) or is_pattern(target):
        if videos and len(paths) > 1:
            raise UsageError(f"{output} is one result, and there are several videos; name a folder with -o")
        return [(paths, target)]
    names = output_names(output, paths, None)
    if names.needs_size:
        raise UsageError(f"-o {output}: names of videos know {{stem}}, {{ext}} and {{name}} only")
    return [((path,), names.of(Source(path, Path(path.name)), None)) for path in paths]


def _upscale(
    console: Console,
    paths: tuple[Path, ...],
    output: Path,
    settings: VideoSettings,
    network: NetworkSettings,
) -> None:
    from ripfdn_cli.video_jobs.video_run import upscale_video

    with console.progress(total=None, unit="frame", description=output.name) as bar:
        facts = upscale_video(paths, output, settings, network, progress=_frame_progress(bar))
    console.record(_record(paths, output, facts))
    log.info("%s: %d frames of %d×%d px in %.1f s", output, facts.frames, *facts.output_size, facts.seconds)


def _frame_progress(bar: tqdm[Any]) -> Callable[[int, int, int], None]:
    """Frames done, their rate and the time left as tqdm reckons them, and the size so far."""

    def show(done: int, total: int, written: int) -> None:
        if bar.total is None:
            bar.total, bar.initial, bar.n = total, done, done
            bar.unpause()
        bar.set_postfix_str(f"{written / 1e6:.1f} MB", refresh=False)
        bar.update(done - bar.n)

    return show


def _record(paths: tuple[Path, ...], output: Path, facts: VideoFacts) -> dict[str, Any]:
    return {
        "input": str(paths[0]),
        "output": str(output),
        "status": "done",
        "width": facts.size[0],
        "height": facts.size[1],
        "output_width": facts.output_size[0],
        "output_height": facts.output_size[1],
        "passes": list(facts.passes),
        "frames": facts.frames,
        "frames_resumed": facts.resumed,
        "frames_computed": facts.computed,
        "segments": facts.segments,
        "bytes": facts.bytes_written,
        "seconds": round(facts.seconds, 3),
    }


def _show_plans(
    console: Console,
    jobs: Sequence[tuple[tuple[Path, ...], Path]],
    settings: VideoSettings,
    network: NetworkSettings,
) -> None:
    """What each of `jobs` would do and take."""
    from ripfdn_cli.video_jobs.video_estimate import VideoEstimator
    from ripfdn_cli.video_jobs.video_plan import plan_video

    with closing(VideoEstimator(network)) as estimator:
        for paths, output in jobs:
            plan = plan_video(paths, output, settings, network)
            _show_plan(console, paths[0], output, plan, estimator.estimate(plan))


def _show_plan(
    console: Console, source: Path, output: Path, plan: VideoPlan, estimate: VideoEstimate
) -> None:
    timeline, width, height = plan.target.timeline, plan.source.width, plan.source.height
    duration = float(timeline.end - timeline.start)
    console.record(
        {
            "input": str(source),
            "output": str(output),
            "dry_run": True,
            "status": "planned",
            "width": width,
            "height": height,
            "output_width": plan.size[0],
            "output_height": plan.size[1],
            "passes": list(plan.passes),
            "frames": len(timeline),
            "duration": round(duration, 3),
            "seconds": round(estimate.seconds, 2),
            "memory": estimate.memory,
            "bytes": plan.expected_bytes,
            "disk": plan.expected_disk,
        }
    )
    console.text(
        f"{source} → {output}: {len(timeline)} frames ({duration:.1f} s), {width}×{height} → "
        f"{plan.size[0]}×{plan.size[1]} px, about {span(estimate.seconds)} of the network, "
        f"{estimate.memory / 1e9:.1f} GB of memory, {plan.expected_bytes / 1e6:.0f} MB, "
        f"{plan.expected_disk / 1e6:.0f} MB while it is made"
    )


def span(seconds: float) -> str:
    """As 42 s, 1:02:03, or 2 days, 7:33:20."""
    return f"{seconds:.0f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
