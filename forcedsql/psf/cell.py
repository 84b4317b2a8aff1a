"""CellPointSpreadFunction: the PSF of cell-based coadds, one image per cell."""

from functools import cached_property

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError
from forcedsql.fields.cells import NO_CELL, CellGrid
from forcedsql.psf.image_psf import ImagePsf
from forcedsql.psf.moments import adaptive_moments
from forcedsql.psf.protocol import PsfImages


class CellPsf(ImagePsf):
    """A PSF that is constant over each cell of a grid and jumps from cell to cell.

    Parameters
    ----------
    grid : CellGrid
        A position in a missing cell, or in none, has no PSF.
    images : ndarray, (ny, nx, h, w) float64
        Kernel image of each cell, used as stored: not normalised.  A cell whose image is not
        finite is missing too.

    Raises
    ------
    ConfigError
        If there is not one image for each cell, or the sides of the images are not odd.

    Notes
    -----
    lsst.images ``cells/_psf.py`` and cell_coadds ``python/lsst/cell_coadds/_stitched_psf.py``.  The
    cell is that of the pixel which contains the position, by LSST's rule of rounding.
    """

    def __init__(self, grid: CellGrid, images: FloatArray) -> None:
        if images.ndim != 4 or images.shape[:2] != grid.shape:
            raise ConfigError(f"CellPsf: images of shape {images.shape} for {grid.shape} cells")
        _, _, self.height, self.width = images.shape
        if self.width % 2 == 0 or self.height % 2 == 0:
            raise ConfigError(f"CellPsf: sides must be odd, not {self.width} x {self.height}")
        usable = np.isfinite(images).all(axis=(2, 3))
        self.grid = CellGrid(
            grid.x0, grid.y0, grid.cell_width, grid.cell_height, missing=grid.missing | ~usable
        )
        self._images = images.reshape(-1, self.height, self.width)

    @property
    def kind(self) -> str:
        """Name of the model's class as its file format spells it."""
        return "CellPointSpreadFunction"

    def kernel_images(self, x: FloatArray, y: FloatArray) -> PsfImages:
        """Return the images of the cells that positions lie in; see `Psf.kernel_images`."""
        cell = self.grid.cell_of(x, y)
        valid = cell != NO_CELL
        values = self._images[cell]
        values[~valid] = 0.0
        x0, y0 = np.where(valid, -(self.width // 2), 0), np.where(valid, -(self.height // 2), 0)
        return PsfImages.of_one_size(values, x0, y0, valid)

    def shapes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the adaptive moments of the cells' images; see `Psf.shapes`."""
        cell = self.grid.cell_of(x, y)
        return np.where((cell == NO_CELL)[:, None], np.nan, self._shapes_of_cells[cell])

    def images_and_shapes(self, x: FloatArray, y: FloatArray) -> tuple[PsfImages, FloatArray]:
        """Return images and shapes; see `Psf.images_and_shapes`."""
        return self.images(x, y), self.shapes(x, y)

    @cached_property
    def _shapes_of_cells(self) -> FloatArray:
        """Moments of every cell's image, (cells, 3); NaN where the cell is missing."""
        shapes = np.full((len(self._images), 3), np.nan)
        there = np.flatnonzero(~self.grid.missing)
        for batch in self._batches(len(there)):
            cells = there[batch]
            centre_x, centre_y = (np.full(len(cells), side // 2) for side in (self.width, self.height))
            shapes[cells] = adaptive_moments(self._images[cells], centre_x, centre_y)
        return shapes
