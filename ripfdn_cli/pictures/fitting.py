"""What a format can hold of a picture: channels, depth, colours, metadata. The rest is converted, or left out
with a line that says so.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from ripfdn_cli.errors import UsageError
from ripfdn_cli.pictures.auxiliary_pictures import enlarged
from ripfdn_cli.pictures.exif import corrected_exif
from ripfdn_cli.pictures.formats import FORMATS, Format
from ripfdn_cli.pictures.jpeg_extras import AuxiliaryPicture, is_gain_map, xmp_items
from ripfdn_cli.pictures.metadata import (
    Metadata,
    in_words,
)
from ripfdn_cli.pictures.picture import (
    Frame,
    Picture,
    as_rgb,
    as_samples,
    is_opaque,
    without_alpha,
)
from ripfdn_cli.pictures.png_colour import colour_space_of, profile_of
from ripfdn_cli.pictures.profile_kind import fitted_to_profile
from ripfdn_cli.pictures.srgb import in_srgb, meaning_of
from ripfdn_cli.pictures.xmp import corrected_xmp, current_xmp, merged, split, with_extension

log = logging.getLogger(__name__)


def check_frames(picture: Picture, file_format: Format, name: str) -> None:
    """Raises UsageError where `picture`, called `name`, has more frames than a file of this format."""
    check_frame_count(len(picture.frames), file_format, name, animated=picture.animation is not None)


def check_frame_count(frames: int, file_format: Format, name: str, *, animated: bool) -> None:
    """Raises UsageError where a picture called `name` has more `frames` than a file of this format; unless it
    is `animated`, they are pages.
    """
    if frames == 1:
        return
    if animated and not file_format.animated:
        able = ", ".join(other.name for other in FORMATS if other.animated)
        raise UsageError(
            f"{name} would have {frames} frames, but {file_format.title} holds only one; use {able}"
        )
    if not animated and file_format.name != "tiff":
        raise UsageError(
            f"{name} would have {frames} pages, but {file_format.title} holds only one; use tiff"
        )


def fitted(picture: Picture, file_format: Format, background: tuple[int, int, int], name: str) -> Picture:
    """`picture`, called `name` in messages, as files of this format can hold it: transparency on `background`
    (8-bit RGB) where there is none, colours in sRGB where there are no profiles, metadata for the new size.
    """
    picture = _without_png_colour(picture, file_format, name)
    picture = replace(picture, frames=_fitting_frames(picture, file_format, background, name))
    picture = _with_fitting_profiles(picture, file_format, name)
    picture = _in_srgb(picture, file_format, name)
    return picture.with_page_metadata(_kept_metadata(picture, file_format, name))


def _fitting_frames(
    picture: Picture, file_format: Format, background: tuple[int, int, int], name: str
) -> tuple[Frame, ...]:
    """The frames of `picture` with channels and samples that the format holds."""
    frames = (as_samples(frame, _nearest_samples(frame, file_format)) for frame in picture.frames)
    if not file_format.has_transparency:
        if not all(is_opaque(frame) for frame in picture.frames):
            log.warning("%s: %s has no transparency; put on the background colour", name, file_format.title)
        frames = (without_alpha(frame, background) for frame in frames)
    return tuple(frame if frame.shape[2] in file_format.channels else as_rgb(frame) for frame in frames)


def _nearest_samples(frame: Frame, file_format: Format) -> str:
    """The type that `frame` gets in a file of this format: its own, else the deepest there is."""
    return frame.dtype.name if frame.dtype.name in file_format.samples else file_format.samples[-1]


def _without_png_colour(picture: Picture, file_format: Format, name: str) -> Picture:
    """`picture` for a format that has none of PNG's chunks: their meaning in a profile, or in the samples."""
    metadata, frames = picture.metadata, picture.frames
    if file_format.name == "png" or not metadata.png_colour:
        return picture
    space = colour_space_of(metadata)
    metadata = replace(metadata, png_colour=())
    if space is None or frames[0].dtype.kind == "f":
        return replace(picture, metadata=metadata)
    if "icc_profile" in file_format.metadata and not space.is_hdr:
        grey = frames[0].shape[2] < 3 and 1 in file_format.channels
        return replace(picture, metadata=replace(metadata, icc_profile=profile_of(space, grey=grey)))
    if space.is_hdr:
        log.warning("%s: its HDR colours become sRGB, clipped above diffuse white; only PNG keeps them", name)
    else:
        log.info("%s: converted to sRGB, as no profile is written to %s", name, file_format.title)
    frames = tuple(in_srgb(frame, space) for frame in frames)
    return replace(picture, frames=frames, metadata=replace(metadata, icc_profile=None))


