"""PsfexPsf: oversampled images that vary as a polynomial, resampled by Lanczos interpolation."""

import math

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array, FloatArray, IntArray
from forcedsql.errors import ConfigError
from forcedsql.polynomials import powers
from forcedsql.psf.drawn_psf import DrawnPsf
from forcedsql.psf.image_psf import usable_positions

_ORDER = 5
_TAPS_BEFORE, _TAPS_AFTER = 6, 6
_TAPS = _TAPS_BEFORE + _TAPS_AFTER
_NEAR_ZERO = 1e-5
_PIXELS_PER_BATCH = 1 << 18
_SMALLEST_STEP = 1e-3


class PsfexPsf(DrawnPsf):
    """A PSFEx model with two polynomial variables, the pixel position.

    Parameters
    ----------
    components : ndarray, (k, h, w) float32
        Image that each polynomial term adds, with `pixel_step` pixels per element.
    degree : int
        Of the polynomial: terms ``x^i y^j`` with ``i + j <= degree``, i running fastest.
    offset, scale : (float, float), pixel
        The polynomial's variables are ``(x - offset) / scale``.
    pixel_step : float
        Image pixels per element of the components.

    Notes
    -----
    meas_extensions_psfex ``src/PsfexPsf.cc``, psfex ``src/vignet.c``.  Sums are rounded to single
    precision where the original's are, because that shows at 1e-6 of the flux.
    """

    def __init__(
        self,
        components: Float32Array,
        degree: int,
        offset: tuple[float, float],
        scale: tuple[float, float],
        pixel_step: float,
    ) -> None:
        if components.ndim != 3 or components.size == 0:
            raise ConfigError(f"PsfexPsf: components of shape {components.shape}; three axes are needed")
        terms = (degree + 1) * (degree + 2) // 2
        if degree < 0 or len(components) != terms:
            raise ConfigError(f"PsfexPsf: {len(components)} components for a polynomial of degree {degree}")
        if not _SMALLEST_STEP <= pixel_step <= 1.0 / _SMALLEST_STEP:
            raise ConfigError(f"PsfexPsf: a pixel step of {pixel_step}, not within a factor 1000 of 1")
        if not all(math.isfinite(value) and value != 0.0 for value in scale):
            raise ConfigError(f"PsfexPsf: the scale of the position must be finite and not zero: {scale}")
        _, h, w = components.shape
        super().__init__(_output_size(w, pixel_step), _output_size(h, pixel_step))
        self.components = np.ascontiguousarray(components, dtype=np.float32)
        self.degree, self.offset, self.scale, self.pixel_step = degree, offset, scale, pixel_step
        self.positions_per_batch = min(64, max(1, _PIXELS_PER_BATCH // (h * w)))

    @property
    def kind(self) -> str:
        """Name of the model's class as its file format spells it."""
        return "PsfexPsf"

    def _place(self, position: FloatArray, size: int) -> tuple[IntArray, FloatArray]:
        # To single precision first: the original holds the fraction in a float from the start.
        fraction = (position - np.trunc(position)).astype(np.float32).astype(np.float64)
        offset = np.where(fraction > 0.5, fraction - 1.0, fraction)
        offset = np.where(offset <= -0.5, offset + 1.0, offset)
        # Conversion to int cuts towards zero, in the original too.
        return (position - offset + 0.5).astype(np.int64) - size // 2, offset

    def _draw(
        self, x: FloatArray, y: FloatArray, dx: FloatArray, dy: FloatArray, *, out: FloatArray
    ) -> BoolArray:
        usable = usable_positions(x, y)
        with np.errstate(all="ignore"):
            oversampled = self._combine(np.where(usable, x, 0.0), np.where(usable, y, 0.0))
            _, h, w = oversampled.shape
            along_x = _resampling_matrices(dx, self.width, w, self.pixel_step)
            along_y = _resampling_matrices(dy, self.height, h, self.pixel_step)
            # One product per position keeps a position's bits free of how many share the call.
            columns = np.matmul(oversampled.astype(np.float64), along_x.transpose(0, 2, 1)).astype(np.float32)
            pixels = np.matmul(along_y, columns.astype(np.float64)).astype(np.float32)
            total = np.add.accumulate(pixels.reshape(len(x), self.height * self.width), axis=1)[:, -1]
            out[...] = pixels / total[:, None, None]
            valid: BoolArray = usable & np.isfinite(total) & np.isfinite(out).all(axis=(1, 2))
        out[~valid] = 0.0
        return valid

    def _combine(self, x: FloatArray, y: FloatArray) -> Float32Array:
        """Return the oversampled images at positions, (n, h, w), term by term."""
        powers_x = powers((x - self.offset[0]) / self.scale[0], self.degree)
        powers_y = powers((y - self.offset[1]) / self.scale[1], self.degree)
        total = np.zeros((len(x), *self.components.shape[1:]), dtype=np.float32)
        part = np.empty_like(total)
        component = iter(self.components)
        for j in range(self.degree + 1):
            for i in range(self.degree + 1 - j):
                weight = (powers_x[i] * powers_y[j]).astype(np.float32)
                total += np.multiply(weight[:, None, None], next(component), out=part)
        return total


def _output_size(size: int, pixel_step: float) -> int:
    """Return the pixels along a side that cover `size` elements, made odd."""
    pixels = int(np.float32(size) * np.float32(pixel_step))
    return pixels if pixels % 2 else pixels + 1


def _resampling_matrices(offset: FloatArray, pixels: int, elements: int, pixel_step: float) -> FloatArray:
    """Return the matrices that sample a line of elements at pixels, (n, pixels, elements).

    Weights are normalised pixel by pixel; a pixel whose centre is off the line is zero.
    """
    step = float(np.float32(1.0) / np.float32(pixel_step))
    start = elements // 2 - offset * step - (pixels // 2) * step
    skipped = np.where(start < 0.0, np.trunc(1.0 - start / step), 0.0)
    count = np.trunc((elements - 1 - (start + skipped * step)) / step + 1.0)
    pixel = np.arange(pixels)
    covered = (pixel >= skipped[:, None]) & (pixel < (skipped + count)[:, None])
    centre = start[:, None] + pixel * step
    first = np.clip(np.trunc(centre), -_TAPS_AFTER, elements + _TAPS_BEFORE) - _TAPS_BEFORE
    element = first[:, :, None] + np.arange(_TAPS, dtype=np.float64)
    weights = _lanczos5(element - centre[:, :, None])
    weights *= covered[:, :, None] & (element >= 0) & (element < elements)
    total = weights.sum(axis=2, keepdims=True)
    weights /= np.where(total > 0.0, total, 1.0)
    # Room for the taps that lie beyond the ends, which is cut off again.
    line = np.zeros((len(offset), pixels, elements + 2 * _TAPS))
    np.put_along_axis(line, element.astype(np.int64) + _TAPS, weights, axis=2)
    return line[:, :, _TAPS:-_TAPS]


def _lanczos5(t: FloatArray) -> FloatArray:
    """Return the Lanczos kernel of order 5, zero beyond it (psfex ``src/vignet.h``)."""
    near = np.abs(t) < _NEAR_ZERO
    away = np.where(near, 1.0, t)
    weights = np.sin(math.pi * t) * np.sin(math.pi / _ORDER * t) / (math.pi**2 / _ORDER * away * away)
    weights[near] = 1.0
    weights[np.abs(t) > _ORDER] = 0.0
    return weights
