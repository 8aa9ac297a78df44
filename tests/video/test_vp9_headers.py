"""Hidden frames of VP9 are told from those that show, in packets of their own and in shared ones."""

from pathlib import Path

import av
import pytest
from support.bit_writer import Bits
from support.video_clips import Clip, make_clip

from ripfdn_cli.video.files import probe, scan
from ripfdn_cli.video.vp9_headers import shows_a_frame


def frame(*, profile: int = 0, shown: bool = True, existing: bool = False) -> bytes:
    """The first bits of a frame, by the VP9 bitstream specification 6.2, and some that stand for the rest."""
    bits = Bits().u(2, 0b10).u(1, profile & 1, profile >> 1)
    if profile == 3:
        bits.u(1, 0)
    bits.u(1, int(existing))
    if existing:
        bits.u(3, 5)
    else:
        bits.u(1, 1, int(shown), 0)
    return bits.align().data() + bytes(20)


def superframe(*frames: bytes) -> bytes:
    """Annex B: the frames, then an index of their sizes between two equal bytes."""
    marker = bytes([0b110 << 5 | 1 << 3 | len(frames) - 1])
    sizes = b"".join(len(part).to_bytes(2, "little") for part in frames)
    return b"".join(frames) + marker + sizes + marker


@pytest.mark.parametrize("profile", [0, 1, 2, 3])
def test_the_header_says_whether_a_frame_shows(profile: int) -> None:
    assert shows_a_frame(av.Packet(frame(profile=profile)))
    assert not shows_a_frame(av.Packet(frame(profile=profile, shown=False)))
    assert shows_a_frame(av.Packet(frame(profile=profile, existing=True)))


def test_a_superframe_shows_what_one_of_its_frames_does() -> None:
    hidden = frame(shown=False)
    assert shows_a_frame(av.Packet(superframe(hidden, frame())))
    assert shows_a_frame(av.Packet(superframe(frame(), hidden)))
    assert not shows_a_frame(av.Packet(superframe(hidden, hidden)))


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_every_packet_of_an_encoder_that_hides_nothing_shows(pixel_format: str, tmp_path: Path) -> None:
    clip = Clip(frames=12, codec="libvpx-vp9", pixel_format=pixel_format)
    with av.open(str(make_clip(tmp_path / "a.webm", clip))) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert all(map(shows_a_frame, packets))


def test_hidden_frames_in_packets_of_their_own_are_not_counted(shared: Path) -> None:
    """FFmpeg's decoder is the judge."""
    for path in (shared / "cases" / "videos").glob("*vp9_hidden*.webm"):
        with av.open(str(path)) as container:
            frames = sum(1 for _ in container.decode(video=0))
        assert len(scan(path, probe(path).index).times.pts) == frames
