"""Every frame comes out once, at its number; what can't be decoded is said or repeated, never dropped."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from support.interlaced_clips import combing, interlaced
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import InputError
from ripfdn_cli.video.files import probe, scan
from ripfdn_cli.video.frames import BadFrames, SourceFrame, VideoFrames, _deinterlacer

CODECS = {
    "libx264": Clip(frames=24, options={"bf": "2", "g": "12", "preset": "fast"}),
    "libx265": Clip(frames=24, codec="libx265", width=64, height=64),
    "mpeg2video": Clip(frames=24, codec="mpeg2video", time_base=Fraction(1, 24), options={"bf": "2"}),
    "libvpx-vp9": Clip(frames=24, codec="libvpx-vp9", options={"cpu-used": "5"}),
    "prores_ks": Clip(frames=24, codec="prores_ks", pixel_format="yuv422p10le"),
    "mjpeg": Clip(frames=24, codec="mjpeg", pixel_format="yuvj420p"),
}
DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 3],
    "head": lambda data: b"\xff" * 16 + data[16:],
}


def frames_of(path: Path, bad_frames: BadFrames = "error", deinterlace: bool = False) -> VideoFrames:
    info = probe(path)
    times = scan(path, info.index, complete=bad_frames == "error").times
    return VideoFrames(path, info, times, deinterlace, bad_frames)


def numbers(frames: Iterator[SourceFrame]) -> list[tuple[int, int]]:
    return [(frame.index, frame.stop) for frame in frames]


def damage(path: Path, number: int, change: Callable[[bytes], bytes]) -> Path:
    """A copy of `path` whose packet `number` is changed."""
    damaged = path.with_name(f"damaged{path.suffix}")
    with av.open(str(path)) as source, av.open(str(damaged), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0], opaque=True)
        for count, packet in enumerate(packet for packet in source.demux(video=0) if packet.size):
            new = av.Packet(change(bytes(packet)) if count == number else bytes(packet))
            new.pts, new.dts, new.time_base = packet.pts, packet.dts, packet.time_base
            new.duration, new.is_keyframe, new.stream = packet.duration, packet.is_keyframe, stream
            if new.dts is None:
                assert new.pts is not None
                new.dts = new.pts - 1000
            target.mux(new)
    return damaged


@pytest.mark.parametrize("codec", CODECS)
def test_every_frame_comes_once(codec: str, tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", CODECS[codec])
    assert numbers(frames_of(path)()) == [(n, n + 1) for n in range(24)]


@pytest.mark.parametrize(
    ("codec", "kind"),
    # A JPEG without its beginning is one still.
    [(codec, kind) for codec in CODECS for kind in DAMAGES if (codec, kind) != ("mjpeg", "head")],
)
def test_a_damaged_frame_is_an_error_that_says_where(codec: str, kind: str, tmp_path: Path) -> None:
    path = damage(make_clip(tmp_path / "clip.mkv", CODECS[codec]), 7, DAMAGES[kind])
    with pytest.raises(InputError, match=r"from frame \d+ at 0\.\d+ s on can't be decoded"):
        list(frames_of(path)())


def hollow(data: bytes) -> bytes:
    return data[:-60] + bytes(40) + data[-20:]


def test_damage_within_a_jpeg_is_noticed(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", CODECS["mjpeg"])
    assert probe(clip).strict
    path = damage(clip, 7, hollow)
    with pytest.raises(InputError, match="a frame from frame 7 at"):
        list(frames_of(path)())


def test_jpegs_that_are_never_by_the_letter_are_taken_as_they_are(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "clip.mkv", CODECS["mjpeg"])
    for number in range(24):
        path = damage(path, number, hollow).rename(tmp_path / f"{number}.mkv")
    assert not probe(path).strict
    assert len(numbers(frames_of(path)())) == 24


@pytest.mark.parametrize("codec", CODECS)
def test_a_damaged_frame_is_replaced_by_its_neighbour_when_asked(codec: str, tmp_path: Path) -> None:
    path = damage(make_clip(tmp_path / "clip.mkv", CODECS[codec]), 7, DAMAGES["cut"])
    found = numbers(frames_of(path, "repeat")())
    assert found[0][0] == 0
    assert found[-1][1] == 24
    assert [stop for _, stop in found[:-1]] == [index for index, _ in found[1:]]
    assert len(found) < 24


def test_a_damaged_first_frame_is_replaced_by_the_next_whole_one(tmp_path: Path) -> None:
    clip = Clip(frames=6, codec="mjpeg", pixel_format="yuvj420p")
    path = damage(make_clip(tmp_path / "clip.mkv", clip), 0, DAMAGES["cut"])
    assert numbers(frames_of(path, "repeat")())[0] == (0, 2)


def test_avi_frames_are_numbered_in_turn(tmp_path: Path) -> None:
    clip = Clip(time_base=Fraction(1, 24), options={"bf": "2", "preset": "fast"})
    path = make_clip(tmp_path / "clip.avi", clip)
    frames = list(frames_of(path)())
    assert numbers(iter(frames)) == [(n, n + 1) for n in range(12)]
    # The blue of each picture tells its number.
    blues = [frame.pixels[30, 2, 2] for frame in frames]
    assert (np.diff(np.array(blues, int)) > 0).all()


@pytest.mark.parametrize("first", [1, 9, 30, 39])
@pytest.mark.parametrize("name", ["closed.mkv", "open.mp4", "transport.ts"])
def test_going_on_gives_the_same_frames(name: str, first: int, tmp_path: Path) -> None:
    gop = "keyint=8:min-keyint=8:bframes=3:scenecut=0:open-gop=" + ("1" if "open" in name else "0")
    path = make_clip(tmp_path / name, Clip(frames=40, options={"preset": "fast", "x264-params": gop}))
    frames = frames_of(path)
    checksums = {frame.index: frame.checksum for frame in frames()}
    before = {number: checksums[number] for number in range(max(0, first - 3), first)}
    assert {frame.index: frame.checksum for frame in frames(first, before)} == {
        number: checksum for number, checksum in checksums.items() if number >= first
    }


def test_when_seeking_finds_other_frames_all_is_decoded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_clip(tmp_path / "clip.mkv", Clip(frames=30, options={"g": "5"}))
    caplog.set_level("DEBUG")
    found = numbers(frames_of(path)(20, {17: 1, 18: 2, 19: 3}))
    assert found == [(n, n + 1) for n in range(20, 30)]
    assert "not exact" in caplog.text


@pytest.mark.parametrize("first", [1, 9, 30, 39])
@pytest.mark.parametrize("name", ["closed.mkv", "open.mp4", "counted.avi"])
def test_beginning_where_seeking_leads_gives_the_same_frames(name: str, first: int, tmp_path: Path) -> None:
    options = {"preset": "fast", "x264-params": "keyint=8:min-keyint=8:bframes=3:scenecut=0:open-gop=1"}
    if name.startswith("counted"):
        clip = Clip(frames=40, codec="mpeg4", time_base=Fraction(1, 24))
    else:
        clip = Clip(frames=40, options=options)
    frames = frames_of(make_clip(tmp_path / name, clip))
    checksums = {frame.index: frame.checksum for frame in frames()}
    assert {frame.index: frame.checksum for frame in frames(first, None)} == {
        number: checksum for number, checksum in checksums.items() if number >= first
    }


def test_going_on_within_the_time_of_a_missing_frame_gives_the_one_that_stands_for_it(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=24, codec="mjpeg", pixel_format="yuvj420p"))
    path = damage(clip, 10, DAMAGES["cut"])
    frames = frames_of(path, "repeat")
    whole = {frame.index: frame for frame in frames()}
    assert (whole[9].index, whole[9].stop) == (9, 11)
    before = {number: whole[number].checksum for number in (7, 8, 9)}
    for known in (before, None):
        found = list(frames(10, known))
        assert numbers(iter(found[:2])) == [(9, 11), (11, 12)]
        assert found[0].checksum == whole[9].checksum


CLOSE_OFTEN = """
import sys
from pathlib import Path
from ripfdn_cli.video.files import probe, scan
from ripfdn_cli.video.frames import VideoFrames
from ripfdn_cli.video.pyav_versions import warnings_of_ffmpeg
whole, damaged = map(Path, sys.argv[1:])
info = probe(whole)
frames = VideoFrames(damaged, info, scan(whole, info.index).times, bad_frames="repeat")
with warnings_of_ffmpeg():
    for _ in range(300):
        reading = frames()
        next(reading)
        reading.close()
