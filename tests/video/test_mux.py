from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from support.video_clips import picture

from ripfdn_cli.video.check import wrong_packets
from ripfdn_cli.video.codecs import EncoderChoices, codec_named
from ripfdn_cli.video.colour import ColourTags
from ripfdn_cli.video.encoding import EncoderSettings, segment_writer
from ripfdn_cli.video.formats import container_of
from ripfdn_cli.video.mux import VideoTrack, mux
from ripfdn_cli.video.timeline import source_times, timeline


def test_decoding_times_never_go_back_over_a_joint(tmp_path: Path) -> None:
    """Slow frames after quick ones: each segment's own decoding times would overlap those before."""
    pts = np.concatenate([np.arange(0, 240, 10), 240 + np.arange(0, 24_000, 1000)])
    line = timeline(source_times(Fraction(1, 1000), pts.tolist(), [0] * len(pts)))
    encoder = EncoderSettings(
        codec_named("x264"),
        64,
        48,
        "yuv420p",
        line.time_base,
        Fraction(24),
        ColourTags(1, 1, 1),
        choices=EncoderChoices(preset="fast"),
    )
    segments = []
    for start in (0, 24):
        with segment_writer(tmp_path / f"{start}.part", encoder) as written:
            for n in range(start, start + 24):
                written.writer.add(picture(n, 64, 48), int(line.pts[n]), int(line.durations[n]))
        assert written.segment is not None
        segments.append((tmp_path / f"{start}.part", written.segment))
    path = tmp_path / "out.mp4"
    mux(path, container_of(path), VideoTrack(encoder, line, segments), None, name=path)
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        dts = [packet.dts for packet in packets if packet.dts is not None]
    assert len(dts) == len(packets)
    assert all(before < after for before, after in pairwise(dts))
    assert any(packet.pts != packet.dts for packet in packets)
    assert wrong_packets(path, VideoTrack(encoder, line, segments), None) == []
