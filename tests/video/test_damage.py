"""What a damaged file lacks is counted, by the number of frames that went in; whole files lack nothing."""

from fractions import Fraction
from pathlib import Path

import av
import pytest
from support.joined_files import cut_off, without_transport_packets
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.damage import avi_is_cut_off
from ripfdn_cli.video.files import scan

FRAMES = 96
CLIPS = {
    ".ts": Clip(frames=FRAMES, width=96, height=64, time_base=Fraction(1, 90000), audio="aac"),
    ".mkv": Clip(frames=FRAMES, width=96, height=64, audio="aac"),
    ".flv": Clip(frames=FRAMES, width=96, height=64, time_base=Fraction(1, 1000), codec="flv"),
    ".avi": Clip(frames=FRAMES, width=96, height=64, codec="mpeg4", time_base=Fraction(1, 24), audio="mp2"),
}


@pytest.mark.parametrize("suffix", CLIPS)
def test_a_whole_file_lacks_nothing(suffix: str, tmp_path: Path) -> None:
    assert scan(make_clip(tmp_path / f"a{suffix}", CLIPS[suffix]), 0).lost_frames == 0


@pytest.mark.parametrize("suffix", [".mkv", ".flv", ".avi"])
@pytest.mark.parametrize("share", [0.4, 0.7])
def test_frames_that_were_cut_off_are_counted(suffix: str, share: float, tmp_path: Path) -> None:
    path = cut_off(make_clip(tmp_path / f"a{suffix}", CLIPS[suffix]), tmp_path / f"b{suffix}", share)
    found = scan(path, 0)
    assert 0 < len(found.times.pts) < FRAMES
    assert abs(found.lost_frames + len(found.times.pts) - FRAMES) <= 2


SIZE, LENGTH = 4, 32
"""Bytes from a chunk's name to its size, and in a stream's header of AVI (strh) to its number of chunks."""


def with_number(data: bytes, place: int, number: int) -> bytes:
    return data[:place] + number.to_bytes(4, "little") + data[place + 4 :]


def with_empty_chunks(source: Path, path: Path, count: int) -> Path:
    """The AVI file `source` with `count` empty chunks after its picture, as capture programs write them for
    one that stays the same.
    """
    data, more = source.read_bytes(), b"00dc\0\0\0\0" * count
    movi, index = data.index(b"movi"), data.index(b"idx1")
    length = data.index(b"strh") + SIZE + SIZE + LENGTH
    for place, added in ((SIZE, len(more)), (movi - SIZE, len(more)), (length, count)):
        data = with_number(data, place, int.from_bytes(data[place : place + 4], "little") + added)
    path.write_bytes(data[:index] + more + data[index:])
    return path


def test_sound_whose_length_is_wrong_is_no_loss_of_pictures(tmp_path: Path) -> None:
    data = make_clip(tmp_path / "a.avi", CLIPS[".avi"]).read_bytes()
    path = tmp_path / "b.avi"
    sound = data.index(b"strh", data.index(b"strh") + 4)
    path.write_bytes(with_number(data, sound + SIZE + SIZE + LENGTH, 10_000))
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert container.duration > 1_000_000 * (FRAMES / 24 + 60)
    assert scan(path, 0).lost_frames == 0


def test_a_picture_that_empty_chunks_repeat_is_held(tmp_path: Path) -> None:
    clip = Clip(frames=35, codec="mpeg4", time_base=Fraction(1, 24))
    path = with_empty_chunks(make_clip(tmp_path / "a.avi", clip), tmp_path / "b.avi", 15)
    with av.open(str(path)) as container:
        assert container.duration is not None
        assert abs(container.duration / 1_000_000 - 50 / 24) < 0.001
    found = scan(path, 0)
    assert found.times.durations.tolist() == [1] * 34 + [16]
    assert found.lost_frames == 0


def test_a_file_that_was_written_to_a_pipe_lacks_nothing(tmp_path: Path) -> None:
    """Its sizes and lengths are as they were before anything was known of them."""
    data = make_clip(tmp_path / "a.avi", CLIPS[".avi"]).read_bytes()
    path = tmp_path / "b.avi"
    length = data.index(b"strh") + SIZE + SIZE + LENGTH
    path.write_bytes(with_number(with_number(data, SIZE, 0xFFFFFFFF), length, 1 << 30))
    found = scan(path, 0)
    assert (len(found.times.pts), found.times.durations[-1], found.lost_frames) == (FRAMES, 1, 0)


