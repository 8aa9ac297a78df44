"""Animated GIF, PNG, WebP and AVIF: frames composed on read, timing and disposal carried over."""

import io
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import GifImagePlugin, Image

from ripfdn_cli.pictures.formats import Format
from ripfdn_cli.pictures.metadata import read_metadata
from ripfdn_cli.pictures.picture import Animation, Frame, Picture, as_rgb, check_size, has_alpha, is_opaque
from ripfdn_cli.pictures.pillow_pixels import image_of

_OPAQUE_FROM = 128
"""Alpha from which a pixel is kept in a format that knows only all or nothing."""
_KEEP, _CLEAR, _RESTORE = 1, 2, 3
_TRANSPARENT_INDEX = 255


def decode_frames(image: Image.Image, entry: Format, max_pixels: int) -> Picture:
    """Every frame of `image` as it shows, on the whole canvas.

    Raises InputError where there are more than `max_pixels` in all, and whatever Pillow raises for damage.
    """
    frames: list[Frame] = []
    durations, disposals = [], []
    for number in range(int(getattr(image, "n_frames", 1))):
        image.seek(number)
        check_size(image.width, image.height, number + 1, max_pixels)  # a GIF's canvas can grow
        image.load()
        frames.append(np.array(image.convert("RGBA")))
        durations.append(float(image.info.get("duration", 0)))
        disposals.append(_disposal(image))
    frames = [_on_canvas(frame, image.height, image.width) for frame in frames]
    if all(is_opaque(frame) for frame in frames):
        frames = [np.ascontiguousarray(frame[..., :3]) for frame in frames]
    animation = Animation(
        durations=tuple(durations),
        disposals=tuple(disposals),
        plays=_plays(image),
        has_still=bool(getattr(image, "default_image", False)),
    )
    return Picture(tuple(frames), entry, read_metadata(image), animation)


def encode_frames(picture: Picture, entry: Format, options: dict[str, Any]) -> bytes:
    """The animation `picture`, uint8, as the content of a file; `options` are what Pillow's `save` takes."""
    frames, animation = picture.frames, picture.animation
    assert animation is not None
    if entry.name == "png":
        options = options | _apng_options(frames, animation)
    elif animation.has_still:
        frames, animation = frames[1:], _without_still(animation)
    if entry.name == "gif":
        return _encode_gif(frames, animation, options)
    if entry.name != "png":
        durations = [round(duration) for duration in animation.durations]
        options = options | {"duration": durations, "loop": animation.plays}
    if entry.name == "webp" and any(has_alpha(frame) for frame in frames):
        # Whole frames only: from parts of them libwebp concludes that there is no transparency.
        options |= {"kmin": 1, "kmax": 1}
    stream = io.BytesIO()
    first, *others = (image_of(frame) for frame in frames)
    first.save(stream, entry.encoder, save_all=True, append_images=others, **options)
    return stream.getvalue()


def with_palette(frame: Frame) -> tuple[Image.Image, int | None]:
    """`frame`, uint8, with a palette of its own, and the palette's transparent entry where there is one.

    Pixels are not dithered: in an animation the pattern would crawl.
    """
    hidden = frame[..., -1] < _OPAQUE_FROM if has_alpha(frame) else np.zeros(frame.shape[:2], bool)
    colours = image_of(np.ascontiguousarray(as_rgb(frame)[..., :3]))
    if not hidden.any():
        return colours.quantize(256, dither=Image.Dither.NONE), None
    indexed = colours.quantize(_TRANSPARENT_INDEX, dither=Image.Dither.NONE)
    indexed.paste(_TRANSPARENT_INDEX, mask=Image.fromarray(hidden))
    return indexed, _TRANSPARENT_INDEX


def _on_canvas(frame: Frame, height: int, width: int) -> Frame:
    """`frame`, with nothing around it where a later frame reaches further."""
    missing = ((0, height - frame.shape[0]), (0, width - frame.shape[1]), (0, 0))
    return np.pad(frame, missing) if frame.shape[:2] != (height, width) else frame


