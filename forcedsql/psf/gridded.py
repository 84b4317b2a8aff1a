"""PSFs that are images on a rectangular grid of positions, with those between interpolated."""

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, FloatArray, IntArray
from forcedsql.errors import ConfigError
from forcedsql.psf.sampled_psf import SampledPsf, spline_coefficients


class GriddedPsf(SampledPsf):
    """Images on a grid of positions, interpolated linearly in x and y; see `SampledPsf`.

    The splines are cubic, as photutils has them; such images are oversampled enough for that.
    Beyond the grid the PSF is that of its nearest border.  An image with an element that is not
    finite is as good as missing: where it would count, there is no PSF.

    Parameters
    ----------
    images : ndarray, (ny, nx, rows, columns)
        One image for each position.
    grid_x, grid_y : ndarray, (nx,) and (ny,) float64, pixel
        Parent coordinates of the columns and rows of the grid, increasing.
    oversampling : (float, float)
        Elements per pixel along x and y.
    size : int, pixel, optional
        Longest side to draw; by default all that the images cover.

    Raises
    ------
    ConfigError
        If the grid is empty or does not increase, or as `SampledPsf`.

    Notes
    -----
    photutils ``psf/gridded_models.py``, `GriddedPSFModel`.
    """

    degree = 3

    def __init__(
        self,
        images: AnyArray,
        grid_x: FloatArray,
        grid_y: FloatArray,
        oversampling: tuple[float, float],
        size: int | None = None,
    ) -> None:
        if images.ndim != 4 or images.shape[:2] != (len(grid_y), len(grid_x)) or images.size == 0:
            raise ConfigError(
                f"images of shape {images.shape} for a grid of {len(grid_x)} x {len(grid_y)} positions"
            )
        for name, grid in (("x", grid_x), ("y", grid_y)):
            if not (np.isfinite(grid).all() and (np.diff(grid) > 0.0).all()):
                raise ConfigError(f"the {name} positions of a PSF grid do not increase: {grid.tolist()}")
        super().__init__(images.shape[2:], oversampling, size=size)
        self.grid_x, self.grid_y = grid_x, grid_y
        planes = images.reshape(-1, *images.shape[2:]).astype(np.float64)
        self._complete = np.asarray(np.isfinite(planes).all(axis=(1, 2)))
        planes[~self._complete] = 0.0
        self._planes = spline_coefficients(planes, self.degree)

    @property
    def kind(self) -> str:
        """``GriddedPsf``."""
        return "GriddedPsf"

    def _coefficients(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, BoolArray]:
        column, right = _cell(self.grid_x, x)
        row, above = _cell(self.grid_y, y)
        total = np.zeros((len(x), *self._planes.shape[1:]))
        part = np.empty_like(total)
        valid = np.ones(len(x), dtype=np.bool_)
        for step_y, weight_y in ((0, 1.0 - above), (1, above)):
            for step_x, weight_x in ((0, 1.0 - right), (1, right)):
                weight = weight_x * weight_y
                plane = np.minimum(row + step_y, len(self.grid_y) - 1) * len(self.grid_x)
                plane += np.minimum(column + step_x, len(self.grid_x) - 1)
                np.take(self._planes, plane, axis=0, out=part, mode="clip")
                part *= weight[:, None, None]
                total += part
                valid &= self._complete[plane] | (weight == 0.0)
        return total, valid


def _cell(grid: FloatArray, position: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return the grid line before each position, and how far towards the next it is, 0 to 1."""
    if len(grid) == 1:
        return np.zeros(len(position), dtype=np.int64), np.zeros(len(position))
    line = np.clip(np.searchsorted(grid, position, side="right") - 1, 0, len(grid) - 2)
    fraction = (position - grid[line]) / (grid[line + 1] - grid[line])
    return line, np.clip(fraction, 0.0, 1.0)
