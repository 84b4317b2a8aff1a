"""PSF images as the recipe that makes them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.native.library import Library


@dataclass(frozen=True, eq=False)
class CombinedImages:
    """Sums of basis images, each moved by a fraction of a pixel, made only where they are needed.

    A kernel that understands them makes each image in the cache and never keeps it: n images
    of 41 x 41 pixels are 13 KB each to write and to read again.

    Parameters
    ----------
    library : Library
    weights : ndarray, (n, k) float64
    basis : ndarray, (k, h, w) float64
    dx, dy : ndarray, (n,) float64, pixel
        Shifts in (-1, 1), by Lanczos-5 interpolation.
    """

    library: Library
    weights: FloatArray
    basis: FloatArray
    dx: FloatArray
    dy: FloatArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """(n, h, w)."""
        _, height, width = self.basis.shape
        return len(self.weights), height, width

    @cached_property
    def images(self) -> FloatArray:
        """The images, (n, h, w) float64; see `forcedsql.psf.shift.shift_images`."""
        n, height, width = self.shape
        images = np.empty((n, height, width))
        filled = self.library.filled(images, "double", n, height, width)
        self._call("kernel_images", 0, 0, filled, self.library.ffi.NULL)
        return images

    def moments(self, centre: tuple[int, int]) -> FloatArray:
        """Return the adaptive moments of the images before they are moved.

        Parameters
        ----------
        centre : (int, int), pixel
            Column and row that the moments are about.

        Returns
        -------
        ndarray, (n, 3) float64, pixel^2
            See `forcedsql.psf.moments.adaptive_moments`.
        """
        n, _, _ = self.shape
        moments = np.empty((n, 3))
        self._call(
            "kernel_images", *centre, self.library.ffi.NULL, self.library.filled(moments, "double", n, 3)
        )
        return moments

    def _call(self, name: str, *arguments: object) -> None:
        self.library.call(name, *self.arguments(), *arguments)

    def arguments(self) -> tuple[object, ...]:
        """Return the recipe as the arguments of the C functions that take one."""
        n, height, width = self.shape
        terms = self.weights.shape[1]
        given = self.library.given
        return (
            n,
            terms,
            height,
            width,
            given(self.weights, "double", n, terms),
            given(self.basis, "double", terms, height, width),
            given(self.dx, "double", n),
            given(self.dy, "double", n),
        )
