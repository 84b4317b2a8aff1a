"""PSFs given by images with one or more elements per pixel, drawn on the pixels with splines."""

from abc import abstractmethod

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.errors import ConfigError
from forcedsql.psf.drawn_psf import DrawnPsf, normalise
from forcedsql.psf.image_psf import usable_positions

_ELEMENTS_PER_BATCH = 1 << 17


class SampledPsf(DrawnPsf):
    """Base of PSFs that are images with one or more elements per pixel, alike or varying.

    A pixel's value is that of the image at the pixel's centre, by a spline through the
    elements in both directions, and zero beyond the outermost elements.  Nothing is integrated
    over the pixel: the images are effective PSFs (Anderson & King 2000, PASP 112, 1360), which
    hold the pixel's response already.  Drawn images have a sum of 1.

    A subclass gives `kind` and `_coefficients`, and may change `degree`.

    The splines are quintic.  At one element per pixel they give the flux of a Gaussian star of
    2, 3 or 4 pixels FWHM to 6e-4, 8e-5 or 1e-5; cubic splines to 6e-3, 1e-3 or 3e-4, and LSST's
    fifth-order Lanczos shift to 2e-3, 1e-3 or 9e-4.

    Parameters
    ----------
    shape : (int, int)
        Rows and columns of the images; more than `degree` each.
    oversampling : (float, float)
        Elements per pixel along x and y.
    centre : (float, float), optional
        Column and row, from 0, on which the PSF is centred; by default the middle.
    size : int, pixel, optional
        Longest side to draw; by default all that the images cover.

    Notes
    -----
    photutils ``psf/gridded_models.py`` and ``psf/image_models.py`` do the same with FITPACK's cubic
    splines, whose outer knots are left out as they are here.
    """

    degree = 5
    """Degree of the splines; odd."""

    def __init__(
        self,
        shape: tuple[int, int],
        oversampling: tuple[float, float],
        centre: tuple[float, float] | None = None,
        size: int | None = None,
    ) -> None:
        rows, columns = shape
        if min(shape) <= self.degree:
            raise ConfigError(f"a PSF image of {columns} x {rows} elements; {self.degree + 1} a side needed")
        if not all(np.isfinite(oversampling)) or min(oversampling) <= 0.0:
            raise ConfigError(f"a PSF image's oversampling must be above 0, not {oversampling}")
        if centre is None:
            centre = (columns - 1) / 2.0, (rows - 1) / 2.0
        if not (0.0 <= centre[0] <= columns - 1 and 0.0 <= centre[1] <= rows - 1):
            raise ConfigError(f"a PSF image of {columns} x {rows} elements is not centred on {centre}")
        self.oversampling, self.centre = oversampling, centre
        width, height = (
            _side(n, middle, step, size)
            for n, middle, step in zip((columns, rows), centre, oversampling, strict=True)
        )
        super().__init__(width, height)
        self._knots = _knots(columns, self.degree), _knots(rows, self.degree)
        self.positions_per_batch = min(64, max(1, _ELEMENTS_PER_BATCH // (rows * columns)))

    @abstractmethod
    def _coefficients(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, BoolArray]:
        """Return the spline coefficients of the images at positions.

        Parameters
        ----------
        x, y : ndarray, (n,) float64, pixel
            Usable parent coordinates.

        Returns
        -------
        coefficients : ndarray, (n, rows, columns) or (1, rows, columns) float64
        valid : ndarray, (n,) bool
            Where there is an image.
        """

    def _draw(
        self, x: FloatArray, y: FloatArray, dx: FloatArray, dy: FloatArray, *, out: FloatArray
    ) -> BoolArray:
        usable = usable_positions(x, y)
        coefficients, valid = self._coefficients(np.where(usable, x, 0.0), np.where(usable, y, 0.0))
        along_x, along_y = (
            _sampling_matrices(offset, pixels, knots, step, middle)
            for offset, pixels, knots, step, middle in zip(
                (dx, dy), (self.width, self.height), self._knots, self.oversampling, self.centre, strict=True
            )
        )
        # One product per position keeps a position's bits free of how many share the call.
        np.matmul(along_y, np.matmul(coefficients, along_x.transpose(0, 2, 1)), out=out)
        return normalise(out, usable & valid)


def spline_coefficients(images: FloatArray, degree: int) -> FloatArray:
    """Return the coefficients of the splines through images, of the same shape.

    Parameters
    ----------
    images : ndarray, (..., rows, columns) float64
        Finite.
    degree : int
        Odd.
    """
    from scipy.interpolate import make_interp_spline  # noqa: PLC0415 - slow to import

    for axis in (-2, -1):
        elements = np.arange(images.shape[axis], dtype=np.float64)
        along = make_interp_spline(elements, images, k=degree, t=_knots(len(elements), degree), axis=axis)
        images = np.moveaxis(along.c, 0, axis)
    return np.ascontiguousarray(images)


def _side(elements: int, centre: float, step: float, size: int | None) -> int:
    """Return the odd number of pixels that elements cover on both sides of the centre."""
    half = int(np.floor(max(centre, elements - 1 - centre) / step + 0.5))
    if size is not None:
        half = min(half, size // 2)
    return 2 * half + 1


def _sampling_matrices(
    offset: FloatArray, pixels: int, knots: FloatArray, step: float, centre: float
) -> FloatArray:
    """Return the matrices that sample splines at pixels, (n, pixels, elements).

    The PSF lies `offset` pixels beyond the centre of pixel ``pixels // 2``.
    """
    from scipy.interpolate import BSpline  # noqa: PLC0415 - slow to import

    pixel, last = np.arange(pixels) - pixels // 2, knots[-1]
    degree = int(np.count_nonzero(knots == last)) - 1
    place = (centre + step * (pixel - offset[:, None])).ravel()
    inside = (place >= 0.0) & (place <= last)
    weights = BSpline.design_matrix(np.clip(place, 0.0, last), knots, degree)
    matrices = weights.toarray() * inside[:, None]
    return np.asarray(matrices).reshape(len(offset), pixels, int(last) + 1)


def _knots(elements: int, degree: int) -> FloatArray:
    """Return the knots of the interpolating spline: all elements but the first and last few inner ones."""
    ends, skipped = np.full(degree + 1, elements - 1.0), (degree + 1) // 2
    return np.concatenate([0.0 * ends, np.arange(skipped, elements - skipped, dtype=np.float64), ends])