def _disposal(image: Image.Image) -> int:
    if image.format == "GIF":
        return int(getattr(image, "disposal_method", 0))
    return {0: _KEEP, 1: _CLEAR, 2: _RESTORE}.get(int(image.info.get("disposal", 0)), _KEEP)


def _plays(image: Image.Image) -> int:
    """GIF counts repetitions and plays once without a count; PNG and WebP count plays."""
    loop = image.info.get("loop")
    if image.format != "GIF":
        return int(loop or 0)
    return 1 if loop is None else int(loop) + 1 if loop else 0


def _without_still(animation: Animation) -> Animation:
    return Animation(animation.durations[1:], animation.disposals[1:], animation.plays)


def _apng_options(frames: Sequence[Frame], animation: Animation) -> dict[str, Any]:
    start = 1 if animation.has_still else 0
    return {
        "duration": list(animation.durations[start:]),
        "disposal": [{_CLEAR: 1, _RESTORE: 2}.get(number, 0) for number in animation.disposals[start:]],
        "blend": _blends(frames[start:]),
        "loop": animation.plays,
        "default_image": animation.has_still,
    }


def _blends(frames: Sequence[Frame]) -> list[int]:
    """0 (replace) for all frames, 1 (draw over) for every other one of equal neighbours, which Pillow would
    join were they alike in this too. The same where alpha is all or nothing.
    """
    blends = [0]
    for before, frame in pairwise(frames):
        crisp = not has_alpha(frame) or bool(np.isin(frame[..., -1], (0, 255)).all())
        blends.append(1 - blends[-1] if crisp and np.array_equal(before, frame) else 0)
    return blends


def _encode_gif(frames: Sequence[Frame], animation: Animation, options: dict[str, Any]) -> bytes:
    """Written frame by frame: Pillow's own loop joins equal neighbours, and their durations with them."""
    canvas = Image.new("P", (frames[0].shape[1], frames[0].shape[0]))
    canvas.putpalette(bytes(3))
    repetitions = {0: 0, 1: None}.get(animation.plays, animation.plays - 1)
    head, _ = GifImagePlugin.getheader(
        canvas, info={"loop": repetitions, "duration": 1, "comment": options.get("comment")}
    )
    parts = list(head)
    disposals = _gif_disposals(frames, animation.disposals)
    for frame, duration, disposal in zip(frames, animation.durations, disposals, strict=True):
        indexed, transparent = with_palette(frame)
        own: dict[str, Any] = {"duration": round(duration / 10) * 10, "disposal": disposal}
        if transparent is not None:
            own["transparency"] = transparent
        parts += GifImagePlugin.getdata(indexed, include_color_table=True, **own)
    return b"".join([*parts, b";"])


def _gif_disposals(frames: Sequence[Frame], wanted: Sequence[int]) -> list[int]:
    """Those `wanted`, or 2 (clear) where the next frame would otherwise show through to this one."""
    shown = [_opaque_mask(frame) for frame in frames]
    left = np.zeros_like(shown[0])  # what is on the canvas before a frame is drawn
    disposals = []
    for number, disposal in enumerate(wanted):
        drawn = left | shown[number]
        after = {_CLEAR: np.zeros_like(drawn), _RESTORE: left}.get(disposal, drawn)
        following = shown[number + 1] if number + 1 < len(shown) else np.ones_like(drawn)
        if (after & ~following).any():
            disposal, after = _CLEAR, np.zeros_like(drawn)
        disposals.append(disposal)
        left = after
    return disposals


def _opaque_mask(frame: Frame) -> NDArray[np.bool_]:
    if not has_alpha(frame):
        return np.ones(frame.shape[:2], np.bool_)
    return np.asarray(frame[..., -1] >= _OPAQUE_FROM)
