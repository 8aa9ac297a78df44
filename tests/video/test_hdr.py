from fractions import Fraction
from pathlib import Path

import pytest
from support.video_facts import decoded
from support.video_segments import FAST, write

from ripfdn_cli.video.codecs import EncoderChoices, codec_named
from ripfdn_cli.video.colour import ColourTags
from ripfdn_cli.video.encoding import EncoderSettings
from ripfdn_cli.video.hdr import HdrMetadata, MasteringDisplay, hdr_metadata_of

DISPLAY = MasteringDisplay(
    primaries=(
        (Fraction(17, 25), Fraction(8, 25)),
        (Fraction(53, 200), Fraction(69, 100)),
        (Fraction(3, 20), Fraction(3, 50)),
        (Fraction(3127, 10000), Fraction(329, 1000)),
    ),
    luminance=(Fraction(1, 200), Fraction(1000)),
)


@pytest.mark.parametrize("codec", ["x264", "x265", "av1"])
def test_mastering_data_is_in_the_pictures(codec: str, tmp_path: Path) -> None:
    encoder = EncoderSettings(
        codec=codec_named(codec),
        width=64,
        height=64,
        pixel_format="yuv420p10le",
        time_base=Fraction(1, 24),
        rate=Fraction(24),
        tags=ColourTags(9, 9, 16),
        hdr=HdrMetadata(DISPLAY, (1000, 400)),
        choices=EncoderChoices(preset=FAST[codec]),
    )
    write(tmp_path / "a.part", [0, 1, 2], encoder)
    found = hdr_metadata_of(decoded(tmp_path / "a.part"))
    assert found.light_level == (1000, 400)
    assert found.mastering is not None
    assert found.mastering.primaries is not None
    for have, want in zip(found.mastering.primaries, DISPLAY.primaries or (), strict=True):
        assert [float(x) for x in have] == pytest.approx([float(x) for x in want], abs=1e-4)
    assert [float(x) for x in found.mastering.luminance or ()] == pytest.approx([0.005, 1000], rel=2e-3)
