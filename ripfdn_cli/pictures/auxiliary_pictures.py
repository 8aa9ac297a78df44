"""HDR gain maps and other pictures that go with a larger one, enlarged as that is."""

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from ripfdn_cli.pictures.jpeg_extras import AuxiliaryPicture
from ripfdn_cli.pictures.jpeg_segments import APP1, APP2, end_of_head, read_jpeg, segment_bytes
from ripfdn_cli.pictures.picture import upright

_QUALITY = 95


def enlarged(entry: AuxiliaryPicture, width: int, height: int) -> AuxiliaryPicture:
    """`entry`, upright, for a main picture of `width` × `height` px: by a bicubic filter, as its numbers are
    no light that a network knows. Its own segments (what its numbers mean) stay. Raises what Pillow raises
    for damaged pictures.
    """
    size = tuple(
        max(1, round(side * share)) for side, share in zip((width, height), entry.share, strict=True)
    )
    with Image.open(io.BytesIO(entry.content), formats=["JPEG"]) as image:
        if entry.turn == 1 and image.size == size:
            return entry
        pixels = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    turned = Image.fromarray(upright(pixels, entry.turn))
    stream = io.BytesIO()
    turned.resize((size[0], size[1]), Image.Resampling.BICUBIC).save(
        stream, "JPEG", quality=_QUALITY, subsampling="4:4:4"
    )
    kept = b"".join(
        segment_bytes(segment.marker, segment.content)
        for segment in read_jpeg(entry.content).segments
        if segment.marker in (APP1, APP2) and not segment.content.startswith((b"Exif\0", b"MPF\0"))
    )
    content = stream.getvalue()
    position = end_of_head(content)
    return replace(entry, content=content[:position] + kept + content[position:], turn=1)