"""


def test_decoders_that_have_something_to_say_can_be_closed_while_ffmpeg_is_listened_to(
    tmp_path: Path,
) -> None:
    options = {"preset": "fast", "g": "20"}
    whole = make_clip(tmp_path / "in.mkv", Clip(frames=40, width=320, height=240, options=options))
    data = bytearray(whole.read_bytes())
    for place in range(3000, len(data) - 2000, 97):
        data[place] ^= 0x55
    damaged = tmp_path / "damaged.mkv"
    damaged.write_bytes(bytes(data))
    # In a process of its own, for what waits forever with Python's lock can't be ended by pytest.
    command = [sys.executable, "-c", CLOSE_OFTEN, str(whole), str(damaged)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


def test_interlaced_frames_stay_or_are_made_whole(tmp_path: Path) -> None:
    path = interlaced(tmp_path / "clip.mkv")
    assert probe(path).is_interlaced
    with av.open(str(path)) as container:
        raw = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert combing(raw[5]) > 3
    as_they_are = list(frames_of(path)())
    assert combing(as_they_are[5].pixels) == pytest.approx(combing(raw[5]), rel=0.1)
    whole = list(frames_of(path, deinterlace=True)())
    assert numbers(iter(whole)) == [(n, n + 1) for n in range(10)]
    assert combing(whole[5].pixels) < combing(raw[5]) / 4


def partly_interlaced(path: Path) -> Path:
    """20 frames that are whole, as many as are probed and more, then the ten of `interlaced`."""
    parts = [make_clip(path.with_name("whole.ts"), Clip(frames=20, width=64, height=64, times=None))]
    parts.append(interlaced(path.with_name("fields.ts")))
    with av.open(str(path), "w") as joined:
        stream = None
        for number, part in enumerate(parts):
            with av.open(str(part)) as source:
                stream = stream or joined.add_stream_from_template(source.streams.video[0])
                for packet in source.demux(video=0):
                    if packet.size:
                        packet.stream = stream
                        later = number * 2 * 90000
                        packet.pts, packet.dts = (packet.pts or 0) + later, (packet.dts or 0) + later
                        joined.mux(packet)
    return path


def test_fields_that_come_late_are_made_whole_wherever_decoding_begins(tmp_path: Path) -> None:
    path = partly_interlaced(tmp_path / "clip.ts")
    assert not probe(path).is_interlaced
    frames = frames_of(path, deinterlace=True)
    whole = list(frames())
    assert numbers(iter(whole)) == [(n, n + 1) for n in range(30)]
    raw = list(frames_of(path)())
    assert [frame.checksum for frame in whole[:20]] == [frame.checksum for frame in raw[:20]]
    assert combing(raw[25].pixels) > 3 > 1 > combing(whole[25].pixels)
    checksums = {frame.index: frame.checksum for frame in whole}
    for first in (19, 20, 21, 22, 28):
        before = {number: checksums[number] for number in range(first - 3, first)}
        again = [frame.checksum for frame in frames(first, before)]
        assert again == [frame.checksum for frame in whole[first:]]


@pytest.mark.parametrize("name", ["yuv420p", "nv12", "yuyv422", "rgb24"])
@pytest.mark.parametrize(("matrix", "colour_range"), [(1, 2), (5, 1), (2, 0)])
def test_a_deinterlacer_leaves_whole_frames_as_they_are(name: str, matrix: int, colour_range: int) -> None:
    """In any layout of samples, with what they say of their colours."""
    frame = av.VideoFrame(64, 48, name)
    for plane in frame.planes:
        noise = np.random.default_rng(0).integers(0, 256, plane.buffer_size, dtype=np.uint8)
        plane.update(noise.tobytes())
    frame.colorspace, frame.color_range = (0 if name == "rgb24" else matrix), colour_range
    graph = _deinterlacer(frame)
    graph.vpush(frame)
    graph.vpush(frame)
    graph.vpush(None)
    whole = graph.vpull()
    assert whole.format.name == name
    assert np.array_equal(whole.to_ndarray(), frame.to_ndarray())
    assert whole.colorspace == frame.colorspace


def test_going_on_after_deinterlaced_frames(tmp_path: Path) -> None:
    frames = frames_of(interlaced(tmp_path / "clip.mkv"), deinterlace=True)
    checksums = {frame.index: frame.checksum for frame in frames()}
    before = {number: checksums[number] for number in (3, 4, 5)}
    assert {frame.index: frame.checksum for frame in frames(6, before)} == {
        number: checksum for number, checksum in checksums.items() if number >= 6
    }
