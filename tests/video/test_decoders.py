from pathlib import Path

import av
import pytest
from support.transparent_clips import make_transparent_clip
from support.video_clips import Clip, make_clip

from ripfdn_cli.video.decoders import decoder_of, has_alpha_beside, is_lossy


@pytest.mark.parametrize("codec", ["libvpx", "libvpx-vp9"])
def test_transparency_beside_the_picture_is_decoded(codec: str, tmp_path: Path) -> None:
    """FFmpeg's own decoders leave it out."""
    path = make_transparent_clip(tmp_path / "a.webm", codec, "yuva420p")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert has_alpha_beside(stream)
        decoder = decoder_of(stream)
        frames = [frame for packet in container.demux(stream) for frame in decoder.decode(packet)]
    assert {frame.format.name for frame in frames} == {"yuva420p"}
    alpha = frames[0].to_ndarray(format="rgba")[16, [4, 24, 44], 3]
    assert alpha.tolist() == pytest.approx([255, 128, 0], abs=6)


def test_others_are_decoded_as_usual(tmp_path: Path) -> None:
    for path in (make_clip(tmp_path / "a.mp4"), make_clip(tmp_path / "a.webm", Clip(codec="libvpx-vp9"))):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert not has_alpha_beside(stream)
            assert decoder_of(stream) is stream.codec_context


def test_what_loses_nothing_is_known() -> None:
    assert [is_lossy(name) for name in ("h264", "vp9", "prores", "ffv1", "png", "rawvideo")] == [
        *(True, True, True),
        *(False, False, False),
    ]
