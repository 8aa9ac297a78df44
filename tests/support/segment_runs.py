"""Jobs in small segments: made, stopped and compared, by whatever machines there are."""

from collections import deque
from collections.abc import Callable, Generator
from fractions import Fraction
from pathlib import Path

import av
from support.video_facts import streams_of

from ripfdn_cli.distributed.segment_worker import SegmentJob, SegmentWorker
from ripfdn_cli.distributed.worker_pool import Fatal, Home
from ripfdn_cli.errors import RipfdnError
from ripfdn_cli.video_jobs.segment_schedule import MadeSegment, SegmentTask
from ripfdn_cli.video_jobs.video_run import SegmentOrder
from ripfdn_cli.video_jobs.video_settings import EncodingOptions, ReadingOptions, VideoSettings


class Killed(BaseException):
    """Stands for whatever ends a run."""


class LastFirst:
    """A cluster of one worker, in this process, that takes the last of the tasks that wait first. `tasks`:
    those that it was given.
    """

    def __init__(self) -> None:
        self.tasks: list[SegmentTask] = []

    def make_segments(
        self, order: SegmentOrder, waiting: deque[SegmentTask]
    ) -> Generator[tuple[SegmentTask, MadeSegment | RipfdnError]]:
        worker = SegmentWorker(SegmentJob(order, Home(None)))
        while waiting:
            task = waiting.pop()
            self.tasks.append(task)
            result = worker.work(task, again=False)
            if isinstance(result, Fatal):
                raise result.error
            yield task, result


def in_fives(codec: str = "ffv1", fps: int | None = None, bad_frames: str = "error") -> VideoSettings:
    """Segments of five frames."""
    reading = ReadingOptions(
        fps=None if fps is None else Fraction(fps),
        bad_frames=bad_frames,  # type: ignore[arg-type]
    )
    preset = "ultrafast" if codec == "x264" else None
    return VideoSettings(reading=reading, encoding=EncodingOptions(codec=codec, preset=preset), segment=5)


def after(count: int, act: Callable[[], None]) -> Callable[[int, int, int], None]:
    """Progress that does `act` as soon as `count` frames are done."""
    acted = False

    def progress(done: int, total: int, written: int) -> None:
        nonlocal acted
        if done >= count and not acted:
            acted = True
            act()

    return progress


def stop() -> None:
    raise Killed


def stop_after(count: int) -> Callable[[int, int, int], None]:
    """Progress that ends the run whenever it is told of `count` frames or more."""

    def progress(done: int, total: int, written: int) -> None:
        if done >= count:
            raise Killed

    return progress


def assert_same(have: Path, want: Path) -> None:
    """Every packet of every stream, and its time; Matroska's own numbers are random."""
    assert streams_of(have) == streams_of(want)


def with_false_keyframes(clip: Path, path: Path) -> Path:
    """`clip` with every packet marked as a keyframe: decoding from most of them gives wrong pictures."""
    with av.open(str(clip)) as whole, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(whole.streams.video[0], opaque=True)
        for packet in whole.demux(video=0):
            if packet.size:
                packet.stream, packet.is_keyframe = stream, True
                target.mux(packet)
    return path


def with_broken_packets(clip: Path, path: Path, *numbers: int) -> Path:
    """`clip`, of a codec whose frames stand alone, with the packets of `numbers` cut off."""
    with av.open(str(clip)) as whole, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(whole.streams.video[0], opaque=True)
        for count, packet in enumerate(packet for packet in whole.demux(video=0) if packet.size):
            new = av.Packet(bytes(packet)[:200] if count in numbers else bytes(packet))
            new.pts, new.dts, new.time_base, new.stream = packet.pts, packet.pts, packet.time_base, stream
            new.is_keyframe = True
            target.mux(new)
    return path
