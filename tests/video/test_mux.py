from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from support.video_segments import settings, write_all

from ripfdn_cli.video.check import wrong_packets
from ripfdn_cli.video.codecs import EncoderChoices
from ripfdn_cli.video.formats import container_of
from ripfdn_cli.video.mux import VideoTrack, mux
from ripfdn_cli.video.timeline import source_times, timeline


def test_decoding_times_never_go_back_over_a_joint(tmp_path: Path) -> None:
    """Slow frames after quick ones: each segment's own decoding times would overlap those before."""
    pts = np.concatenate([np.arange(0, 240, 10), 240 + np.arange(0, 24_000, 1000)])
    line = timeline(source_times(Fraction(1, 1000), pts.tolist(), [0] * len(pts)))
    encoder = replace(settings(base=line.time_base), choices=EncoderChoices(preset="fast"))
    segments = write_all(tmp_path, line, encoder, 24)
    assert len(segments) == 2
    path = tmp_path / "out.mp4"
    mux(path, container_of(path), VideoTrack(encoder, line, segments), None, name=path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        dts = [packet.dts for packet in packets if packet.dts is not None]
    assert len(dts) == len(packets)
    assert all(before < after for before, after in pairwise(dts))
    assert any(packet.pts != packet.dts for packet in packets)
    assert wrong_packets(path, VideoTrack(encoder, line, segments), None) == []
