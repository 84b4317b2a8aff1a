"""GaussianPointSpreadFunction: a round Gaussian drawn at the sub-pixel position."""

import math

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.errors import ConfigError
from forcedsql.psf.drawn_psf import DrawnPsf, normalise
from forcedsql.psf.image_psf import usable_positions


class DrawnGaussianPsf(DrawnPsf):
    """A round Gaussian sampled at pixel centres around the position, of sum 1.

    `forcedsql.psf.analytic.GaussianPsf` shifts one image instead, as afw does.

    Parameters
    ----------
    size : int, pixel
        Side of the image; odd.
    sigma : float, pixel
        Standard deviation.

    Raises
    ------
    ConfigError
        If the side is not odd and positive, or sigma not positive and finite.

    Notes
    -----
    lsst.images ``psfs/_gaussian.py``.
    """

    def __init__(self, size: int, sigma: float) -> None:
        if size < 1 or size % 2 == 0:
            raise ConfigError(f"DrawnGaussianPsf: the side must be odd and positive, not {size}")
        if not (math.isfinite(sigma) and sigma > 0.0):
            raise ConfigError(f"DrawnGaussianPsf: sigma must be positive and finite, not {sigma}")
        super().__init__(size, size)
        self.sigma = sigma

    @property
    def kind(self) -> str:
        """Name of the model's class as its file format spells it."""
        return "GaussianPointSpreadFunction"

    def _draw(
        self, x: FloatArray, y: FloatArray, dx: FloatArray, dy: FloatArray, *, out: FloatArray
    ) -> BoolArray:
        np.multiply(self._profile(dy)[:, :, None], self._profile(dx)[:, None, :], out=out)
        return normalise(out, usable_positions(x, y))

    def _profile(self, offset: FloatArray) -> FloatArray:
        pixel = np.arange(self.width) - self.width // 2
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(-0.5 * ((pixel - offset[:, None]) / self.sigma) ** 2)
