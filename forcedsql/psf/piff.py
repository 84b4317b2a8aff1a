"""PiffPsf: the PSF of DP1 and DP2 visit images, a grid of points that varies as a polynomial."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.errors import ConfigError
from forcedsql.geometry import nearest_pixel
from forcedsql.native import images as native_images
from forcedsql.native import native_library
from forcedsql.psf.drawn_psf import DrawnPsf, normalise
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.kernel import KernelPsf

_MATRIX_ELEMENTS_PER_BATCH = 1 << 18
_PIXELS_PER_BATCH = 1 << 20
_SMALLEST_SCALE = 1e-30


@dataclass(frozen=True, eq=False)
class BasisPolynomial:
    """Parameters that are polynomials of properties of a position.

    Parameters
    ----------
    solution : ndarray, (p, k) float64
        Coefficient of each of k terms in each of p parameters.
    keys : tuple of {"x", "y", "u", "v"}
        Properties: parent pixels, or world coordinates.
    terms : ndarray, (order + 1, ...) bool
        One axis per key, indexed by its power; the k terms that count, in row-major order.

    Notes
    -----
    Piff ``piff/basis_interp.py``.
    """

    solution: FloatArray
    keys: tuple[str, ...]
    terms: BoolArray

    def __post_init__(self) -> None:
        unknown = [key for key in self.keys if key not in {"x", "y", "u", "v"}]
        if unknown:
            raise ConfigError(f"BasisPolynomial: it depends on {unknown[0]!r}, not on position alone")
        count = int(np.count_nonzero(self.terms))
        if self.terms.ndim != len(self.keys) or self.solution.ndim != 2 or self.solution.shape[1] != count:
            raise ConfigError(
                f"BasisPolynomial: a solution of shape {self.solution.shape} for {count} terms of "
                f"shape {self.terms.shape} in {len(self.keys)} keys"
            )

    def evaluate(self, properties: Mapping[str, FloatArray]) -> FloatArray:
        """Return the terms at positions.

        Parameters
        ----------
        properties : mapping of str to ndarray, (n,) float64
            Values of each key.

        Returns
        -------
        ndarray, (n, k) float64
        """
        powers = np.nonzero(self.terms)
        count = len(next(iter(properties.values())))
        product = np.ones((count, len(powers[0])))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for key, power in zip(self.keys, powers, strict=True):
                ladder = np.ones((count, int(power.max(initial=0)) + 1))
                ladder[:, 1:] = properties[key][:, None]
                product *= np.multiply.accumulate(ladder, axis=1)[:, power]
        return product


@dataclass(frozen=True, eq=False)
class PixelGrid:
    """A square grid of points that a Lanczos interpolant joins, as a kernel that varies.

    Parameters
    ----------
    size : int
        Points along a side; the PSF is centred on point ``size // 2`` of both axes.
    scale : float
        Distance of points, in world units.
    interpolant : LanczosInterpolant
    polynomial : BasisPolynomial
        Of the ``size * size`` points, row by row.
    pixel_scale : float
        World units per pixel: world coordinates are pixel coordinates times this.

    Notes
    -----
    Piff ``piff/pixelgrid.py``, with ``galsim.PixelScale`` as its projection.
    """

    size: int
    scale: float
    interpolant: LanczosInterpolant
    polynomial: BasisPolynomial
    pixel_scale: float

    def __post_init__(self) -> None:
        if self.size < 1 or len(self.polynomial.solution) != self.size**2:
            raise ConfigError(
                f"PixelGrid: {len(self.polynomial.solution)} parameters for {self.size} x {self.size} points"
            )
        for name, value in (("scale", self.scale), ("pixel scale", self.pixel_scale)):
            if not _SMALLEST_SCALE < value < 1.0 / _SMALLEST_SCALE:
                raise ConfigError(f"PixelGrid: the {name} must be positive and finite, not {value}")

    @property
    def step(self) -> float:
        """Grid steps per pixel."""
        return self.pixel_scale / self.scale

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.size

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.size

    @property
    def centre(self) -> tuple[int, int]:
        """Column and row of the point that is the PSF's centre."""
        return self.size // 2, self.size // 2

    @property
    def spatially_varying(self) -> bool:
        """True."""
        return True

    def basis_images(self) -> FloatArray:
        """Return what each term adds to the points, (k, size, size)."""
        by_term = np.ascontiguousarray(self.polynomial.solution.T, dtype=np.float64)
        return by_term.reshape(-1, self.size, self.size)

    def coefficients(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the polynomial's terms at positions, (n, k)."""
        scale = self.pixel_scale
        return self.polynomial.evaluate({"x": x, "y": y, "u": scale * x, "v": scale * y})


class PiffPsf(DrawnPsf):
    """A Piff fit, drawn on pixels at the sub-pixel position and divided by its sum.

    Parameters
    ----------
    width : int, pixel
        Side of the square image.
    grid : PixelGrid

    Notes
    -----
    meas_extensions_piff ``python/lsst/meas/extensions/piff/piffPsf.py``, Piff ``piff/psf.py``.
    Piff centres an odd box on pixel ``ceil(x - 0.5)`` but LSST places it on ``floor(x + 0.5)``:
    at an exact half the image is off by one pixel.  That is LSST's result and is kept.
    """

    def __init__(self, width: int, grid: PixelGrid) -> None:
        if width < 1:
            raise ConfigError(f"PiffPsf: the width must be at least 1, not {width}")
        super().__init__(width, width)
        self.grid = grid
        # The points are what a kernel PSF gives: a combination of images, of sum 1.
        self._points = KernelPsf(grid)
        self.positions_per_batch = min(1024, max(1, _PIXELS_PER_BATCH // max(width, grid.size) ** 2))

    @property
    def kind(self) -> str:
        """Name of the model's class as its file format spells it."""
        return "PiffPsf"

    def _place(self, position: FloatArray, size: int) -> tuple[IntArray, FloatArray]:
        drawn_on = np.ceil(position - 0.5) if size % 2 else np.ceil(position)
        return nearest_pixel(position) - size // 2, position - drawn_on

    def _kernel_offset(self, size: int) -> float:
        return 0.0 if size % 2 else -0.5

    def shapes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return adaptive second moments; see `Psf.shapes`."""
        if self._points_are_pixels and self._kernel_offset(self.width) == 0.0:
            return self._points.shapes(x, y)
        return super().shapes(x, y)

    def _draw(
        self, x: FloatArray, y: FloatArray, dx: FloatArray, dy: FloatArray, *, out: FloatArray
    ) -> BoolArray:
        if self._points_are_pixels and len(dx) == 1 and dx[0] == dy[0] == 0.0:
            points = self._points.kernel_images(x, y)
            out[...] = points.values
            return points.valid
        library = native_library()
        if library is None or self.grid.step != 1.0:
            return self._draw_by_matrices(x, y, dx, dy, out=out)
        weights, valid = self._points.combination(x, y)
        offsets = (np.broadcast_to(offset, x.shape) for offset in (dx, dy))
        interpolant = self.grid.interpolant
        return native_images.draw_grids(
            library,
            weights,
            self._points.basis,
            *offsets,
            order=interpolant.order,
            ripples=interpolant.ripples,
            valid=valid,
            out=out,
        )

    def _draw_by_matrices(
        self, x: FloatArray, y: FloatArray, dx: FloatArray, dy: FloatArray, *, out: FloatArray
    ) -> BoolArray:
        """Draw with two matrices for each position, as many at a time as stay in the cache."""
        step = max(1, _MATRIX_ELEMENTS_PER_BATCH // (self.width * (self.width + self.grid.size)))
        valid = np.empty(len(x), np.bool_)
        for start in range(0, len(x), step):
            rows = slice(start, start + step)
            points = self._points.kernel_images(x[rows], y[rows])
            along_x, along_y = (self._matrices(d if len(d) == 1 else d[rows]) for d in (dx, dy))
            # One product per position keeps a position's bits free of how many share the call.
            with np.errstate(over="ignore", invalid="ignore", under="ignore"):
                np.matmul(along_y, np.matmul(points.values, along_x.transpose(0, 2, 1)), out=out[rows])
            valid[rows] = normalise(out[rows], points.valid)
        return valid

    @property
    def _points_are_pixels(self) -> bool:
        return self.grid.step == 1.0 and self.grid.size == self.width

    def _matrices(self, offset: FloatArray) -> FloatArray:
        grid = self.grid
        return grid.interpolant.resampling_matrices(offset, pixels=self.width, grid=grid.size, step=grid.step)
