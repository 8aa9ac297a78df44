"""What the samples of a YUV picture are: their places in one flat array, and what their numbers mean.

A frame is then one array on either side of the bus. No torch, no PyAV: arrays and tensors are sliced alike.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class YuvFormat:
    """`name` as FFmpeg calls the layout. `subsampling`: log2 of the px that a chroma sample stands for,
    across and down. `weights`: of red and blue in luma. `siting`: px from the middle of the first pixel to
    the first chroma sample, across and down. `interleaved`: Cb and Cr take turns in one plane. `shift`: how
    many bits to the left a sample lies in its 16.
    """

    name: str
    width: int
    height: int
    bits: int
    subsampling: tuple[int, int]
    weights: tuple[float, float]
    full_range: bool
    siting: tuple[float, float]
    interleaved: bool = False
    shift: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of a sample."""
        return np.dtype(np.uint16 if self.bits > 8 else np.uint8)

    @property
    def chroma_shape(self) -> tuple[int, int]:
        """Lines and columns of Cb and of Cr; a part of a px at the edge has a sample of its own."""
        across, down = self.subsampling
        return -(-self.height >> down), -(-self.width >> across)

    @property
    def samples(self) -> int:
        """Samples of a frame, all planes."""
        lines, columns = self.chroma_shape
        return self.height * self.width + 2 * lines * columns

    @property
    def luma_codes(self) -> tuple[int, int]:
        """The code of black, and how many codes white is above it (ITU-T H.273, 8.3)."""
        if self.full_range:
            return 0, 2**self.bits - 1
        return 16 << (self.bits - 8), 219 << (self.bits - 8)

    @property
    def chroma_codes(self) -> tuple[int, int]:
        """The code of grey, and how many codes there are from −0.5 to 0.5."""
        span = 2**self.bits - 1 if self.full_range else 224 << (self.bits - 8)
        return 1 << (self.bits - 1), span

    def stored(self, samples: Any) -> tuple[Any, ...]:
        """Views of `samples` (K,) as the planes that lie in memory, each (lines, columns)."""
        (lines, columns), start = self.chroma_shape, self.height * self.width
        luma = samples[:start].reshape(self.height, self.width)
        if self.interleaved:
            return luma, samples[start:].reshape(lines, 2 * columns)
        middle = start + lines * columns
        return luma, samples[start:middle].reshape(lines, columns), samples[middle:].reshape(lines, columns)

    def planes(self, samples: Any) -> tuple[Any, Any, Any]:
        """Views of `samples` (K,) as Y (H, W), Cb and Cr, both of `chroma_shape`."""
        luma, *chroma = self.stored(samples)
        if self.interleaved:
            return luma, chroma[0][:, 0::2], chroma[0][:, 1::2]
        return luma, chroma[0], chroma[1]
