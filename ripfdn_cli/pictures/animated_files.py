"""Animated WebP and AVIF read, and they and GIF written: timing carried over."""

import io
import logging
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from PIL import Image

from ripfdn_cli.pictures.formats import Format
from ripfdn_cli.pictures.gif_files import GIF_UNIT, encode_gif, gif_delays, tell_of_left_out
from ripfdn_cli.pictures.metadata import read_metadata
from ripfdn_cli.pictures.picture import Animation, Frame, Picture, has_alpha, without_opaque_alpha
from ripfdn_cli.pictures.pillow_pixels import image_of

log = logging.getLogger(__name__)

_LONGEST_GIF_DELAY = 65535
_LONGEST_WEBP_DURATION = 2**24 - 1
_MOST_PLAYS = 65535


def decode_frames(image: Image.Image, file_format: Format) -> Picture:
    """Every frame of `image`, a WebP or AVIF, as it shows. Raises whatever Pillow raises for damage."""
    frames: list[Frame] = []
    durations, starts = [], []
    for number in range(int(getattr(image, "n_frames", 1))):
        image.seek(number)
        image.load()
        frames.append(np.array(image.convert("RGBA")))
        durations.append(float(image.info.get("duration", 0)))
        starts.append(image.info.get("timestamp"))
    animation = Animation(
        durations=_between(starts, durations) if file_format.name == "avif" else tuple(durations),
        plays=int(image.info.get("loop") or 0),
    )
    return Picture(without_opaque_alpha(frames), file_format, read_metadata(image), animation)


def encode_frames(picture: Picture, file_format: Format, options: dict[str, Any], name: str) -> bytes:
    """The animation `picture`, uint8, as the content of a GIF, WebP or AVIF called `name` in messages;
    `options` are what Pillow's `save` takes.
    """
    frames, animation = picture.frames, picture.animation
    assert animation is not None
    if animation.has_still:
        frames, animation = frames[1:], Animation(animation.durations[1:], animation.plays)
    if file_format.name == "gif":
        # What a GIF says is what its readers are used to: it goes on saying it.
        if picture.file_format.name == "gif":
            delays = dict(enumerate(whole_units(animation.durations, GIF_UNIT, 0)))
        else:
            delays = gif_delays(animation.durations)
            tell_of_left_out(len(frames) - len(delays), len(frames), name)
        shown = [frames[number] for number in delays]
        units = _within(list(delays.values()), _LONGEST_GIF_DELAY, GIF_UNIT, file_format, name)
        return encode_gif(shown, delays=units, plays=animation.plays, comment=options.get("comment"))
    durations = whole_units(animation.durations, 1, 1)
    if file_format.name == "webp":
        durations = _within(durations, _LONGEST_WEBP_DURATION, 1, file_format, name)
        options["loop"] = min(animation.plays, _MOST_PLAYS)
        if any(has_alpha(frame) for frame in frames):
            # Whole frames only: from parts of them libwebp concludes that there is no transparency.
            options |= {"kmin": 1, "kmax": 1}
    elif animation.plays:
        log.info("%s: the number of loops (%d) is left out; AVIF loops forever", name, animation.plays)
    stream = io.BytesIO()
    first, *others = (image_of(frame) for frame in frames)
    first.save(
        stream, file_format.encoder, save_all=True, append_images=others, duration=durations, **options
    )
    return stream.getvalue()


def whole_units(durations: Sequence[float], unit: float, least: int) -> list[int]:
    """`durations` (ms) in whole `unit`s, so that each frame begins within half a unit of its time; none that
    lasts at all is shorter than `least`, and later ones make up for that where they can.
    """
    written, end = 0, 0.0
    units = []
    for duration in durations:
        end += duration
        units.append(max(math.floor(end / unit + 0.5) - written, least if duration else 0))
        written += units[-1]
    return units


def _within(units: Sequence[int], most: int, unit: int, file_format: Format, name: str) -> list[int]:
    """`units` of `unit` ms each, none over `most`, which is said; the frames after are not longer for it."""
    longer = sum(number > most for number in units)
    if longer:
        log.warning(
            "%s: frames that show for longer than %.10g s (%d of %d) are cut to that, the most in %s",
            name,
            most * unit / 1000,
            longer,
            len(units),
            file_format.title,
        )
    return [min(number, most) for number in units]


def _between(starts: Sequence[float | None], durations: Sequence[float]) -> tuple[float, ...]:
    """The times between `starts` (ms), which don't add up errors of rounding, and the last of `durations`."""
    known = [float(start) for start in starts if start is not None]
    if len(known) != len(durations):
        return tuple(durations)
    return (*(after - before for before, after in pairwise(known)), durations[-1])
