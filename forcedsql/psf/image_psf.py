"""What all PSFs that are defined by an image centred on a pixel have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.psf.moments import adaptive_moments
from forcedsql.psf.protocol import PsfImages
from forcedsql.psf.shift import shift_images, split_position

_FARTHEST_PIXEL = 2.0**31


def usable_positions(x: FloatArray, y: FloatArray) -> BoolArray:
    """Tell which positions are finite and within the 32-bit pixel grid of LSST.

    Parameters
    ----------
    x, y : ndarray, (n,) float64, pixel

    Returns
    -------
    ndarray, (n,) bool
    """
    with np.errstate(invalid="ignore"):
        inside: BoolArray = (np.abs(x) < _FARTHEST_PIXEL) & (np.abs(y) < _FARTHEST_PIXEL)
    return inside


class ImagePsf(ABC):
    """Base of PSFs whose image at a position is their kernel image, shifted by a sub-pixel step.

    A subclass gives `kind` and `kernel_images`; `images` and `shapes` follow from them as in
    afw ``src/detection/Psf.cc`` and meas_algorithms ``src/ImagePsf.cc``.  Kernel images may
    differ in size from position to position.
    """

    positions_per_batch = 256
    """How many positions are evaluated at a time, which bounds the memory used."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """Name of the model's class as its file format spells it."""

    @abstractmethod
    def kernel_images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the PSF centred on a pixel, of sum 1; see `Psf.kernel_images`."""

    def images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the PSF as it falls on the pixels; see `Psf.images`.

        The kernel image moves by ``x - floor(x + 0.5)`` with Lanczos-5 interpolation, keeps its
        box and is not renormalised: its sum may differ from 1 by some 1e-4.
        """
        count = len(x)
        x0, y0, width, height = np.zeros((4, count), dtype=np.int64)
        valid = np.zeros(count, dtype=np.bool_)
        values = np.zeros((count, 0, 0))
        for rows in self._batches(count):
            kernel = self.kernel_images(x[rows], y[rows])
            pixel_x, dx = split_position(np.where(kernel.valid, x[rows], 0.0))
            pixel_y, dy = split_position(np.where(kernel.valid, y[rows], 0.0))
            values = _with_room(values, kernel.values.shape[1:])
            _, h, w = kernel.values.shape
            shift_images(
                kernel.values, dx, dy, width=kernel.width, height=kernel.height, out=values[rows, :h, :w]
            )
            x0[rows] = np.where(kernel.valid, kernel.x0 + pixel_x, 0)
            y0[rows] = np.where(kernel.valid, kernel.y0 + pixel_y, 0)
            width[rows], height[rows], valid[rows] = kernel.width, kernel.height, kernel.valid
        return PsfImages(values, x0, y0, width, height, valid)

    def shapes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the adaptive moments of the kernel images; see `Psf.shapes`."""
        shapes = np.full((len(x), 3), np.nan)
        for rows in self._batches(len(x)):
            kernel = self.kernel_images(x[rows], y[rows])
            shapes[rows] = adaptive_moments(
                kernel.values, -kernel.x0, -kernel.y0, width=kernel.width, height=kernel.height
            )
        return shapes

    def _batches(self, count: int) -> Iterator[slice]:
        for start in range(0, max(count, 1), self.positions_per_batch):
            yield slice(start, min(start + self.positions_per_batch, count))


def _with_room(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return the block itself, or a larger copy if images of this shape do not fit its planes."""
    _, height, width = values.shape
    if shape[0] <= height and shape[1] <= width:
        return values
    larger = np.zeros((len(values), max(height, shape[0]), max(width, shape[1])))
    larger[:, :height, :width] = values
    return larger