def _with_fitting_profiles(picture: Picture, file_format: Format, name: str) -> Picture:
    """`picture` with profiles of the kind of its pixels, for which readers ask."""
    if picture.animation is not None:
        frames, icc_profile = fitted_to_profile(
            picture.frames, picture.metadata.icc_profile, file_format, name
        )
        return replace(picture, frames=frames, metadata=replace(picture.metadata, icc_profile=icc_profile))
    pages = [
        fitted_to_profile((frame,), metadata.icc_profile, file_format, name)
        for frame, metadata in zip(picture.frames, picture.page_metadata, strict=True)
    ]
    metadata = [
        replace(page, icc_profile=icc_profile)
        for page, (_, icc_profile) in zip(picture.page_metadata, pages, strict=True)
    ]
    return replace(picture, frames=tuple(page for (page,), _ in pages)).with_page_metadata(metadata)


def _in_srgb(picture: Picture, file_format: Format, name: str) -> Picture:
    """`picture` for a format that can't say which colour space its numbers are in."""
    icc_profile = picture.metadata.icc_profile
    if icc_profile is None or "icc_profile" in file_format.metadata:
        return picture
    without = replace(picture, metadata=replace(picture.metadata, icc_profile=None))
    meaning = meaning_of(picture.metadata, grey=picture.frames[0].shape[2] < 3)
    if meaning is None:
        return without
    frames = tuple(in_srgb(frame, meaning) for frame in picture.frames)
    log.info("%s: converted to sRGB, as no profile is written to %s", name, file_format.title)
    return replace(without, frames=frames)


def _kept_metadata(picture: Picture, file_format: Format, name: str) -> list[Metadata]:
    """What the file will say beside each of its frames."""
    return [
        _kept_of_frame(metadata, frame, file_format, name)
        for frame, metadata in zip(picture.frames, picture.page_metadata, strict=True)
    ]


def _kept_of_frame(metadata: Metadata, frame: Frame, file_format: Format, name: str) -> Metadata:
    """`metadata` corrected for the new `frame`, and what its format can hold of it."""
    size = frame.shape[1], frame.shape[0]
    if "colorimetry" in file_format.metadata:
        metadata = metadata.with_colorimetry_for(frame.dtype)
    metadata = replace(
        metadata,
        exif=metadata.exif and _writable_exif(metadata.exif, *size, name),
        auxiliary=_writable_auxiliary(metadata.auxiliary, *size, name)
        if file_format.name == "jpeg"
        else metadata.auxiliary,
    )
    metadata = _with_fitting_xmp(metadata.with_comment_for(file_format), file_format, *size)
    lost = metadata.lost_in(file_format)
    if lost or metadata.lost:
        reasons = [f"{in_words(lost, metadata)} (not written to {file_format.title})"] if lost else []
        log.info("%s: left out: %s", name, "; ".join([*reasons, *metadata.lost]))
    return metadata.without(lost)


def _with_fitting_xmp(metadata: Metadata, file_format: Format, width: int, height: int) -> Metadata:
    """`metadata` whose XMP says of the new picture what is true in a file of this format, in a packet of its
    own or, where it is too long for a JPEG segment, in two.
    """
    xmp, extended = metadata.xmp, metadata.extended_xmp
    if xmp is None or "xmp" not in file_format.metadata:
        return metadata
    auxiliary = metadata.auxiliary if "auxiliary" in file_format.metadata else ()
    video = metadata.video if "video" in file_format.metadata else None
    xmp = current_xmp(
        corrected_xmp(xmp, width, height),
        items=xmp_items(auxiliary, video),
        motion=video is not None,
        gain_map=any(map(is_gain_map, auxiliary)),
    )
    if extended is not None and "extended_xmp" not in file_format.metadata:
        whole = merged(xmp, corrected_xmp(extended, width, height))
        return replace(metadata, xmp=whole or xmp, extended_xmp=None if whole else extended)
    if extended is None and "extended_xmp" in file_format.metadata:
        xmp, extended = split(xmp) or (xmp, None)
    if extended is not None:
        extended = corrected_xmp(extended, width, height)
        xmp = with_extension(xmp, extended)
    return replace(metadata, xmp=xmp, extended_xmp=extended)


def _writable_auxiliary(
    entries: Sequence[AuxiliaryPicture], width: int, height: int, name: str
) -> tuple[AuxiliaryPicture, ...]:
    written = []
    for entry in entries:
        try:
            written.append(enlarged(entry, width, height))
        except Exception as error:  # noqa: BLE001 - decoders raise nearly anything for damaged files
            log.warning("%s: the gain map is damaged (%s) and is left out", name, error)
    return tuple(written)


def _writable_exif(exif: bytes, width: int, height: int, name: str) -> bytes | None:
    try:
        return corrected_exif(exif, width, height)
    except Exception as error:  # noqa: BLE001 - Pillow reads values that it can't write
        log.warning("%s: the EXIF block is damaged (%s) and is left out", name, error)
        return None
