"""Tags: what a container tells of itself, how another spells the rest, and whether two say the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import UTC, datetime

from ripfdn_cli.video.formats import QUICKTIME_LANGUAGES, Container

NAMED_TAG = "tag:"
"""What stands before the name of a tag that is to be left out."""
PLAIN_LANGUAGE = 3
"""Letters of a language code alone; more say a country or script, which ISO 639-2 has none of."""
_OF_CONTAINERS = (
    *("major_brand", "minor_version", "compatible_brands", "encoder", "vendor_id", "duration"),
    *("bps", "number_of_frames", "number_of_bytes", "_statistics_", "alpha_mode"),
)
"""Beginnings of tags in which any container tells of itself, and which would be wrong in another."""
_OF_DEMUXERS = {
    "flv": (
        *("has", "canseek", "last", "audio", "video", "metadatacreator", "metadatadate", "datasize"),
        *("filesize", "width", "height", "framerate", "stereo", "cuepoints", "keyframes", "totalframes"),
        *("totalduration", "starttime", "bytelength", "server", "sourcedata", "purl", "pmsg"),
    ),
    "asf": ("wmfsdk", "isvbr", "deviceconformancetemplate", "wm/wmadrc", "asfleakybucketpairs"),
}
"""The same, of containers that keep a table of facts of their own among the tags."""
_ITUNES = frozenset(
    {
        *("title", "artist", "album_artist", "composer", "album", "date", "comment", "genre", "copyright"),
        *("grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords"),
        *("episode_sort", "season_number", "media_type", "hd_video", "gapless_playback", "compilation"),
        *("track", "disc", "location", "creation_time"),
    }
)
"""The tags of MP4 that every player knows; FFmpeg writes either these or any by name, not both."""
_OUTSIDE = frozenset({"creation_time", "location"})
"""Those of them that have a place of their own besides."""
_NAMED_BY_APPLE = {
    "title": "com.apple.quicktime.title",
    "artist": "com.apple.quicktime.artist",
    "album": "com.apple.quicktime.album",
    "comment": "com.apple.quicktime.comment",
    "description": "com.apple.quicktime.description",
}
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_LOCATION = re.compile(r"(?:[+-]\d+(?:\.\d+)?){2,3}(?:CRS\w+)?/?")


def carried(
    metadata: Mapping[str, str], demuxer: str, dropped: Collection[str] = (), *, of_file: bool = False
) -> dict[str, str]:
    """Those of `metadata`, from a file that `demuxer` read, that say something of what it shows; without
    `dropped`, names in lower case.
    """
    own: tuple[str, ...] = _OF_CONTAINERS
    for name in demuxer.split(",") if of_file else ():
        own += _OF_DEMUXERS.get(name, ())
    return {
        key: value
        for key, value in metadata.items()
        if not key.lower().startswith(own) and key.lower() not in dropped
    }


def spelled(tags: dict[str, str], container: Container) -> dict[str, str]:
    """The `tags` of a stream as FFmpeg's muxer of `container` takes them."""
    spelt = dict(tags)
    if "name" in spelt and "title" not in spelt:  # what FFmpeg reads from MP4 as one and writes as the other
        spelt["title"] = spelt.pop("name")
    if container.muxer == "mov" and "language" in spelt:
        spelt["language"] = QUICKTIME_LANGUAGES.get(spelt["language"], spelt["language"])
    if container.described_by_boxes and len(spelt.get("language", "")) > PLAIN_LANGUAGE:
        del spelt["language"]  # which has a box of its own
    return spelt


def spelled_for_file(tags: dict[str, str], container: Container) -> tuple[dict[str, str], dict[str, str]]:
    """The `tags` of a file as the muxer of `container` takes them, and its options for that.

    MP4's tags by name hold anything, but then those that players know are by name too. They are used for
    tags that came by name (as phones write them), and where there are no others.
    """
    if container.muxer not in ("mp4", "mov"):
        return tags, {}
    names = {key.lower() for key in tags}
    known = (names & _ITUNES) - _OUTSIDE
    by_name = any("." in name for name in names) or (not known and bool(names - _ITUNES))
    if not by_name:
        return tags, {}
    both = {apple: tags[key] for key, apple in _NAMED_BY_APPLE.items() if key in tags and apple not in tags}
    return tags | both, {"movflags": "+use_metadata_tags"}


def lost_tags(wanted: Mapping[str, str], have: Mapping[str, str], container: Container) -> list[str]:
    """Names of the tags of `wanted` that `have` says nothing of, under any name, as containers have their own
    for the same thing.
    """
    return [
        key
        for key, value in wanted.items()
        if key.lower().partition("-")[0] not in container.own_tags
        and (key, value) != ("language", "und")
        and not any(means_the_same(value, other) for other in have.values())
    ]


def means_the_same(value: str, other: str) -> bool:
    """Two tags' values say the same: times in any zone, to the second, and places in any spelling."""
    value, other = value.strip(), other.strip()
    if value == other:
        return True
    times = _time(value), _time(other)
    if None not in times:
        return times[0] == times[1]
    if _LOCATION.fullmatch(value) and _LOCATION.fullmatch(other):  # ISO 6709
        return _numbers(value)[:2] == _numbers(other)[:2]
    return False


def _time(text: str) -> datetime | None:
    """A point in time, to the second; what has no zone is meant as UTC by containers."""
    if not text[:4].isdecimal() or len(text) < 10:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)


def _numbers(text: str) -> list[float]:
    return [round(float(number), 3) for number in _NUMBER.findall(text)]
