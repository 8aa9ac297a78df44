"""Frames from a stream through the network into another, in order, a few of them in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import BinaryIO

from ripfdn_cli.pipeline.cancellation import Cancellation
from ripfdn_cli.pipeline.devices import Devices, Networks, NetworkSettings, NetworkUnavailableError
from ripfdn_cli.pipeline.lookahead import ahead, behind
from ripfdn_cli.pipeline.output_size import SizeRequest, passes
from ripfdn_cli.pipeline.upscaler_stage import PreparedFrame, UpscaledFrame, UpscalerStage, finish, prepare
from ripfdn_cli.video.frame_streams import FrameStream

_READ_AHEAD = 4
_WRITE_BEHIND = 2


def upscale_stream(
    source: FrameStream,
    output: BinaryIO,
    size: SizeRequest,
    network: NetworkSettings,
    progress: Callable[[], object],
) -> int:
    """Write the frames of `source`, made larger, to `output`; how many there were. `progress` is called after
    each. Raises RipfdnError, and OSError where `output` takes no more.
    """
    devices = Devices(network)
    target = size.target(source.width, source.height, devices.selection.default_scale)
    scales = passes((source.width, source.height), target, devices.selection.choices)
    writer, count = source.writer(output, *target), 0

    def write(upscaled: Future[UpscaledFrame]) -> None:
        nonlocal count
        writer.add(finish(upscaled.result(), target, wrap=False))
        count += 1
        progress()

    cancellation = Cancellation()
    pool = ThreadPoolExecutor(len(devices), "network")
    try:
        with (
            closing(ahead(_prepared(source), _READ_AHEAD)) as frames,
            behind(write, _WRITE_BEHIND + len(devices)) as put,
        ):
            for upscaled in _through_network(frames, scales, devices, pool, cancellation):
                put(upscaled)
        writer.close()
        return count
    except NetworkUnavailableError as error:
        raise error.reason from error
    finally:
        cancellation.cancel()
        pool.shutdown(cancel_futures=True)
        devices.close()


def _prepared(source: FrameStream) -> Iterator[PreparedFrame]:
    for frame in source.frames():
        yield prepare(frame, source.samples)


def _through_network(
    frames: Iterator[PreparedFrame],
    scales: tuple[int, ...],
    devices: Devices,
    pool: ThreadPoolExecutor,
    cancellation: Cancellation,
) -> Iterator[Future[UpscaledFrame]]:
    """Each frame's result to come; one that is equal to the frame before has that one's."""

    def upscale(frame: PreparedFrame) -> UpscaledFrame:
        def run(networks: Networks) -> UpscaledFrame:
            return UpscalerStage(networks, 0, cancellation.progress()).upscale_frame(frame, scales)

        return devices.run(run)

    recent: deque[tuple[PreparedFrame, Future[UpscaledFrame]]] = deque(maxlen=1)
    for frame in frames:
        if not recent or not frame.equals(recent[0][0]):
            recent.append((frame, pool.submit(upscale, frame)))
        yield recent[0][1]
