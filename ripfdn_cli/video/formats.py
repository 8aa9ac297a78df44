"""The video containers this program reads and writes: an allowlist.

FFmpeg knows hundreds more, playlists and scripts that open other files among them; none that is not named
here ever sees a byte of an input.
"""

from dataclasses import dataclass
from fractions import Fraction
from pathlib import PurePath

from ripfdn_cli.errors import UsageError

_MILLISECOND = Fraction(1, 1000)
_NONE = Fraction(0)


@dataclass(frozen=True)
class Container:
    """A container that is written. `muxer` and `options` as FFmpeg names them.

    `text_subtitles` and `sound`: codecs that subtitles and sound become which it doesn't hold;
    `lossless_sound`: for sound that has lost nothing, where it holds one.
    `takes_any_sound`: FFmpeg writes sound of codecs that it doesn't list, too, as Windows describes them.
    `tick`: seconds between timestamps it can hold; 0 where every stream has its own time base.
    `own_tags`: metadata it writes or replaces itself. `described_by_matroska`: it takes what
    `matroska_headers` adds, `described_by_boxes`: what `quicktime_boxes` adds.
    """

    title: str
    muxer: str
    suffixes: tuple[str, ...]
    options: tuple[tuple[str, str], ...] = ()
    tick: Fraction = _NONE
    own_tags: frozenset[str] = frozenset()
    covers_as_attachments: bool = False
    text_subtitles: str = "mov_text"
    sound: str = "aac"
    lossless_sound: str | None = None
    takes_any_sound: bool = False
    described_by_matroska: bool = False
    described_by_boxes: bool = False


_MP4_TAGS = frozenset({"major_brand", "minor_version", "compatible_brands", "encoder", "handler_name"})
_MP4_TAGS |= {"vendor_id"}

CONTAINERS = (
    Container(
        "Matroska",
        "matroska",
        (".mkv",),
        # Sound often starts some milliseconds before 0, which must not move the picture.
        options=(("avoid_negative_ts", "disabled"), ("default_mode", "passthrough")),
        tick=_MILLISECOND,
        own_tags=frozenset({"encoder", "duration"}),
        covers_as_attachments=True,
        text_subtitles="subrip",
        lossless_sound="flac",
        takes_any_sound=True,
        described_by_matroska=True,
    ),
    Container(
        "WebM",
        "webm",
        (".webm",),
        text_subtitles="webvtt",
        sound="opus",
        options=(("avoid_negative_ts", "disabled"),),
        tick=_MILLISECOND,
        own_tags=frozenset({"encoder", "duration"}),
    ),
    Container(
        "MP4",
        "mp4",
        (".mp4", ".m4v"),
        lossless_sound="flac",
        options=(("movflags", "+faststart"),),
        own_tags=_MP4_TAGS,
        described_by_boxes=True,
    ),
    Container(
        "QuickTime",
        "mov",
        (".mov",),
        options=(("movflags", "+faststart"),),
        own_tags=_MP4_TAGS,
        described_by_boxes=True,
    ),
)

QUICKTIME_LANGUAGES = {
    "deu": "ger", "ell": "gre", "hye": "arm", "isl": "ice", "kat": "geo", "mkd": "mac", "nld": "dut",
    "sqi": "alb", "zho": "chi", "cze": "ces", "fre": "fra", "rum": "ron", "slo": "slk",
}  # fmt: skip
"""ISO 639-2 has two codes for some languages; FFmpeg's QuickTime muxer knows one of the two."""

INPUT_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3gpp", ".3g2", ".mj2", ".f4v", ".mqv", ".insv", ".lrv"),
    *(".mkv", ".mk3d", ".webm", ".avi", ".divx", ".ts", ".m2ts", ".mts", ".m2t", ".trp", ".tp", ".tod"),
    *(".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".mpv", ".m2p", ".vob", ".evo", ".vro", ".mod"),
    *(".flv", ".wmv", ".wm", ".asf", ".dvr-ms", ".wtv", ".ogv", ".ogm", ".rm", ".rmvb", ".mxf", ".nut"),
    *(".y4m", ".dv", ".ivf", ".mjpg", ".mjpeg"),
)
RAW_SUFFIXES = (".h264", ".264", ".avc", ".h265", ".265", ".hevc", ".obu", ".m4e")
"""Of streams without a container, which say nothing of when their frames show."""
DEMUXERS = (
    *("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf"),
    *("wtv", "ogg", "rm", "mxf", "nut", "yuv4mpegpipe", "dv", "ivf", "mjpeg"),
)
"""FFmpeg's names. Each of these reads one file and opens no other."""


def is_video(path: PurePath) -> bool:
    """The suffix of `path` names a container that is read or written."""
    suffix = path.suffix.lower()
    return suffix in INPUT_SUFFIXES or any(suffix in entry.suffixes for entry in CONTAINERS)


def written_suffix(path: PurePath) -> str:
    """The suffix of the result of the video `path` where its container isn't said: its own, or Matroska's,
    which holds most, where that container is only read.
    """
    suffix = path.suffix.lower()
    written = any(suffix in entry.suffixes for entry in CONTAINERS)
    return suffix if written else CONTAINERS[0].suffixes[0]


def container_of(path: PurePath) -> Container:
    """The container that the suffix of `path` names for writing. Raises UsageError that lists those there
    are.
    """
    for entry in CONTAINERS:
        if path.suffix.lower() in entry.suffixes:
            return entry
    known = " ".join(suffix for entry in CONTAINERS for suffix in entry.suffixes)
    raise UsageError(
        f"{path}: {path.suffix or 'no suffix'} is not a container that can be written; use one of {known}"
    )
