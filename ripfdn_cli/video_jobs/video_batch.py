"""Videos of one command: found in folders too, named, resumed, made one after the other."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path

from ripfdn_cli.errors import DiskFullError, InputError, RipfdnError, UsageError
from ripfdn_cli.files.storage import stamp_of
from ripfdn_cli.pipeline.collisions import check_collisions
from ripfdn_cli.pipeline.devices import NetworkSettings
from ripfdn_cli.pipeline.find_inputs import Source
from ripfdn_cli.pipeline.journal import Journal
from ripfdn_cli.pipeline.journaled_batch import JournaledBatch
from ripfdn_cli.pipeline.output_names import OutputNames, ResultSize, output_names
from ripfdn_cli.pipeline.own_results import without_own_results
from ripfdn_cli.video.files import probe
from ripfdn_cli.video.formats import is_video, written_suffix
from ripfdn_cli.video.numbered_frames import is_pattern
from ripfdn_cli.video_jobs.video_plan import size_ahead
from ripfdn_cli.video_jobs.video_request import VideoRequest, is_video_file
from ripfdn_cli.video_jobs.video_run import Cluster, VideoFacts, VideoProgress, upscale_video
from ripfdn_cli.video_jobs.video_settings import VideoSettings

log = logging.getLogger(__name__)

_ANY_SIZE = ResultSize(Fraction(1), 1, 1)


@dataclass(frozen=True)
class VideoTask:
    """One result: `output` (a video, an animated picture, or a pattern for frames) of `inputs`: a video, or
    what numbered frames are found by.
    """

    inputs: tuple[Path, ...]
    output: Path

    @property
    def input(self) -> Path:
        """The video, or the first of what numbered frames are found by."""
        return self.inputs[0]


@dataclass(frozen=True)
class VideoOutcome:
    """What became of a task: `facts` of a result, an `error`, or neither where it was done already."""

    task: VideoTask
    facts: VideoFacts | None = None
    error: RipfdnError | None = None


@dataclass(frozen=True)
class VideoBatch(JournaledBatch[VideoTask, VideoOutcome]):
    """Videos of one command. `failed`: inputs that can't be named, as their size can't be read."""

    settings: VideoSettings
    network: NetworkSettings

    @property
    def writes_pictures(self) -> bool:
        """Some results are numbered frames or animated pictures."""
        return any(_is_pictures(task) for task in self.tasks)

    def run(
        self,
        progress: Callable[[VideoTask], AbstractContextManager[VideoProgress]],
        cluster: Cluster | None = None,
    ) -> Generator[VideoOutcome]:
        """What became of each task. `progress`: shows that of one. `cluster`: see `upscale_video`.

        Raises OutputError before the first where outputs exist already and may not be replaced,
        DiskFullError.
        """

        def start(tasks: list[VideoTask], journal: Journal | None) -> Generator[VideoOutcome]:
            return (self._attempt(task, journal, progress, cluster) for task in tasks)

        return self._run(start)

    def _attempt(
        self,
        task: VideoTask,
        journal: Journal | None,
        progress: Callable[[VideoTask], AbstractContextManager[VideoProgress]],
        cluster: Cluster | None,
    ) -> VideoOutcome:
        read = stamp_of(task.input)
        try:
            with progress(task) as show:
                facts = upscale_video(
                    task.inputs,
                    task.output,
                    self.settings,
                    self.network,
                    overwrite=self.request.overwrite,
                    progress=show,
                    cluster=cluster,
                )
        except DiskFullError:
            raise
        except RipfdnError as error:
            return VideoOutcome(task, error=error)
        written = stamp_of(task.output)
        if journal is not None and read is not None and written is not None:
            journal.add(task.input, read, task.output, written, self._digest(pictures=_is_pictures(task)))
        return VideoOutcome(task, facts)

    def _is_file(self, task: VideoTask) -> bool:
        return not is_pattern(task.output)

    def _digests(self) -> Callable[[VideoTask], str]:
        digests = {pictures: self._digest(pictures=pictures) for pictures in (False, True)}
        return lambda task: digests[_is_pictures(task)]

    def _skipped(self, task: VideoTask) -> VideoOutcome:
        return VideoOutcome(task)

    def _digest(self, *, pictures: bool) -> str:
        """Tells results of these settings from those of others: `pictures`, or videos, which nothing shapes
        that is said of pictures.
        """
        shaping = asdict(replace(self.settings, segment=None, restart=False))
        if not pictures:
            del shaping["frames"]
        network = self.network
        how = (network.engine, network.precision, network.tile, network.halo, network.ensemble)
        text = json.dumps([shaping, how, network.selection.sha256()], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


def _is_pictures(task: VideoTask) -> bool:
    return not is_video(task.output)


def plan_videos(
    request: VideoRequest, sources: Sequence[Source], settings: VideoSettings, network: NetworkSettings
) -> VideoBatch:
    """Name the results of `sources`; nothing is written. Raises UsageError where names collide."""
    if request.is_one_result:
        return _one_result(request, settings, network)
    names = output_names(request.output, request.inputs, None)
    sources = without_own_results(sources, request.inputs, names.folder, request.journal)
    tasks, failed = [], []
    for source in sources if request.shard is None else filter(request.shard.has, sources):
        try:
            tasks.append(VideoTask((source.path,), _output(source, names, settings, network)))
        except InputError as error:
            failed.append(VideoOutcome(VideoTask((source.path,), Path(request.output)), error=error))
    check_collisions(
        [(task.input, task.output) for task in tasks], inputs=[source.path for source in sources]
    )
    return VideoBatch(
        request, names.folder, tuple(tasks), tuple(failed), request.names_one_file, settings, network
    )


def _one_result(request: VideoRequest, settings: VideoSettings, network: NetworkSettings) -> VideoBatch:
    """Pictures together are the frames of one video; of videos there can be one."""
    videos = [path for path in request.inputs if is_video_file(path)]
    if videos and len(request.inputs) > 1:
        raise UsageError(
            f"{request.output} is one result, but there are several videos; choose a folder as `output`, "
            "or a template such as 'out/{stem}.mkv'"
        )
    if request.shard is not None:
        raise UsageError(f"`shard` divides several inputs, but {request.output} is one result; leave it out")
    output = Path(request.output)
    task = VideoTask(request.inputs, output)
    return VideoBatch(request, output.parent, (task,), (), True, settings, network)


def _output(source: Source, names: OutputNames, settings: VideoSettings, network: NetworkSettings) -> Path:
    """Where the result of `source` goes: into a container like its own where that is written."""
    suffix = written_suffix(source.below)
    if suffix != source.below.suffix.lower():
        log.debug("%s: its container can't be written; wrote %s", source.path, suffix)
    renamed = replace(source, below=source.below.with_suffix(suffix))
    output = names.of(renamed, _ANY_SIZE, format_name=suffix.removeprefix("."))
    if names.needs_size:
        size = _result_size(source, output, settings, network)
        output = names.of(renamed, size, format_name=suffix.removeprefix("."))
    if not is_video(output) and not is_pattern(output) and not output.suffix:
        raise UsageError(f"`output` {output} names no container; add a suffix such as .mkv, or {{ext}}")
    return output


def _result_size(
    source: Source, output: Path, settings: VideoSettings, network: NetworkSettings
) -> ResultSize:
    """Of the result of `source` in a file like `output`, whose kind sides depend on."""
    info = probe(source.path, max_pixels=settings.reading.max_pixels)
    return size_ahead(info, output, settings, network)
