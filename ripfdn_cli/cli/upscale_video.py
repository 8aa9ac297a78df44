"""`ripfdn upscale` where frames are concerned: from or to a video, or to numbered pictures."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ripfdn_cli.cli.video_options import given_options
from ripfdn_cli.cli.wording import as_options
from ripfdn_cli.errors import RipfdnError, SomeItemsFailedError, UsageError

if TYPE_CHECKING:
    from tqdm import tqdm

    from ripfdn_cli.cli.console import Console
    from ripfdn_cli.pipeline.devices import NetworkSettings
    from ripfdn_cli.video_jobs.video_batch import VideoBatch, VideoOutcome, VideoTask
    from ripfdn_cli.video_jobs.video_estimate import VideoEstimate
    from ripfdn_cli.video_jobs.video_plan import VideoPlan
    from ripfdn_cli.video_jobs.video_request import VideoRequest
    from ripfdn_cli.video_jobs.video_run import Cluster, VideoFacts, VideoProgress
    from ripfdn_cli.video_jobs.video_settings import VideoSettings

log = logging.getLogger(__name__)

FOR_PICTURES = ("format_name", "quality", "lossless", "depth", "strip_metadata", "wrap")
FOR_FRAMES = ("quality", "lossless", "depth")
"""Of those, the ones for frames that are written as pictures, too."""
DAMAGED = "damaged"
"""Results that lack frames because their inputs do."""
_PIPE = "-"


@dataclass(frozen=True)
class VideosAmong:
    """The videos of a command, and its `other_inputs`, which are pictures or hold some."""

    batch: VideoBatch
    other_inputs: tuple[str, ...]


def plan_videos_among(
    inputs: Sequence[str],
    request: VideoRequest,
    settings: VideoSettings,
    network: NetworkSettings,
) -> VideosAmong | None:
    """The videos that `inputs` name or hold, of which `request` has those that are paths; None where there
    are none, and the output isn't one either. Raises UsageError, InputError.
    """
    from ripfdn_cli.files.storage import is_url
    from ripfdn_cli.pipeline.find_inputs import find_inputs
    from ripfdn_cli.video_jobs.video_request import find_videos, is_video_file

    output = request.output
    named = [name for name in inputs if name != _PIPE and is_video_file(Path(name))]
    if named or request.is_one_result:
        _refuse_pipes_and_stores(inputs, output)
        if request.is_one_result:
            _refuse_choices(output)
    elif output == _PIPE or _PIPE in inputs or is_url(output):
        return None
    sources = [] if request.is_one_result else find_videos(request)
    if not sources and not request.is_one_result:
        return None
    from ripfdn_cli.video_jobs.video_batch import plan_videos

    batch = plan_videos(request, sources, settings, network)
    others = () if request.is_one_result else tuple(name for name in inputs if name not in named)
    paths = local_paths(others)
    found = find_inputs(paths, include=request.include, exclude=request.exclude)
    pictures = found.sources or found.unreadable
    return VideosAmong(batch, others if pictures or len(others) > len(paths) else ())


def local_paths(names: Sequence[str]) -> tuple[Path, ...]:
    """Those of `names` that are neither a pipe nor a URL."""
    from ripfdn_cli.files.storage import is_url

    return tuple(Path(name) for name in names if name != _PIPE and not is_url(name))


def _refuse_pipes_and_stores(inputs: Sequence[str], output: str) -> None:
    from ripfdn_cli.files.storage import is_url

    for name in (*inputs, output):
        if name == _PIPE:
            raise UsageError(
                "video in pipes must be frames, from stdin to stdout: ffmpeg -i clip.mp4 -f yuv4mpegpipe "
                "- | ripfdn upscale - -o -"
            )
        if is_url(name):
            raise UsageError(
                f"{name}: videos are read from and written to files only; mount the store as a folder "
                "(with s3fs-fuse, mountpoint-s3 or rclone), or copy the video"
            )


def _refuse_choices(output: str) -> None:
    if given := given_options(("include", "exclude")):
        raise UsageError(
            f"{given[0]} chooses among several inputs, but {output} is a single result; leave it out"
        )


def run_videos(console: Console, batch: VideoBatch, cluster: Cluster | None) -> Counter[str]:
    """Make the videos of `batch`, on `cluster` if there is one; how many were done, skipped and failed, and
    of the done ones `DAMAGED`. Raises RipfdnError.
    """
    count: Counter[str] = Counter()

    @contextmanager
    def progress(task: VideoTask) -> Iterator[VideoProgress]:
        with console.progress(total=None, unit="frame", description=task.output.name) as bar:
            yield _frame_progress(bar)

    with closing(batch.run(progress, cluster)) as outcomes:
        for outcome in outcomes:
            record = _outcome_record(outcome)
            if outcome.error is not None and batch.is_single:
                raise outcome.error
            count[record["status"]] += 1
            console.record(record)
            _tell(console, outcome)
            if outcome.facts is not None and outcome.facts.lost_frames:
                if batch.is_single:
                    raise SomeItemsFailedError(_loss(outcome.task, outcome.facts))
                count[DAMAGED] += 1
                console.fail(_loss(outcome.task, outcome.facts))
    return count


def _loss(task: VideoTask, facts: VideoFacts) -> str:
    whole = facts.frames + facts.lost_frames
    return (
        f"{task.inputs[0]} is damaged: about {facts.lost_frames} of its {whole} frames are missing; "
        f"{task.output} has the {facts.frames} that are there"
    )


def show_plans(console: Console, batch: VideoBatch) -> Counter[str]:
    """What `run_videos` would do and take; how many are planned, done already, and can't be read."""
    from ripfdn_cli.video_jobs.video_batch import VideoOutcome
    from ripfdn_cli.video_jobs.video_estimate import VideoEstimator
    from ripfdn_cli.video_jobs.video_plan import plan_video

    done, to_do = batch.look()
    failed = list(batch.failed)
    with closing(VideoEstimator(batch.network)) as estimator:
        for task in to_do:
            try:
                plan = plan_video(task.inputs, task.output, batch.settings, batch.network)
                _show_plan(console, task.inputs[0], task.output, plan, estimator.estimate(plan))
            except RipfdnError as error:
                if batch.is_single:
                    raise
                failed.append(VideoOutcome(task, error=error))
    for outcome in failed:
        console.record(_outcome_record(outcome))
        console.text(as_options(_error_line(outcome)))
    planned = len(to_do) + len(batch.failed) - len(failed)
    return Counter({"planned": planned, "skipped": len(done), "failed": len(failed)})


