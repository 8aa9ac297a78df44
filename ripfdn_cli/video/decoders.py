"""Which of FFmpeg's decoders a picture takes: the usual one, but where that would lose something."""

import logging
from typing import Any

import av

log = logging.getLogger(__name__)

ALPHA_MODE = "alpha_mode"
"""The tag by which Matroska and WebM say that transparency lies beside each packet of VP8 or VP9."""
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""FFmpeg's own decoders of these leave transparency out without a word; libvpx decodes it."""


def decoder_of(stream: av.VideoStream) -> Any:
    """An av.VideoCodecContext for the packets of `stream`, with the options of the one it has already."""
    own = stream.codec_context
    name = _WITH_ALPHA.get(own.name)
    if name is None or not has_alpha_beside(stream):
        return own
    try:
        decoder: Any = av.CodecContext.create(name, "r")
    except av.codec.codec.UnknownCodecError:
        log.warning("the transparency of this %s video is lost: this build of FFmpeg has no libvpx", own.name)
        return own
    decoder.extradata = own.extradata
    for said in ("colorspace", "color_primaries", "color_trc", "color_range"):  # by the container
        setattr(decoder, said, getattr(own, said))
    decoder.thread_type = "AUTO"
    decoder.options = {key: value for key, value in own.options.items() if key == "max_pixels"}
    return decoder


def has_alpha_beside(stream: av.VideoStream) -> bool:
    """Whether the stream's tags say that its alpha is coded beside the pictures (VP8 and VP9 in Matroska)."""
    return any(key.lower() == ALPHA_MODE and value == "1" for key, value in stream.metadata.items())


def is_lossy(codec: str) -> bool:
    """Pictures that FFmpeg's decoder `codec` decodes have usually lost something."""
    return bool(av.Codec(codec, "r").lossy)
