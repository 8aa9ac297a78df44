"""How far one picture is shifted against another of the same scene, to a tenth of a pixel.

Phase correlation: Kuglin and Hines, "The phase correlation image alignment method" (1975). The peak is
refined as by Guizar-Sicairos, Thurman and Fienup, "Efficient subpixel image registration algorithms" (2008):
a Fourier transform by matrix products, of the surroundings of the peak alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STEPS = 10
"""Of a pixel."""
_LARGEST_SIDE = 1024
"""Pixels of the middle of large pictures that are looked at."""
_SIGNIFICANT = 8.0
"""A peak this many times as high as the correlation's root mean square isn't chance: that of two pictures
without anything in common is about 5 times as high.
"""

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class Shift:
    """A picture lies `down` and `right` of another, in its pixels. `certain`: they do show the same; where
    they don't, or nothing but evenness, the shift says nothing.
    """

    down: float
    right: float
    certain: bool


def shift_between(picture: NDArray[np.floating], reference: NDArray[np.floating]) -> Shift:
    """The shift of `picture` (H, W) against `reference` (H, W), any range of values."""
    spectrum = _whitened(_middle(picture), _middle(reference))
    surface = np.fft.ifft2(spectrum).real
    peak = np.unravel_index(int(surface.argmax()), surface.shape)
    rms = float(np.sqrt(np.square(surface).mean()))
    down, right = (
        float(at - side if at > side // 2 else at) for at, side in zip(peak, surface.shape, strict=True)
    )
    certain = rms > 0 and float(surface[peak]) >= _SIGNIFICANT * rms
    return Shift(*_refined(spectrum, down, right), certain)


def _whitened(picture: Plane, reference: Plane) -> NDArray[np.complex128]:
    """The phases of the cross spectrum, with amplitudes of 1."""
    window = np.outer(np.hanning(picture.shape[0]), np.hanning(picture.shape[1]))
    of_picture, of_reference = (
        np.fft.fft2((plane - plane.mean()) * window) for plane in (picture, reference)
    )
    cross = of_picture * of_reference.conj()
    amplitude = np.abs(cross)
    floor = 1e-9 * amplitude.max()
    return np.where(amplitude > floor, cross / np.maximum(amplitude, floor or 1.0), 0)


def _refined(spectrum: NDArray[np.complex128], down: float, right: float) -> tuple[float, float]:
    """The highest place of the correlation within one pixel of the whole-pixel peak."""
    around = np.arange(-_STEPS, _STEPS + 1) / _STEPS
    rows, columns = down + around, right + around
    vertical, horizontal = (np.fft.fftfreq(side) for side in spectrum.shape)
    from_rows = np.exp(2j * np.pi * np.outer(rows, vertical))
    from_columns = np.exp(2j * np.pi * np.outer(horizontal, columns))
    surface = (from_rows @ spectrum @ from_columns).real
    row, column = np.unravel_index(int(surface.argmax()), surface.shape)
    return float(rows[row]), float(columns[column])


def _middle(plane: NDArray[np.floating]) -> Plane:
    top, left = (max(0, (side - _LARGEST_SIDE) // 2) for side in plane.shape)
    return np.asarray(plane[top : top + _LARGEST_SIDE, left : left + _LARGEST_SIDE], np.float64)
