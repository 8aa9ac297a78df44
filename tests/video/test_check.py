"""What is missing or wrong in a result is found: each part of a whole file is harmed in turn."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from support.video_clips import Clip, make_clip
from support.video_segments import settings, write_all

from ripfdn_cli.video.check import missing_parts, wrong_packets
from ripfdn_cli.video.colour import ColourTags
from ripfdn_cli.video.copies import SourceStreams, copied_streams
from ripfdn_cli.video.files import opened, probe, scan
from ripfdn_cli.video.formats import container_of
from ripfdn_cli.video.mux import VideoTrack, mux
from ripfdn_cli.video.timeline import timeline

MKV = container_of(Path("a.mkv"))


class Joined:
    """A whole result: its file, its picture, and what it took from its source."""

    def __init__(self, folder: Path) -> None:
        clip = Clip(
            frames=8,
            audio="aac",
            subtitles="subrip",
            chapters=True,
            attachment=b"font",
            metadata={"title": "T"},
        )
        source = make_clip(folder / "in.mkv", clip)
        info = probe(source)
        line = timeline(scan(source, info.index).times)
        encoder = replace(settings(base=line.time_base, size=(96, 64)), rate=line.rate)
        segments = write_all(folder, line, encoder, 4)
        assert len(segments) == 2
        with opened(source) as container:
            copied = tuple(stream.index for stream in copied_streams(container, info.index))
        self.track = VideoTrack(encoder, line, segments)
        self.streams = SourceStreams(source, info.index, copied)
        self.path = folder / "out.mkv"
        mux(self.path, MKV, self.track, self.streams, name=self.path)

    def problems(self, path: Path | None = None) -> str:
        path = path or self.path
        missing = missing_parts(path, MKV, self.track, self.streams)
        return "; ".join(map(str, [*missing, *wrong_packets(path, self.track, self.streams)]))


@pytest.fixture
def joined(tmp_path: Path) -> Joined:
    return Joined(tmp_path)


def remux(
    joined: Joined, change: Callable[[Any, int], Any], *, extras: bool = True, title: str = "T"
) -> Path:
    """A copy of the result whose packets went through `change(packet, number of its stream)`."""
    path = joined.path.with_name("changed.mkv")
    options = {"avoid_negative_ts": "disabled", "default_mode": "passthrough"}
    with av.open(str(joined.path)) as source, av.open(str(path), "w", container_options=options) as target:
        streams = {}
        for old in source.streams:
            if extras or old.type != "attachment":
                streams[old.index] = new = target.add_stream_from_template(old, opaque=True)
                new.metadata.update(old.metadata)
        target.metadata["title"] = title
        if extras:
            target.set_chapters(source.chapters())
        for packet in source.demux():
            if packet.size:
                index = packet.stream_index
                packet.dts = packet.pts if packet.dts is None else packet.dts
                changed = change(packet, index)
                if changed is not None:
                    changed.stream = streams[index]
                    target.mux(changed)
    return path


def test_a_whole_result_has_no_problem(joined: Joined) -> None:
    assert joined.problems() == ""
    assert joined.problems(remux(joined, lambda packet, index: packet)) == ""


def test_a_lost_frame_is_found(joined: Joined) -> None:
    seen: list[int] = []

    def lose_last(packet: Any, index: int) -> Any:
        if index == 0:
            seen.append(0)
        return None if index == 0 and len(seen) == 8 else packet

    assert "7 frames instead of 8" in joined.problems(remux(joined, lose_last))


def test_a_moved_frame_is_found(joined: Joined) -> None:
    def move(packet: Any, index: int) -> Any:
        if index == 0 and packet.pts > 280:
            packet.pts, packet.dts = packet.pts + 2, packet.dts + 2
        return packet

    assert "the picture: packet 7 at 0.294000 s instead of 0.292000 s" in joined.problems(remux(joined, move))


def test_a_longer_last_frame_is_found(joined: Joined) -> None:
    def stretch(packet: Any, index: int) -> Any:
        if index == 0 and packet.pts > 280:
            packet.duration += 20
        return packet

    assert "the picture ends at" in joined.problems(remux(joined, stretch))


def test_changed_and_lost_sound_are_found(joined: Joined) -> None:
    def change(packet: Any, index: int) -> Any:
        if index != 1 or packet.pts < 100:
            return packet
        new = av.Packet(bytes(packet)[:-1] + b"\x55")
        new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
        new.duration, new.is_keyframe = packet.duration, True
        return new

    assert "stream 1 (audio, aac, deu): different content" in joined.problems(remux(joined, change))
    lost = remux(joined, lambda packet, index: None if index == 1 and packet.pts > 500 else packet)
    assert "packets instead of 31" in joined.problems(lost)
    silent = remux(joined, lambda packet, index: None if index == 1 else packet)
    assert "stream 1 (audio, aac, deu): missing" in joined.problems(silent)


def test_lost_chapters_attachments_and_tags_are_found(joined: Joined) -> None:
    found = joined.problems(remux(joined, lambda packet, index: packet, extras=False, title="other"))
    for part in ("chapters", "font.ttf", "tag title"):
        assert part in found


def test_other_colours_and_shapes_are_found(joined: Joined) -> None:
    settings = joined.track.settings
    joined.track = replace(
        joined.track,
        settings=replace(settings, tags=ColourTags(9, 9, 16), sample_aspect_ratio=Fraction(4, 3)),
    )
    found = joined.problems()
    assert "the picture's colour tags ((1, 1, 1, False) instead of (9, 9, 16, False))" in found
    assert "the picture's aspect ratio of pixels" in found
