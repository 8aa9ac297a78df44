"""Streams that were joined byte by byte are read on one clock."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from support.joined_files import concatenated
from support.video_clips import Clip, make_clip, picture

from ripfdn_cli.video.files import opened, probe, scan
from ripfdn_cli.video.frames import VideoFrames
from ripfdn_cli.video.packet_times import retimed

TICKS = 90000
TS = Clip(frames=24, width=64, height=48, time_base=Fraction(1, TICKS), audio="aac")


def test_sound_that_is_longer_than_the_picture_is_no_damage(tmp_path: Path) -> None:
    part = make_clip(tmp_path / "a.ts", Clip(**(TS.__dict__ | {"frames": 12})))  # and 0.64 s of sound
    found = scan(concatenated(tmp_path / "joined.ts", part, part), 0)
    assert max(found.times.durations) > 2 * 3750
    assert found.lost_frames == 0


def test_streams_that_say_no_durations_do_not_overlap(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = make_clip(tmp_path / "a.ts", Clip(**(TS.__dict__ | {"frames": 12, "audio": None})))
    with caplog.at_level("WARNING"):
        found = scan(concatenated(tmp_path / "joined.ts", part, part), 0)
    assert [after - before for before, after in pairwise(found.times.pts.tolist())] == [3750] * 23
    assert not caplog.records


@pytest.mark.parametrize("bframes", ["0", "2"])
def test_joined_transport_streams_go_on_where_the_one_before_ended(tmp_path: Path, bframes: str) -> None:
    options = {"bf": bframes, "preset": "fast"}
    part = make_clip(tmp_path / "a.ts", Clip(**(TS.__dict__ | {"options": options})))
    path = concatenated(tmp_path / "joined.ts", part, part, part)
    info = probe(path)
    found = scan(path, info.index)
    steps = [after - before for before, after in pairwise(found.times.pts.tolist())]
    assert len(found.times.pts) == 72
    assert len(found.joints) == 2
    assert found.lost_frames == 0
    assert {3750} < set(steps)  # 24 a second, and where sound is longer than the picture, a longer frame
    assert all(step == 3750 or number in (23, 47) for number, step in enumerate(steps))
    numbers = [frame.index for frame in VideoFrames(path, info, found.times, joints=found.joints)()]
    assert numbers == list(range(72))


def test_sound_of_joined_streams_stays_with_its_picture(tmp_path: Path) -> None:
    part = make_clip(tmp_path / "a.ts", TS)
    path = concatenated(tmp_path / "joined.ts", part, part)
    joints = scan(path, 0).joints
    with opened(path) as container:
        packets = [packet for packet in retimed(container.demux(), joints) if packet.size]
    pictures = sorted(packet.pts for packet in packets if packet.stream_index == 0)
    sound = [packet.pts for packet in packets if packet.stream_index == 1]
    assert all(before < after for before, after in pairwise(sound))
    with av.open(str(part)) as container:
        alone = [packet for packet in container.demux() if packet.size]
    times = {
        index: [p.pts for p in alone if p.stream_index == index and p.pts is not None] for index in (0, 1)
    }
    assert len(times[0]) + len(times[1]) == len(alone)
    apart = min(times[1]) - min(times[0])
    assert sound[0] - pictures[0] == apart
    assert sound[len(sound) // 2] - pictures[len(pictures) // 2] == apart


def test_a_clock_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    assert scan(make_clip(tmp_path / "a.ts", TS), 0).joints == ()
    assert scan(make_clip(tmp_path / "a.mkv"), 0).joints == ()


def with_pauses(path: Path, seconds: list[float], bframes: int, *, sound: bool) -> Path:
    """Frames at `seconds`, with silence all along where there is `sound`."""
    with av.open(str(path), "w") as container:
        options = {"bf": str(bframes), "tune": "zerolatency"}  # so that sound isn't far ahead in the file
        video = container.add_stream("libx264", rate=25, options=options, width=48, height=32)
        video.codec_context.time_base = Fraction(1, TICKS)
        audio: Any = container.add_stream("aac", rate=8000, layout="mono") if sound else None
        waiting = [*seconds, seconds[-1] + 1]
        for number in range(int(waiting[-1] * 8000 / 1024) if audio else 0):
            while waiting[0] * 8000 <= number * 1024:
                container.mux(video.encode(frame_at(waiting.pop(0))))
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            silence.sample_rate, silence.pts = 8000, number * 1024
            container.mux(audio.encode(silence))
        for second in waiting[:-1]:
            container.mux(video.encode(frame_at(second)))
        container.mux([*video.encode(), *(audio.encode() if audio else [])])
    return path


def frame_at(second: float) -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(picture(round(second)), "rgb24").reformat(format="yuv420p")
    frame.pts, frame.time_base = round(second * TICKS), Fraction(1, TICKS)
    return frame


@pytest.mark.parametrize(("bframes", "sound"), [(3, True), (3, False), (0, True)])
@pytest.mark.parametrize("slides", [False, True])
def test_a_pause_of_the_picture_is_no_new_clock(
    tmp_path: Path, bframes: int, sound: bool, slides: bool
) -> None:
    before, after = [number / 25 for number in range(20)], [14 + number / 25 for number in range(20)]
    seconds = [12.0 * number for number in range(5)] if slides else before + after
    path = with_pauses(tmp_path / "a.ts", seconds, bframes, sound=sound)
    info = probe(path)
    found = scan(path, info.index, first_shown=info.first_shown)
    stamps = (found.times.pts - found.times.pts[0]).tolist()
    assert stamps == [round(second * TICKS) for second in seconds]
    assert found.joints == ()
    frames = VideoFrames(path, info, found.times, joints=found.joints)()
    assert [frame.index for frame in frames] == list(range(len(seconds)))


@pytest.mark.parametrize("bframes", ["0", "2"])
def test_a_clock_that_jumps_ahead_for_all_streams_is_a_new_one(tmp_path: Path, bframes: str) -> None:
    clip = Clip(**(TS.__dict__ | {"options": {"bf": bframes, "preset": "fast"}}))
    late = {"times": [60 * TICKS + 3750 * i for i in range(24)], "audio_start": Fraction(60)}
    parts = make_clip(tmp_path / "a.ts", clip), make_clip(tmp_path / "b.ts", Clip(**(clip.__dict__ | late)))
    found = scan(concatenated(tmp_path / "joined.ts", *parts), 0)
    steps = [after - before for before, after in pairwise(found.times.pts.tolist())]
    assert len(found.joints) == 1
    assert steps[:23] + steps[24:] == [3750] * 46
    assert 3750 < steps[23] < 2 * 3750  # sound is longer than the picture
