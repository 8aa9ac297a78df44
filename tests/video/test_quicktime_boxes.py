"""By ISO/IEC 14496-12, and by FFmpeg."""

from pathlib import Path

import av
import pytest
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import InternalError
from ripfdn_cli.video.quicktime_boxes import (
    read_languages,
    room_for_language,
    undescribed_tracks,
    write_languages,
)


def file_with_handler(path: Path, handler: str) -> Path:
    source = make_clip(path.with_name(f"source{path.suffix}"), Clip(audio="aac"))
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        streams = {}
        for stream in old.streams:
            streams[stream.index] = new.add_stream_from_template(stream)
            if stream.type == "audio":
                streams[stream.index].metadata["handler_name"] = handler
        for packet in old.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                new.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_language_fits_where_room_was_made(suffix: str, tmp_path: Path) -> None:
    path = file_with_handler(tmp_path / f"a{suffix}", room_for_language("Sound", "zh-Hant-TW"))
    size = path.stat().st_size
    write_languages(path, {1: "zh-Hant-TW"})
    content = path.read_bytes()
    assert len(content) == size
    assert content.count(b"\0\0\0\x17elng\0\0\0\0zh-Hant-TW\0") == 1  # 14496-12, 8.4.6
    assert read_languages(path) == {1: "zh-Hant-TW"}
    with av.open(str(path)) as container:
        assert container.streams.audio[0].metadata["handler_name"] == "Sound"
        assert len([*container.decode(video=0)]) == 12


def test_without_room_nothing_is_overwritten(tmp_path: Path) -> None:
    path = file_with_handler(tmp_path / "a.mp4", "Sound")
    before = path.read_bytes()
    with pytest.raises(InternalError, match="no room"):
        write_languages(path, {1: "zh-Hant-TW"})
    assert path.read_bytes() == before
    assert read_languages(path) == {}


def test_a_track_whose_samples_nothing_describes_is_found(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", Clip(audio="aac"))
    assert undescribed_tracks(path) == set()
    content = bytearray(path.read_bytes())
    second = content.index(b"stsd", content.index(b"stsd") + 4)
    content[second + 8 : second + 12] = bytes(4)  # the number of descriptions, after version and flags
    path.write_bytes(content)
    assert undescribed_tracks(path) == {1}
