"""Does a result show what the network makes of its input? What looks wrong is computed once more by torch in
fp32 on the CPU, and only a result that differs from that is an error.
"""

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ripfdn_cli.model.tile_grid import Tile
from ripfdn_cli.pictures.picture import Frame, highest
from ripfdn_cli.pipeline.suspicions import suspicions
from ripfdn_cli.upscaler import Upscaler

log = logging.getLogger(__name__)

TOLERANCE = {"fp32": 0.5 / 255, "fp16": 1 / 255, "bf16": 3 / 255}
"""Root mean square by which a part may differ from the reference, by precision. On 20,000 pictures of dither,
checkers and noise it was 0.04 of 255 levels in fp32 at the most.
"""

Reference = Callable[[slice, slice], Frame]
"""What stands for these rows and columns of the input in a result that is right."""


def corrected(source: Frame, result: Frame, network: Upscaler, name: str) -> Frame:
    """`result` (scale·H, scale·W, 3), which `network` gave for `source` (H, W, 3) of the same sample type.
    Tiles in which it isn't what the network should have given come from the reference, with a warning that
    names `name`.

    Raises NonFiniteResultError where the reference isn't finite, OutOfMemoryError.
    """
    scale = network.scale

    def reference(rows: slice, columns: slice) -> Frame:
        return network.reference(source, rows, columns)

    wrong = wrong_tiles(source, result, scale, network, reference)
    if not wrong:
        return result
    warn_of_wrong_tiles(name, network, wrong)
    mended = result.copy()
    for tile in wrong:
        rows = slice(tile.rows.keep_start, min(tile.rows.keep_stop, source.shape[0]))
        columns = slice(tile.columns.keep_start, min(tile.columns.keep_stop, source.shape[1]))
        _part(mended, rows, columns, scale)[:] = reference(rows, columns)
    return mended


def wrong_tiles(
    source: Frame, result: Frame, scale: int, network: Upscaler, reference: Reference
) -> list[Tile]:
    """Tiles of `network` in which `result`, `scale` times as large as `source`, differs from `reference`."""
    wrong: list[Tile] = []
    for found in suspicions(source, result, scale, network.grid(*source.shape[:2], dtype=source.dtype)):
        if wrong and wrong[-1] == found.tile:
            continue
        part = _part(result, found.rows, found.columns, scale)
        error = _error(part, reference(found.rows, found.columns))
        log.debug(
            "rows %d to %d, columns %d to %d may show %s: %.2f of 255 levels from the reference",
            *(found.rows.start, found.rows.stop, found.columns.start, found.columns.stop),
            *(found.reason, 255 * error),
        )
        if not error <= TOLERANCE[network.precision]:  # a NaN is not at most that
            wrong.append(found.tile)
    return wrong


def warn_of_wrong_tiles(name: str, network: Upscaler, tiles: list[Tile]) -> None:
    """Say in one line that `tiles` (at least one) of the picture `name` were wrong, and what can be done."""
    log.warning(
        "%s: %s on %s in %s gave a wrong result for %d of its tiles, the first at row %d, column %d of the "
        "input; the CPU computed them again in fp32. Try `precision=fp32`, or another `device` or `engine`",
        *(name, network.engine_name, network.device, network.precision, len(tiles)),
        *(tiles[0].rows.keep_start, tiles[0].columns.keep_start),
    )


def _part(result: Frame, rows: slice, columns: slice, scale: int) -> Frame:
    return result[scale * rows.start : scale * rows.stop, scale * columns.start : scale * columns.stop]


def _error(part: Frame, expected: Frame) -> float:
    """Root mean square of the difference, as a part of the range (of the picture's own beyond 1)."""
    top = float(highest(part.dtype))
    if part.dtype.kind == "f":
        top = max(top, float(np.abs(expected).max()))
    difference: NDArray[np.float64] = part.astype(np.float64) - expected
    return float(np.sqrt(np.square(difference).mean())) / top
