"""The PSF of SDSS fields: Karhunen-Loeve images whose coefficients vary over the field."""

from collections.abc import Sequence

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.errors import ConfigError
from forcedsql.psf.sampled_psf import SampledPsf, spline_coefficients

_SCALE = 1e-3
_PIXEL_CENTRE = 0.5


class SdssPsf(SampledPsf):
    """The PSF of one band of an SDSS field; see `SampledPsf`.

    Parameters
    ----------
    images : ndarray, (k, rows, columns) float64
        The eigenimages, centred on their middle.
    coefficients : sequence of k ndarray, (i, j) float64
        Of ``(row / 1000)^i (column / 1000)^j`` for each eigenimage, i along the first axis.
    origin : (float, float), pixel
        Column and row of the field at parent pixel (0, 0).

    Raises
    ------
    ConfigError
        If there are no images, or not one set of coefficients for each.

    Notes
    -----
    ``sum_k (sum_ij c_kij (row / 1000)^i (column / 1000)^j) image_k``, divided by its sum: Lupton et
    al. 2001 (ASPC 238, 269); SDSS DR7 documentation, ``products/images/read_psf.html``.  SDSS
    counts from the edge: the centre of the first pixel is at row 0.5, column 0.5.
    """

    def __init__(
        self, images: FloatArray, coefficients: Sequence[FloatArray], origin: tuple[float, float] = (0.0, 0.0)
    ) -> None:
        if images.ndim != 3 or images.size == 0 or len(images) != len(coefficients):
            raise ConfigError(f"SdssPsf: images of shape {images.shape} for {len(coefficients)} polynomials")
        super().__init__(images.shape[1:], (1.0, 1.0))
        self.coefficients, self.origin = tuple(coefficients), origin
        self._finite = bool(np.isfinite(images).all())
        self._planes = spline_coefficients(images if self._finite else np.zeros_like(images), self.degree)

    @property
    def kind(self) -> str:
        """``SdssPsf``."""
        return "SdssPsf"

    def _coefficients(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, BoolArray]:
        column = _SCALE * (x + self.origin[0] + _PIXEL_CENTRE)
        row = _SCALE * (y + self.origin[1] + _PIXEL_CENTRE)
        total = np.zeros((len(x), *self._planes.shape[1:]))
        for plane, values in zip(self._planes, self.coefficients, strict=True):
            weight = np.polynomial.polynomial.polyval2d(row, column, values)
            total += weight[:, None, None] * plane
        return total, np.full(len(x), self._finite)