def _tell(console: Console, outcome: VideoOutcome) -> None:
    task, facts = outcome.task, outcome.facts
    if outcome.error is not None:
        console.fail(_error_line(outcome))
    elif facts is None:
        log.debug("%s: done already, skipped", task.inputs[0])
    else:
        log.info(
            "%s: %d %s of %d×%d px in %.1f s",
            task.output,
            facts.frames,
            "frame" if facts.frames == 1 else "frames",
            *facts.output_size,
            facts.seconds,
        )


def _error_line(outcome: VideoOutcome) -> str:
    """The error of one of several videos, with the name of its input, where it doesn't tell that."""
    name, error = str(outcome.task.inputs[0]), str(outcome.error)
    return error if name in error else f"{name}: {error}"


def _outcome_record(outcome: VideoOutcome) -> dict[str, Any]:
    """As a line of JSON shows it."""
    task, error = outcome.task, outcome.error
    record: dict[str, Any] = {"input": str(task.inputs[0]), "output": str(task.output)}
    if error is not None:
        return record | error.record()
    if outcome.facts is None:
        return record | {"status": "skipped"}
    return record | {"status": "done"} | _facts(outcome.facts)


def _frame_progress(bar: tqdm[Any]) -> Callable[[int, int, int], None]:
    """Frames done, their rate and the time left as tqdm reckons them, and the size so far."""

    def show(done: int, total: int, written: int) -> None:
        if bar.total is None:
            bar.total, bar.initial, bar.n = total, done, done
            bar.unpause()
        bar.set_postfix_str(f"{written / 1e6:.1f} MB", refresh=False)
        bar.update(done - bar.n)

    return show


def _facts(facts: VideoFacts) -> dict[str, Any]:
    return {
        "width": facts.size[0],
        "height": facts.size[1],
        "output_width": facts.output_size[0],
        "output_height": facts.output_size[1],
        "passes": list(facts.passes),
        "frames": facts.frames,
        "frames_resumed": facts.resumed,
        "frames_computed": facts.computed,
        "frames_lost": facts.lost_frames,
        "segments": facts.segments,
        "bytes": facts.bytes_written,
        "seconds": round(facts.seconds, 3),
    }


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
        f"{plan.expected_disk / 1e6:.0f} MB of disk while it is made"
    )


def span(seconds: float) -> str:
    """As 42 s, 1:02:03, or 2 days, 7:33:20."""
    return f"{seconds:.0f} s" if seconds < 60 else str(timedelta(seconds=round(seconds)))
