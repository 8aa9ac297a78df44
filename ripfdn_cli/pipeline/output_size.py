"""How large a result is to be, from what was asked for; and which networks get it there. Integers only."""

from collections.abc import Collection
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations_with_replacement
from math import ceil, prod

from ripfdn_cli.errors import UsageError

_MOST_PASSES = 2


@dataclass(frozen=True)
class SizeRequest:
    """One wish for the size of a result, in px or as a factor; at most one may be given, `width` with
    `height` aside. Without any, results have the network's own scale.

    `long_side` is the longer side's; `fit` is the largest width and height, of which one is met. All but
    `width` with `height` keep the picture's proportions. Raises UsageError.
    """

    scale: Fraction | None = None
    width: int | None = None
    height: int | None = None
    long_side: int | None = None
    fit: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        sides = self.width is not None or self.height is not None
        if sum((self.scale is not None, sides, self.long_side is not None, self.fit is not None)) > 1:
            raise UsageError(
                "`scale`, `width`/`height`, `long_side` and `fit` contradict each other; give one of them"
            )
        numbers = (self.scale, self.width, self.height, self.long_side, *(self.fit or ()))
        if any(number is not None and number <= 0 for number in numbers):
            raise UsageError("sizes and scales must be greater than 0")

    def target(
        self, width: int, height: int, network_scale: int, steps: tuple[int, int] = (1, 1)
    ) -> tuple[int, int]:
        """Width and height in px of the result of a picture of `width` × `height` px: multiples of `steps`,
        the width's and the height's, but for a side that was asked for as it is.
        """
        if self.width is not None and self.height is not None:
            return self.width, self.height
        factor = self._factor(width, height, network_scale, steps)
        return self._side(width * factor, steps[0]), self._side(height * factor, steps[1])

    def _side(self, length: Fraction, step: int) -> int:
        asked = length in (self.width, self.height, self.long_side)
        return int(length) if asked else _rounded(length, step)

    def _factor(self, width: int, height: int, network_scale: int, steps: tuple[int, int]) -> Fraction:
        if self.width is not None:
            return Fraction(self.width, width)
        if self.height is not None:
            return Fraction(self.height, height)
        if self.long_side is not None:
            return Fraction(self.long_side, max(width, height))
        if self.fit is not None:
            widest, highest = (
                max(step, side - side % step) for side, step in zip(self.fit, steps, strict=True)
            )
            return min(Fraction(widest, width), Fraction(highest, height))
        return self.scale if self.scale is not None else Fraction(network_scale)


def growth(size: tuple[int, int], target: tuple[int, int]) -> Fraction:
    """How many times as large `target` is as `size`, both (width, height) px, on the side that grows more."""
    return max(Fraction(target[0], size[0]), Fraction(target[1], size[1]))


def passes(size: tuple[int, int], target: tuple[int, int], scales: Collection[int]) -> tuple[int, ...]:
    """The scales of the networks to run, one after the other, so that `size` (width, height) grows to
    `target` at least: the smallest growth that does. None for a target that is no larger.

    Raises UsageError where two passes don't suffice.
    """
    needed = growth(size, target)
    if needed <= 1:
        return ()
    ways = [
        way for count in range(1, _MOST_PASSES + 1) for way in combinations_with_replacement(scales, count)
    ]
    able = [way for way in ways if prod(way) >= needed]
    if not able:
        raise UsageError(
            f"{size[0]}×{size[1]} px to {target[0]}×{target[1]} px is more than "
            f"×{max(map(prod, ways))}, the largest scale of these weights; ask for a smaller size"
        )
    return min(able, key=lambda way: (prod(way), len(way)))


def _rounded(length: Fraction, step: int) -> int:
    """The nearest multiple of `step` px, at least one. Halves go up, but for those of larger steps: whole
    pixels, which may be all that a network gives.
    """
    half = Fraction(1, 2)
    return step * max(1, int(length + half) if step == 1 else ceil(length / step - half))
