"""Grids of cells, and fields with one value per cell: how cell-based coadds vary."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.errors import ConfigError
from forcedsql.geometry import Box, nearest_pixel

NO_CELL = -1
"""Index of the cell of a position that is in none."""


@dataclass(frozen=True, slots=True, eq=False)
class CellGrid:
    """A rectangle of equal cells, of which some may be missing.

    Parameters
    ----------
    x0, y0 : int, pixel
        Parent coordinates of the first pixel of the first cell.
    cell_width, cell_height : int, pixel
    missing : ndarray, (ny, nx) bool
        Cells for which there is nothing.

    Raises
    ------
    ConfigError
        If there are no cells, or they are empty.
    """

    x0: int
    y0: int
    cell_width: int
    cell_height: int
    missing: BoolArray

    def __post_init__(self) -> None:
        if self.missing.ndim != 2 or not self.missing.size or min(self.cell_width, self.cell_height) < 1:
            raise ConfigError(
                f"CellGrid: {self.missing.shape} cells of {self.cell_width} x {self.cell_height} pixels"
            )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of cells along y and along x."""
        ny, nx = self.missing.shape
        return ny, nx

    @property
    def bbox(self) -> Box:
        """The pixels of all cells, missing ones included."""
        ny, nx = self.shape
        return Box(self.x0, self.y0, nx * self.cell_width, ny * self.cell_height)

    def cell_of(self, x: FloatArray, y: FloatArray) -> IntArray:
        """Return the cell on whose pixels each position lies.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel
            Parent coordinates, any value.

        Returns
        -------
        ndarray, (n,) int64
            Number of the cell, counted row by row; `NO_CELL` off the grid, in a missing cell
            and for NaN.
        """
        cell = np.full(np.shape(x), NO_CELL, dtype=np.int64)
        inside = self.bbox.contains(x, y)
        column = (nearest_pixel(x[inside]) - self.x0) // self.cell_width
        row = (nearest_pixel(y[inside]) - self.y0) // self.cell_height
        there = ~self.missing[row, column]
        cell[inside] = np.where(there, row * self.shape[1] + column, NO_CELL)
        return cell


@dataclass(frozen=True, slots=True, eq=False)
class CellField:
    """A field that has one value in each cell, and none where the cell is missing.

    Parameters
    ----------
    grid : CellGrid
    values : ndarray, (ny, nx) float64
        One per cell; NaN is no value.

    Raises
    ------
    ConfigError
        If there is not one value for each cell.

    Notes
    -----
    lsst.images ``cells/_aperture_corrections.py``.
    """

    grid: CellGrid
    values: FloatArray

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape:
            raise ConfigError(f"CellField: {self.values.shape} values for {self.grid.shape} cells")

    @property
    def bbox(self) -> Box:
        """The pixels of all cells, in parent pixels."""
        return self.grid.bbox

    def evaluate(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the values of the cells that positions lie in; see `BoundedField.evaluate`.

        Positions in no cell have none: NaN.
        """
        cell = self.grid.cell_of(x, y)
        return np.where(cell == NO_CELL, np.nan, self.values.reshape(-1)[cell])
