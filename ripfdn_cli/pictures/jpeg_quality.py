"""How hard a JPEG was compressed, from its quantization tables."""

from collections.abc import Mapping, Sequence

_LUMINANCE = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
"""ITU-T T.81, table K.1: what libjpeg scales for its qualities."""


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """The quality, 1 to 100, at which libjpeg quantizes about as coarsely as a JPEG with these `tables`, by
    their numbers; None where the first one, luminance, is missing.

    Exact for libjpeg's own tables of 8 bits; others, as cameras have them, are placed by their mean step.
    """
    if 0 not in tables:
        return None
    steps = sum(tables[0])
    return min(range(100, 0, -1), key=lambda quality: abs(_steps(quality) - steps))


def _steps(quality: int) -> int:
    """The sum of libjpeg's luminance table (`jpeg_quality_scaling` and `jpeg_add_quant_table` of its
    jcparam.c).
    """
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return sum(min(max((step * percent + 50) // 100, 1), 255) for step in _LUMINANCE)
