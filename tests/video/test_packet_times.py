"""Streams that were joined byte by byte are read on one clock."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import pytest
from support.joined_files import concatenated
from support.video_clips import Clip, make_clip

from ripfdn_cli.video.files import opened, probe, scan
from ripfdn_cli.video.frames import VideoFrames
from ripfdn_cli.video.packet_times import retimed

TS = Clip(frames=24, width=64, height=48, time_base=Fraction(1, 90000), audio="aac")


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
