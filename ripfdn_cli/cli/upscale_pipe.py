"""`ripfdn upscale` from stdin and to stdout: one picture, or frames."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from io import BufferedReader
from typing import TYPE_CHECKING, Any

from ripfdn_cli.cli.upscale_video import FOR_PICTURES
from ripfdn_cli.cli.video_options import given_options
from ripfdn_cli.errors import InputError, OutputError, RipfdnError, UsageError

if TYPE_CHECKING:
    from tqdm import tqdm

    from ripfdn_cli.cli.console import Console
    from ripfdn_cli.image_jobs.picture_job import PictureSettings
    from ripfdn_cli.pictures.formats import Format
    from ripfdn_cli.pipeline.devices import NetworkSettings
    from ripfdn_cli.video.frame_streams import FrameStream

log = logging.getLogger(__name__)

PIPE = "-"
_FOR_FILES = ("on", "shard", "include", "exclude", "skip_existing", "dry_run")
Y4M_MAGIC = b"YUV4MPEG2"


def tile_progress(bar: tqdm[Any]) -> Callable[[int, int], None]:
    """Shows tiles; a second round (transparency, another frame) adds to the first."""
    earlier = 0

    def show(done: int, total: int) -> None:
        nonlocal earlier
        if earlier + done <= bar.n:
            earlier = int(bar.n)
        bar.total = earlier + total
        bar.update(earlier + done - bar.n)

    return show


def upscale_pipe(
    console: Console,
    inputs: tuple[str, ...],
    output: str,
    overwrite: bool,
    network: NetworkSettings,
    picture: PictureSettings,
    file_format: Format | None,
    raw: tuple[int, int] | None,
) -> None:
    """One picture from stdin, to stdout, or both; or frames from one to the other."""
    if len(inputs) > 1:
        raise UsageError("a pipe takes one picture: give one input with -, or with -o -")
    if given := given_options(_FOR_FILES):
        raise UsageError(f"{given[0]} is for files and does not apply to pipes; leave it out, or name files")
    from_stdin, to_stdout = inputs[0] == PIPE, output == PIPE
    _check_pipes(console, from_stdin=from_stdin, to_stdout=to_stdout)
    if raw is not None and not (from_stdin and to_stdout):
        raise UsageError("--raw is for frames from stdin to stdout; give - as the input and -o -")
    if raw is not None:
        _upscale_frames(console, b"", network, picture, raw)
        return
    head = _first_bytes() if from_stdin else None
    if head == Y4M_MAGIC:
        if not to_stdout:
            raise UsageError(
                "frames from stdin go to stdout: give -o -, and pipe them to a program that writes a file"
            )
        _upscale_frames(console, head, network, picture, None)
        return
    _upscale_picture(console, inputs[0], output, overwrite, network, picture, file_format, head)


def _first_bytes() -> bytes:
    """As many as tell y4m from a picture."""
    return sys.stdin.buffer.read(len(Y4M_MAGIC))


def _upscale_frames(
    console: Console,
    head: bytes,
    network: NetworkSettings,
    picture: PictureSettings,
    raw: tuple[int, int] | None,
) -> None:
    from ripfdn_cli.video.frame_streams import RawStream, Y4mStream
    from ripfdn_cli.video_jobs.frame_pipe import upscale_stream

    if given := given_options((*FOR_PICTURES, "background")):
        raise UsageError(f"{given[0]} is for pictures and does not apply to frames; leave it out")
    stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
    started = time.perf_counter()
    with ExitStack() as stack:
        if raw is None:
            source: FrameStream = stack.enter_context(Y4mStream(stdin, head, picture.max_pixels))
        else:
            source = RawStream(stdin, *raw)
        bar = stack.enter_context(console.progress(total=None, unit="frame"))
        count = upscale_stream(source, stdout, picture.size, network, bar.update)
    log.info("%d frames in %.1f s", count, time.perf_counter() - started)


def _upscale_picture(
    console: Console,
    given: str,
    output: str,
    overwrite: bool,
    network: NetworkSettings,
    picture: PictureSettings,
    file_format: Format | None,
    head: bytes | None,
) -> None:
    """The picture `given`; from stdin where its first bytes `head` are read already."""
    from ripfdn_cli.files.storage import check_publishable, location, make_folder, publish
    from ripfdn_cli.image_jobs.image_run import ImageRun, Outcome
    from ripfdn_cli.pictures.file_content import read_file, read_limited
    from ripfdn_cli.pipeline.output_names import output_names
    from ripfdn_cli.video.frame_streams import Resumed

    started = time.perf_counter()
    source, to_stdout = location(given), output == PIPE
    target = None if to_stdout else output_names(output, [source], file_format).single
    if target is None and not to_stdout:
        raise UsageError(f"-o {output}: input from stdin has no name; name the file to write")
    if target is not None and file_format is None:
        file_format = output_names(output, [source], None).format_for(target)
    if target is not None:
        check_publishable(target, overwrite=overwrite, in_new_folder=True)
    try:
        if head is not None:
            stdin = BufferedReader(Resumed(head, sys.stdin.buffer))
            data, name = read_limited(stdin, "stdin", picture.max_pixels), "stdin"
        else:
            data, name = read_file(source, max_pixels=picture.max_pixels), str(source)
        with console.progress(total=None, unit="tile") as bar:
            run = ImageRun(picture, network, progress=tile_progress(bar))
            content, facts = run.run_bytes(data, name, file_format)
        if target is None:
            sys.stdout.buffer.write(content)
            sys.stdout.buffer.flush()
        else:
            make_folder(target.parent)
            publish(target, content, overwrite=overwrite)
    except RipfdnError as error:
        console.record(Outcome(source, target, error=error).record())
        raise
    seconds = time.perf_counter() - started
    console.record(Outcome(source, target, facts, size=len(content), seconds=seconds).record())
    console.summary({"done": 1}, seconds)


def _check_pipes(console: Console, *, from_stdin: bool, to_stdout: bool) -> None:
    if to_stdout and console.json:
        raise UsageError("--json and -o - would both write to stdout; leave one out")
    if to_stdout and sys.stdout is None:
        raise OutputError("can't write stdout: it is closed; redirect it, or name a file")
    if from_stdin and sys.stdin is None:
        raise InputError("can't read stdin: it is closed; redirect it, or name a file")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("-o - would write a picture to the terminal; redirect stdout, or name a file")
    if from_stdin and sys.stdin.isatty():
        raise UsageError("- reads a picture from stdin, but stdin is the terminal; redirect it")
