"""A PSF that is one image, the same everywhere: sampled like the pixels, or finer."""

from functools import cached_property

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, FloatArray
from forcedsql.errors import ConfigError
from forcedsql.psf.image_psf import usable_positions
from forcedsql.psf.sampled_psf import SampledPsf, spline_coefficients


class StampPsf(SampledPsf):
    """The same image everywhere on an exposure; see `SampledPsf`.

    Parameters
    ----------
    image : ndarray, (rows, columns)
        Need not be normalised.
    oversampling : float
        Elements of the image per pixel.
    centre : (float, float), optional
        Column and row, from 0, on which the PSF is centred; by default the middle of the image.
    size : int, pixel, optional
        Longest side to draw; by default all that the image covers.

    Raises
    ------
    ConfigError
        If the image is too small, is not finite or has no positive sum, or the centre is off it.
    """

    def __init__(
        self,
        image: AnyArray,
        oversampling: float = 1.0,
        centre: tuple[float, float] | None = None,
        size: int | None = None,
    ) -> None:
        if image.ndim != 2 or image.size == 0:
            raise ConfigError(f"a PSF stamp must be a filled image, not of shape {image.shape}")
        if not (np.isfinite(image).all() and image.sum() > 0.0):
            raise ConfigError("a PSF stamp must be finite, with a positive sum")
        super().__init__(image.shape, (oversampling, oversampling), centre, size)
        self._plane = spline_coefficients(image[None].astype(np.float64), self.degree)

    @property
    def kind(self) -> str:
        """``StampPsf``."""
        return "StampPsf"

    def shapes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return the adaptive moments of the one kernel image; see `Psf.shapes`."""
        return np.where(usable_positions(x, y)[:, None], self._shape, np.nan)

    @cached_property
    def _shape(self) -> FloatArray:
        return super().shapes(np.zeros(1), np.zeros(1))

    def _coefficients(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, BoolArray]:
        return self._plane, np.ones(len(x), dtype=np.bool_)
