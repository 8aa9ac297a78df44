"""How the places in a picture move when it is turned or enlarged."""

from dataclasses import dataclass

from ripfdn_cli.image_math.dihedral import SWAPS_AXES, transformed_window

Box = tuple[float, float, float, float]
"""Left and top side, width and height of a rectangle; a point has no width and height."""


@dataclass(frozen=True)
class Movement:
    """Of a picture of `size` (width, height) px, by a `transform` of `image_math.dihedral`; after it the
    picture is `growth` times as wide and as high.
    """

    transform: int = 0
    size: tuple[int, int] = (1, 1)
    growth: tuple[float, float] = (1.0, 1.0)

    @property
    def swaps_axes(self) -> bool:
        """Whether width and height change places."""
        return bool(self.transform & SWAPS_AXES)

    def share(self, box: Box) -> Box:
        """Where `box`, in shares of the picture's sides, comes to lie, in shares of the new ones."""
        return self._turned(box, (1, 1))

    def pixels(self, box: Box) -> Box:
        """Where `box`, in px, comes to lie."""
        left, top, width, height = self._turned(box, self.size)
        across, down = self.growth
        return left * across, top * down, width * across, height * down

    def _turned(self, box: Box, size: tuple[int, int]) -> Box:
        left, top, width, height = box
        rows, columns = transformed_window(
            slice(top, top + height), slice(left, left + width), size[::-1], self.transform
        )
        if self.swaps_axes:  # the sides as they were: a difference of shares has errors of rounding
            width, height = height, width
        return columns.start, rows.start, width, height