def test_a_second_part_of_a_large_file_is_missed(tmp_path: Path) -> None:
    parts = [b"RIFF" + len(part).to_bytes(4, "little") + part for part in (b"AVI " + bytes(96), b"AVIX")]
    path = tmp_path / "a.avi"
    path.write_bytes(b"".join(parts))
    assert avi_is_cut_off(path) is False
    path.write_bytes(b"".join(parts)[:-2])
    assert avi_is_cut_off(path) is True


@pytest.mark.parametrize(("start", "stop"), [(0.5, 0.6), (0.2, 0.45)])
def test_frames_of_lost_transport_packets_are_counted(start: float, stop: float, tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "a.ts", CLIPS[".ts"])
    found = scan(without_transport_packets(whole, tmp_path / "b.ts", start, stop), 0)
    assert len(found.times.pts) < FRAMES
    assert found.lost_frames == FRAMES - len(found.times.pts)


def test_gaps_of_a_whole_transport_stream_are_no_damage(tmp_path: Path) -> None:
    times = [3750 * number for number in range(FRAMES) if number not in (40, 41, 42)]
    clip = Clip(width=96, height=64, time_base=Fraction(1, 90000), times=times)
    assert scan(make_clip(tmp_path / "a.ts", clip), 0).lost_frames == 0


def trimmed(source: Path, path: Path, start: int) -> Path:
    """As `ffmpeg -ss -c copy`: packets from a keyframe on, an edit list that hides those before `start`."""
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                assert packet.pts is not None
                assert packet.dts is not None
                packet.pts, packet.dts, packet.stream = packet.pts - start, packet.dts - start, stream
                new.mux(packet)
    return path


def test_frames_that_an_edit_list_hides_are_not_missing(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "a.mp4", Clip(frames=48, options={"g": "48"}))
    path = trimmed(whole, tmp_path / "b.mp4", 20 * 512)
    with av.open(str(path)) as container:
        shown = len(list(container.decode(video=0)))
        assert container.streams.video[0].frames == 48
    found = scan(path, 0)
    assert 0 < shown < 48
    assert (len(found.times.pts), found.lost_frames) == (shown, 0)


def test_frames_behind_the_end_of_the_file_are_missing(tmp_path: Path) -> None:
    whole = tmp_path / "a.mp4"
    with av.open(str(make_clip(tmp_path / "b.mp4", Clip(frames=48)))) as old:
        options = {"movflags": "+faststart"}
        with av.open(str(whole), "w", container_options=options) as new:
            stream = new.add_stream_from_template(old.streams.video[0])
            for packet in old.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    new.mux(packet)
    path = cut_off(whole, tmp_path / "c.mp4", 0.8)
    with pytest.raises(InputError, match=r"of its 48 frames are missing|ends early"):
        scan(path, 0)
    found = scan(path, 0, complete=False)
    assert len(found.times.pts) < 48


def test_a_whole_file_that_starts_late_lacks_nothing(tmp_path: Path) -> None:
    """FFmpeg writes into Matroska when it ends, not how long it is."""
    times = [24000 * 5 + 1000 * number for number in range(24)]
    late = Clip(times=times, audio="aac", audio_start=Fraction(5))
    path = make_clip(tmp_path / "a.mkv", late)
    with av.open(str(path)) as container:
        assert container.start_time is not None
        assert container.start_time > 4_900_000
    assert scan(path, 0).lost_frames == 0


@pytest.mark.parametrize("whole", [True, False])
def test_sound_behind_the_end_of_the_file_is_told(
    whole: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two frames come first, and most of the sound of 0.64 s after them."""
    source = tmp_path / "a.mp4"
    plain = make_clip(tmp_path / "b.mp4", Clip(frames=2, audio="aac"))
    first = {"movflags": "+faststart"}
    with av.open(str(plain)) as old, av.open(str(source), "w", container_options=first) as new:
        streams = [new.add_stream_from_template(stream) for stream in old.streams]
        for packet in old.demux():
            if packet.size:
                packet.stream = streams[packet.stream_index]
                new.mux(packet)
    path = source if whole else cut_off(source, tmp_path / "c.mp4", 0.6)
    with av.open(str(path)) as container:
        heard = sum(1 for packet in container.demux(audio=0) if packet.size)
    assert (heard >= 30) is whole
    with caplog.at_level("WARNING"):
        assert len(scan(path, 0, complete=False).times.pts) == 2
    told = [record.getMessage() for record in caplog.records]
    assert [("cut off" in text, "stream 1" in text) for text in told] == ([] if whole else [(True, True)])
