"""Frames from a stream through the network into another, in order, a few of them in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from ripfdn_cli.pipeline.devices import Devices, Networks, NetworkSettings, NetworkUnavailableError
from ripfdn_cli.pipeline.frame_pipeline import FramePipeline
from ripfdn_cli.pipeline.output_size import SizeRequest
from ripfdn_cli.pipeline.upscaler_stage import PreparedFrame, UpscaledFrame, UpscalerStage, finish, prepare
from ripfdn_cli.pipeline.weights_selection import Compression
from ripfdn_cli.upscaler import Progress
from ripfdn_cli.video.frame_streams import FrameStream

_READ_AHEAD = 4


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
    scales = devices.selection.route((source.width, source.height), target, Compression.NONE).passes
    writer, count = source.writer(output, *target), 0

    def write(upscaled: UpscaledFrame, context: None) -> None:
        nonlocal count
        writer.add(finish(upscaled, target, wrap=False, name="the stream"))
        count += 1
        progress()

    def upscale(
        networks: Networks, frames: Sequence[PreparedFrame], tile_done: Progress
    ) -> list[UpscaledFrame]:
        return UpscalerStage(networks, 0, tile_done).upscale_frames(frames, scales)

    try:
        # One at a time: whoever reads them may wait for each.
        FramePipeline(devices, upscale, batch_size=1, read_ahead=_READ_AHEAD).run(_prepared(source), write)
        writer.close()
        return count
    except NetworkUnavailableError as error:
        raise error.reason from error
    finally:
        devices.close()


def _prepared(source: FrameStream) -> Iterator[tuple[PreparedFrame, None]]:
    for frame in source.frames():
        yield prepare(frame, source.samples), None
