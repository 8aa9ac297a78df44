"""Segments by themselves: what they hold, and what they say of the place where they begin."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from support.segment_runs import in_fives, with_broken_packets, with_false_keyframes
from support.video_clips import Clip, make_clip

from ripfdn_cli.errors import InputError
from ripfdn_cli.pipeline.devices import Devices, NetworkSettings
from ripfdn_cli.video_jobs.segment_maker import SegmentMaker
from ripfdn_cli.video_jobs.segments import SegmentEntry
from ripfdn_cli.video_jobs.video_plan import plan_video
from ripfdn_cli.video_jobs.video_settings import VideoSettings

pytestmark = pytest.mark.any_precision


@pytest.fixture
def network(bilinear_weights: Path) -> NetworkSettings:
    return NetworkSettings(weights=str(bilinear_weights), engine="torch", devices=("cpu",), threads=1)


@pytest.fixture
def devices(network: NetworkSettings) -> Iterator[Devices]:
    made = Devices(network)
    yield made
    made.close()


def maker_of(
    source: Path, network: NetworkSettings, devices: Devices, settings: VideoSettings | None = None
) -> SegmentMaker:
    plan = plan_video([source], source.with_name("out.mkv"), settings or in_fives(), network)
    return SegmentMaker(plan, source.parent, devices)


def made(maker: SegmentMaker, outputs: range, before: dict[int, int] | None) -> dict[int, SegmentEntry]:
    entries: dict[int, SegmentEntry] = {}
    maker.make(outputs, before, lambda number, entry: entries.update({number: entry}))
    return entries


def test_a_segment_alone_is_the_same_as_in_turn(
    tmp_path: Path, network: NetworkSettings, devices: Devices
) -> None:
    options = {"preset": "fast", "bf": "2", "g": "8"}
    maker = maker_of(make_clip(tmp_path / "in.mkv", Clip(frames=23, options=options)), network, devices)
    in_turn = made(maker, range(23), {})
    assert [(n, e.segment.frames, e.lead) for n, e in in_turn.items()] == [
        (number, 5 if number < 4 else 3, None) for number in range(5)
    ]
    for number in (4, 2, 1):
        outputs, previous = range(5 * number, min(5 * number + 5, 23)), in_turn[number - 1]
        (alone,) = made(maker, outputs, None).values()
        assert alone.segment.sha256 == in_turn[number].segment.sha256
        assert alone.before == in_turn[number].before
        assert alone.lead is not None
        assert set(alone.lead) == {5 * number - 3, 5 * number - 2, 5 * number - 1, 5 * number}
        assert alone.follows(previous)
        assert not alone.follows(in_turn[number])
        (known,) = made(
            maker, range(5 * number, min(5 * number + 5, 23)), in_turn[number - 1].before
        ).values()
        assert (known.segment.sha256, known.lead) == (in_turn[number].segment.sha256, None)


def test_a_wrong_place_shows_in_the_lead(tmp_path: Path, network: NetworkSettings, devices: Devices) -> None:
    clip = Clip(frames=40, codec="mpeg4", options={"g": "100", "bf": "0"})
    source = with_false_keyframes(make_clip(tmp_path / "clip.mkv", clip), tmp_path / "in.mkv")
    maker = maker_of(source, network, devices)
    in_turn = made(maker, range(40), {})
    (alone,) = made(maker, range(30, 35), None).values()
    assert not alone.follows(in_turn[5])
    (known,) = made(maker, range(30, 35), in_turn[5].before).values()
    assert known.segment.sha256 == in_turn[6].segment.sha256


def test_files_without_places_to_seek_to_are_decoded_on_and_on(
    tmp_path: Path, network: NetworkSettings, devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = Clip(frames=30, codec="mpeg4", time_base=Fraction(1, 24))
    maker = maker_of(make_clip(tmp_path / "in.avi", clip), network, devices)
    in_turn = made(maker, range(30), {})
    other = maker_of(tmp_path / "in.avi", network, devices)
    opened: list[str] = []
    really_open = av.open

    def noted(file: Any, *arguments: Any, **options: Any) -> Any:
        opened.append(Path(file).name)
        return really_open(file, *arguments, **options)

    monkeypatch.setattr(av, "open", noted)

    def alone(number: int, before: dict[int, int] | None) -> SegmentEntry:
        (entry,) = made(other, range(5 * number, 5 * number + 5), before).values()
        return entry

    for number, before in ((1, None), (2, in_turn[1].before), (5, None)):
        entry = alone(number, before)
        assert entry.segment.sha256 == in_turn[number].segment.sha256
        assert entry.lead is None  # the place is known, as nothing was skipped
    assert opened.count("in.avi") == 1
    assert alone(3, None).segment.sha256 == in_turn[3].segment.sha256
    assert opened.count("in.avi") == 2


def test_what_was_done_before_an_error_is_whole(
    tmp_path: Path, network: NetworkSettings, devices: Devices
) -> None:
    clip = make_clip(tmp_path / "clip.mkv", Clip(frames=20, codec="mjpeg", pixel_format="yuvj420p"))
    maker = maker_of(with_broken_packets(clip, tmp_path / "in.mkv", 12), network, devices)
    entries: dict[int, SegmentEntry] = {}
    with pytest.raises(InputError, match="frame 12"):
        maker.make(range(20), {}, lambda number, entry: entries.update({number: entry}))
    assert list(entries) == [0, 1]
    assert sorted(path.name for path in tmp_path.glob("*.part")) == ["000000.part", "000001.part"]
