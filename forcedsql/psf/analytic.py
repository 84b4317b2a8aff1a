"""PSFs of round Gaussians: GaussianPsf, SingleGaussianPsf and DoubleGaussianPsf."""

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.errors import ConfigError
from forcedsql.psf.functions import DoubleGaussianFunction2D, GaussianFunction2D
from forcedsql.psf.image_psf import usable_positions
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import AnalyticKernel


class SingleGaussianPsf(KernelPsf):
    """A round Gaussian sampled at pixel centres, of sum 1.

    Parameters
    ----------
    width, height : int, pixel
        Size of the image; odd sides are symmetric.
    sigma : float, pixel
        Standard deviation.

    Notes
    -----
    meas_algorithms ``src/SingleGaussianPsf.cc``.
    """

    def __init__(self, width: int, height: int, sigma: float) -> None:
        self.width, self.height, self.sigma = width, height, sigma
        function = GaussianFunction2D(sigma, sigma)
        super().__init__(_centred(width, height, function), kind="SingleGaussianPsf")


class DoubleGaussianPsf(KernelPsf):
    """The sum of two concentric round Gaussians sampled at pixel centres, of sum 1.

    Parameters
    ----------
    width, height : int, pixel
        Size of the image; odd sides are symmetric.
    sigma1, sigma2 : float, pixel
        Standard deviations of the core and of the wings; a `sigma2` of 0 is allowed with `b` 0.
    b : float
        Central value of the wings over that of the core.

    Notes
    -----
    meas_algorithms ``src/DoubleGaussianPsf.cc``.
    """

    def __init__(self, width: int, height: int, sigma1: float, sigma2: float = 1.0, b: float = 0.0) -> None:
        if b == 0.0 and sigma2 == 0.0:
            sigma2 = 1.0
        self.width, self.height = width, height
        self.sigma1, self.sigma2, self.b = sigma1, sigma2, b
        function = DoubleGaussianFunction2D(sigma1, sigma2, b)
        super().__init__(_centred(width, height, function), kind="DoubleGaussianPsf")


class GaussianPsf(KernelPsf):
    """A round Gaussian sampled at pixel centres, whose shape is known and not measured.

    Parameters
    ----------
    width, height : int, pixel
        Size of the image; odd.
    sigma : float, pixel
        Standard deviation.

    Notes
    -----
    afw ``src/detection/GaussianPsf.cc``.
    """

    def __init__(self, width: int, height: int, sigma: float) -> None:
        if width % 2 == 0 or height % 2 == 0:
            raise ConfigError(f"GaussianPsf: sides must be odd, not {width} x {height}")
        self.width, self.height, self.sigma = width, height, sigma
        function = GaussianFunction2D(sigma, sigma)
        super().__init__(_centred(width, height, function), kind="GaussianPsf")

    def shapes(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return sigma^2, sigma^2, 0 at each usable position; see `Psf.shapes`."""
        shape = np.array([self.sigma**2, self.sigma**2, 0.0])
        return np.where(usable_positions(x, y)[:, None], shape, np.nan)


def _centred(
    width: int, height: int, function: GaussianFunction2D | DoubleGaussianFunction2D
) -> AnalyticKernel:
    return AnalyticKernel(width, height, ((width - 1) // 2, (height - 1) // 2), function)
