"""What all PSFs that a model draws at the sub-pixel position itself have in common."""

from abc import abstractmethod

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.geometry import nearest_pixel
from forcedsql.psf.image_psf import ImagePsf, usable_positions
from forcedsql.psf.protocol import PsfImages


class DrawnPsf(ImagePsf):
    """Base of PSFs whose image at a position is drawn there, not shifted from a kernel image.

    A subclass gives `kind` and `_draw`; `_place` and `_kernel_offset` where its code places PSFs
    in another way than by the pixel that holds the position.

    Parameters
    ----------
    width, height : int, pixel
        Size of every image.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height

    def _place(self, position: FloatArray, size: int) -> tuple[IntArray, FloatArray]:
        """Return the first pixel of the box along one axis, and where in the box the PSF falls.

        Parameters
        ----------
        position : ndarray, (n,) float64, pixel
            Usable parent coordinates.
        size : int, pixel
            Side of the box.

        Returns
        -------
        first : ndarray, (n,) int64, pixel
        offset : ndarray, (n,) float64, pixel
            From the centre of the box's pixel ``size // 2``.
        """
        pixel = nearest_pixel(position)
        return pixel - size // 2, position - pixel

    def _kernel_offset(self, size: int) -> float:
        """Return where in its box along one axis a kernel image is centred, as `_place` counts."""
        return 0.0

    @abstractmethod
    def _draw(
        self, x: FloatArray, y: FloatArray, dx: FloatArray, dy: FloatArray, *, out: FloatArray
    ) -> BoolArray:
        """Write the model of positions with the PSF at an offset within the box.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel
            Parent coordinates, any value.
        dx, dy : ndarray, (n,) or (1,) float64, pixel
            Offset from the centre of pixel (width // 2, height // 2), for each or for all.
        out : ndarray, (n, height, width) float64
            Takes images of sum 1, zero where there is none.

        Returns
        -------
        ndarray, (n,) bool
            Whether the model has a value.
        """

    def kernel_images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the PSF centred in its box, of sum 1; see `Psf.kernel_images`."""
        dx, dy = (np.array([self._kernel_offset(size)]) for size in (self.width, self.height))
        values = np.empty((len(x), self.height, self.width))
        valid = np.empty(len(x), dtype=np.bool_)
        for rows in self._batches(len(x)):
            valid[rows] = self._draw(x[rows], y[rows], dx, dy, out=values[rows])
        x0, y0 = np.where(valid, -(self.width // 2), 0), np.where(valid, -(self.height // 2), 0)
        return PsfImages.of_one_size(values, x0, y0, valid)

    def images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the PSF drawn at the positions, of sum 1; see `Psf.images`."""
        usable = usable_positions(x, y)
        x0, dx = self._place(np.where(usable, x, 0.0), self.width)
        y0, dy = self._place(np.where(usable, y, 0.0), self.height)
        values = np.empty((len(x), self.height, self.width))
        valid = np.empty(len(x), dtype=np.bool_)
        for rows in self._batches(len(x)):
            valid[rows] = self._draw(x[rows], y[rows], dx[rows], dy[rows], out=values[rows])
        return PsfImages.of_one_size(values, np.where(valid, x0, 0), np.where(valid, y0, 0), valid)

    def images_and_shapes(self, x: FloatArray, y: FloatArray) -> tuple[PsfImages, FloatArray]:
        """Return `images` and `shapes`, which share nothing here; see `Psf.images_and_shapes`."""
        return self.images(x, y), self.shapes(x, y)


def normalise(images: FloatArray, valid: BoolArray) -> BoolArray:
    """Divide images by their sums in place; zero those without a usable sum.

    Parameters
    ----------
    images : ndarray, (n, h, w) float64
    valid : ndarray, (n,) bool
        Images that are not valid become zero.

    Returns
    -------
    ndarray, (n,) bool
        Whether the image is valid, and has a finite sum that its pixels can be divided by.
    """
    pixels = images.reshape(len(images), images.shape[1] * images.shape[2])
    with np.errstate(all="ignore"):
        total = pixels.sum(axis=1)
        peak = np.abs(pixels).max(axis=1)
        valid = valid & np.isfinite(total) & np.isfinite(peak / total)
        images /= total[:, None, None]
    images[~valid] = 0.0
    return valid
