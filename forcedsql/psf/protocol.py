"""The contract of every PSF model: images and shapes at many positions at once."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.native import CombinedImages


@dataclass(frozen=True, slots=True, eq=False)
class PsfImages:
    """PSF images at n positions, as one block.

    Parameters
    ----------
    block : ndarray, (n, h, w) float64, or CombinedImages
        The images, or what makes them when they are needed; read them as `values`.
    x0, y0 : ndarray, (n,) int64, pixel
        Parent coordinates of ``values[i, 0, 0]`` (relative to the centre for kernel images).
    width, height : ndarray, (n,) int64, pixel
        Size of each image's own box; zero where it is invalid.
    valid : ndarray, (n,) bool
        False where the model cannot be evaluated (NaN position, no input covers it).
    """

    block: FloatArray | CombinedImages
    x0: IntArray
    y0: IntArray
    width: IntArray
    height: IntArray
    valid: BoolArray

    @classmethod
    def of_one_size(
        cls, block: FloatArray | CombinedImages, x0: IntArray, y0: IntArray, valid: BoolArray
    ) -> "PsfImages":
        """Build a block in which every valid image fills its whole plane."""
        _, h, w = block.shape
        return cls(block, x0, y0, np.where(valid, w, 0), np.where(valid, h, 0), valid)

    @property
    def values(self) -> FloatArray:
        """The images, (n, h, w) float64.

        Image i fills ``values[i, :height[i], :width[i]]``; the rest of its plane is zero.
        A plane of an invalid image is zero throughout.
        """
        return self.block.images if isinstance(self.block, CombinedImages) else self.block


class Psf(Protocol):
    """A point-spread function that varies over an exposure.

    All positions are parent pixel coordinates, (n,) float64.  Implementations evaluate all
    positions of a call together, and a position's result does not depend on which other
    positions share the call.  They may be called from several threads.
    """

    @property
    def kind(self) -> str:
        """Name of the model's class as its file format spells it: ``SingleGaussianPsf``."""
        ...

    def images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the PSF as it falls on the pixels around each position.

        Origins are parent pixels; the sub-pixel offset is in the image (afw
        ``Psf::computeImage``).
        """
        ...

    def kernel_images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the PSF at each position, centred on a pixel and summing to 1.

        Origins are relative to that pixel (afw ``Psf::computeKernelImage``).
        """
        ...

    def shapes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return adaptive second moments at each position.

        Returns
        -------
        ndarray, (n, 3) float64, pixel^2
            xx, yy, xy; NaN where the model cannot be evaluated.
        """
        ...

    def images_and_shapes(self, x: FloatArray, y: FloatArray) -> tuple[PsfImages, FloatArray]:
        """Return `images` and `shapes` of the same positions, with what they share done once."""
        ...


def gaussian_fwhm(shapes: FloatArray) -> FloatArray:
    """Return the full width at half maximum of round Gaussians of the same area.

    Parameters
    ----------
    shapes : ndarray, (n, 3) float64, pixel^2
        Second moments xx, yy, xy.

    Returns
    -------
    ndarray, (n,) float64, pixel
        ``sqrt(8 ln 2)`` times the fourth root of the determinant; NaN for NaN.
    """
    xx, yy, xy = shapes.T
    widths: FloatArray = np.sqrt(8.0 * np.log(2.0)) * np.maximum(xx * yy - xy * xy, 0.0) ** 0.25
    return widths
