"""Stamps: the pixels around each position of a batch, for measurements of one's own."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, Float32Array, IntArray
from forcedsql.measure.kernels.cutouts import cutouts, seen_pixels
from forcedsql.measure.kernels.protocol import BitArray, Planes


@dataclass(frozen=True, slots=True, eq=False)
class Stamps:
    """Squares of pixels of n positions, each side 2 half + 1.

    Parameters
    ----------
    image, variance : ndarray, (n, side, side) float32
        In the unit of the exposure; 0 off the image.
    mask : ndarray, (n, side, side) int32
    inside : ndarray, (n, side, side) bool
        Which pixels are on the image.
    x0, y0 : ndarray, (n,) int64, pixel
        Parent coordinates of each stamp's first pixel.
    """

    image: Float32Array
    variance: Float32Array
    mask: BitArray
    inside: BoolArray
    x0: IntArray
    y0: IntArray

    @classmethod
    def around(
        cls, planes: Planes, column: IntArray, row: IntArray, half: int, xy0: tuple[int, int]
    ) -> "Stamps":
        """Cut stamps around pixels, given by column and row of the arrays."""
        side = 2 * half + 1
        box = column - half, row - half, side, side
        image, variance, mask = (cutouts(p, *box) for p in (planes.image, planes.variance, planes.mask))
        seen = seen_pixels(planes.shape, *box)
        inside = np.ones(image.shape, np.bool_) if seen is None else seen
        return cls(image, variance, mask, inside, column - half + xy0[0], row - half + xy0[1])
