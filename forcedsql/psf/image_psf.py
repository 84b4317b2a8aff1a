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
        block = _Block(len(x))
        for rows in self._batches(len(x)):
            block.put_shifted(rows, self.kernel_images(x[rows], y[rows]), x[rows], y[rows])
        return block.images()

    def shapes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the adaptive moments of the kernel images; see `Psf.shapes`."""
        shapes = np.empty((len(x), 3))
        for rows in self._batches(len(x)):
            shapes[rows] = _shapes_of(self.kernel_images(x[rows], y[rows]))
        return shapes

    def images_and_shapes(self, x: FloatArray, y: FloatArray) -> tuple[PsfImages, FloatArray]:
        """Return images and shapes from one evaluation of the kernel images; see `Psf`."""
        block, shapes = _Block(len(x)), np.empty((len(x), 3))
        for rows in self._batches(len(x)):
            kernel = self.kernel_images(x[rows], y[rows])
            block.put_shifted(rows, kernel, x[rows], y[rows])
            shapes[rows] = _shapes_of(kernel)
        return block.images(), shapes

    def _batches(self, count: int) -> Iterator[slice]:
        for start in range(0, max(count, 1), self.positions_per_batch):
            yield slice(start, min(start + self.positions_per_batch, count))


class _Block:
    """PSF images of n positions, filled batch by batch."""

    def __init__(self, count: int) -> None:
        self.x0, self.y0, self.width, self.height = np.zeros((4, count), dtype=np.int64)
        self.valid = np.zeros(count, dtype=np.bool_)
        self.values = np.zeros((count, 0, 0))

    def put_shifted(self, rows: slice, kernel: PsfImages, x: FloatArray, y: FloatArray) -> None:
        """Put the images that kernel images become at positions."""
        pixel_x, dx = split_position(np.where(kernel.valid, x, 0.0))
        pixel_y, dy = split_position(np.where(kernel.valid, y, 0.0))
        self.values = _with_room(self.values, kernel.values.shape[1:])
        _, h, w = kernel.values.shape
        out = self.values[rows, :h, :w]
        shift_images(kernel.values, dx, dy, width=kernel.width, height=kernel.height, out=out)
        self.x0[rows] = np.where(kernel.valid, kernel.x0 + pixel_x, 0)
        self.y0[rows] = np.where(kernel.valid, kernel.y0 + pixel_y, 0)
        self.width[rows], self.height[rows], self.valid[rows] = kernel.width, kernel.height, kernel.valid

    def images(self) -> PsfImages:
        """Return the images put so far."""
        return PsfImages(self.values, self.x0, self.y0, self.width, self.height, self.valid)


def _shapes_of(kernel: PsfImages) -> FloatArray:
    return adaptive_moments(kernel.values, -kernel.x0, -kernel.y0, width=kernel.width, height=kernel.height)


def _with_room(values: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """Return the block itself, or a larger copy if images of this shape do not fit its planes."""
    _, height, width = values.shape
    if shape[0] <= height and shape[1] <= width:
        return values
    larger = np.zeros((len(values), max(height, shape[0]), max(width, shape[1])))
    larger[:, :height, :width] = values
    return larger
