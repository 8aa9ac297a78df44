"""Pixel formats that devices convert, by FFmpeg's names."""

from ripfdn_cli.video.colour import ColourTags

TAGS = ColourTags(1, 1, 1, full_range=True)
NAMES = [
    *(
        f"yuv{chroma}p{suffix}"
        for chroma in (420, 422, 444)
        for suffix in ("", "9le", "10le", "12le", "14le", "16le")
    ),
    *("yuvj420p", "yuvj422p", "yuvj444p", "nv12", "p010le"),
]
