"""PSF models that several tests share."""

import numpy as np

from forcedsql.psf.analytic import DoubleGaussianPsf, GaussianPsf, SingleGaussianPsf
from forcedsql.psf.functions import GaussianFunction2D, PolynomialFunction2D
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import AnalyticKernel, FixedKernel, LinearCombinationKernel


def varying_psf(width=23, height=19, *, seed=5, components=3):
    """A PcaPsf whose width and elongation vary gently over 1000 pixels."""
    rng = np.random.default_rng(seed)
    centre = ((width - 1) // 2, (height - 1) // 2)
    y, x = np.mgrid[:height, :width].astype(float) - np.array(centre[::-1])[:, None, None]
    core = np.exp(-0.5 * (x**2 + y**2) / 1.8**2)
    images = [core / core.sum()]
    for _ in range(components - 1):
        a, b = rng.uniform(1.2, 2.5, 2)
        image = np.exp(-0.5 * (x**2 / a**2 + y**2 / b**2))
        images.append(image / image.sum() - images[0])
    functions = [PolynomialFunction2D((1.0,))]
    functions += [PolynomialFunction2D(rng.normal(size=3) * [0.2, 2e-4, 2e-4]) for _ in images[1:]]
    basis = [FixedKernel(image, centre) for image in images]
    return KernelPsf(LinearCombinationKernel(basis, functions=functions), kind="PcaPsf")


def rotated_psf(width=21, height=27):
    """A KernelPsf of an elongated Gaussian at an angle."""
    kernel = AnalyticKernel(
        width, height, ((width - 1) // 2, (height - 1) // 2), GaussianFunction2D(1.4, 2.3, 0.7)
    )
    return KernelPsf(kernel)


def every_model():
    """One PSF of each kind."""
    return [
        GaussianPsf(23, 19, 1.7),
        SingleGaussianPsf(25, 25, 1.9),
        DoubleGaussianPsf(31, 29, 1.5, 3.0, 0.1),
        rotated_psf(),
        varying_psf(),
    ]
