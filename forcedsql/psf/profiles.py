"""PSFs that are known by their full width at half maximum: a round Gaussian, a round Moffat.

Both are sampled at pixel centres, not integrated over pixels: a width that was measured on
an image's stars already holds the response of its pixels, and integrating would widen it again.
"""

import math

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.errors import ConfigError
from forcedsql.psf.drawn_gaussian import DrawnGaussianPsf
from forcedsql.psf.drawn_psf import DrawnPsf, normalise
from forcedsql.psf.image_psf import usable_positions

_NARROWEST = 1.0
_GAUSSIAN_SIGMAS = 5.0
_MOFFAT_FRACTION_OUTSIDE = 1e-3
_MOFFAT_WIDTHS = 10.0
_PIXELS_PER_BATCH = 1 << 18


def gaussian_psf(fwhm: float) -> DrawnGaussianPsf:
    """Return a round Gaussian on a box of 5 standard deviations to each side.

    Parameters
    ----------
    fwhm : float, pixel
        Full width at half maximum of a star on the image, at least 1.

    Raises
    ------
    ConfigError
        If the width is less than a pixel, which no star on pixels can be, or not finite.
    """
    _require_width("gaussian", fwhm)
    sigma = fwhm / math.sqrt(8.0 * math.log(2.0))
    return DrawnGaussianPsf(2 * math.ceil(_GAUSSIAN_SIGMAS * sigma) + 1, sigma)


class MoffatPsf(DrawnPsf):
    """A round Moffat profile, ``(1 + (r / alpha)^2)^-beta``, sampled at pixel centres, of sum 1.

    Parameters
    ----------
    fwhm : float, pixel
        Full width at half maximum of a star on the image, at least 1.
    beta : float
        Slope of the wings, above 1; atmospheric seeing has 2.5 to 4.8.

    Raises
    ------
    ConfigError
        If the width is less than a pixel or not finite, or beta is not above 1.

    Notes
    -----
    Moffat 1969 (A&A 3, 455).  The box holds all but 1/1000 of the profile, at most 10 widths to
    each side; what is beyond it is missing from fluxes, as from those of any PSF image.
    """

    def __init__(self, fwhm: float, beta: float) -> None:
        _require_width("moffat", fwhm)
        if not (math.isfinite(beta) and beta > 1.0):
            raise ConfigError(f"moffat: beta must be finite and above 1, not {beta:g}")
        self.fwhm, self.beta = fwhm, beta
        self.alpha = 0.5 * fwhm / math.sqrt(2.0 ** (1.0 / beta) - 1.0)
        side = 2 * math.ceil(self._radius()) + 1
        super().__init__(side, side)
        self.positions_per_batch = min(256, max(1, _PIXELS_PER_BATCH // side**2))

    @property
    def kind(self) -> str:
        """``MoffatPsf``."""
        return "MoffatPsf"

    def _radius(self) -> float:
        """Return the radius of the box: that of all but a small fraction of the light."""
        exponent = 1.0 / (self.beta - 1.0)
        # The light outside of r is (1 + (r / alpha)^2)^(1 - beta) of all.
        if exponent * math.log(1.0 / _MOFFAT_FRACTION_OUTSIDE) > 50.0:
            return _MOFFAT_WIDTHS * self.fwhm
        enclosing = self.alpha * math.sqrt(_MOFFAT_FRACTION_OUTSIDE**-exponent - 1.0)
        return min(enclosing, _MOFFAT_WIDTHS * self.fwhm)

    def _draw(
        self, x: FloatArray, y: FloatArray, dx: FloatArray, dy: FloatArray, *, out: FloatArray
    ) -> BoolArray:
        along_x, along_y = self._squares(dx), self._squares(dy)
        np.add(along_y[:, :, None], along_x[:, None, :], out=out)
        np.log1p(out, out=out)
        out *= -self.beta
        np.exp(out, out=out)
        return normalise(out, usable_positions(x, y))

    def _squares(self, offset: FloatArray) -> FloatArray:
        pixel = np.arange(self.width) - self.width // 2
        squares: FloatArray = ((pixel - offset[:, None]) / self.alpha) ** 2
        return squares


def _require_width(owner: str, fwhm: float) -> None:
    if not (math.isfinite(fwhm) and fwhm >= _NARROWEST):
        raise ConfigError(f"{owner}: the FWHM must be at least {_NARROWEST:g} pixel, not {fwhm:g}")
