"""The PSF models that are timed, and what each costs in arithmetic at the least."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.footprints import Footprint
from forcedsql.geometry import Box
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.psf.coadd import CoaddPsf, CoaddPsfInput
from forcedsql.psf.functions import PolynomialFunction2D
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import FixedKernel, LinearCombinationKernel
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from forcedsql.psf.protocol import Psf
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.simulate import tangent_wcs
from forcedsql.wcs import SkyWcs

TANGENT_SKY = (53.1, -28.1)
"""ICRS degrees of the middle of every simulated image."""

COADD_MIDDLE = (12_000, 8_000)
COADD_INPUTS = 12

_PIXEL_SCALE = 0.2
_SIGMA = 1.9
_SHIFT_FLOPS_PER_PIXEL = 2 * 2 * 10
_COADD_WARP_FLOPS_PER_PIXEL = 2 * 36


@dataclass(frozen=True, slots=True)
class PsfModel:
    """A PSF to be timed on images of any size.

    Parameters
    ----------
    name : str
        As options spell it.
    title : str
        As tables print it.
    width : int, pixel
        Side of its images.
    make : callable
        The model for an image of a given side in pixels: its PSF and sky projection.
    origin : callable
        Parent position (x, y) of the first pixel of an image of that side.
    flops : int
        Floating-point operations that one image costs at the least; see `piff_flops` and others.
    """

    name: str
    title: str
    width: int
    make: Callable[[int], tuple[Psf, SkyWcs]]
    origin: Callable[[int], tuple[int, int]]
    flops: int


def gaussian_psf(side: int) -> tuple[Psf, SkyWcs]:
    """Return a fixed Gaussian of 25 x 25 pixels."""
    return SingleGaussianPsf(25, 25, _SIGMA), _wcs(side)


def varying_psf(side: int) -> tuple[Psf, SkyWcs]:
    """Return four images of 41 x 41 pixels with polynomials of second degree, as PSFs of PCA are."""
    stars = [_star(41, sigma) for sigma in (1.8, 2.2, 2.6, 3.4)]
    mean, *modes = stars[0], *(star - stars[0] for star in stars[1:])
    constant = PolynomialFunction2D((1.0, 0.0, 0.0, 0.0, 0.0, 0.0))
    slopes = [
        PolynomialFunction2D(
            (0.1, 0.08 * k / side, -0.04 / side, 0.016 / side**2, 0.03 / side**2, -0.016 * k / side**2)
        )
        for k in (1, 2, 3)
    ]
    basis = [FixedKernel(image, (20, 20)) for image in (mean, *modes)]
    kernel = LinearCombinationKernel(basis, functions=(constant, *slopes))
    return KernelPsf(kernel, kind="PcaPsf"), _wcs(side)


def piff_psf(side: int) -> tuple[Psf, SkyWcs]:
    """Return a Piff pixel grid of 25 x 25 points with polynomials of second degree."""
    return _piff(side, seed=0), _wcs(side)


def coadd_psf(side: int) -> tuple[Psf, SkyWcs]:
    """Return the PSF of a coadd of twelve turned and distorted images that each cover all of it."""
    rng = np.random.default_rng(12)
    input_side = int(1.5 * side) + 200  # a square turned by any angle still covers the coadd
    inputs = []
    for k in range(COADD_INPUTS):
        x, y = (input_side - 1) / 2.0 + rng.uniform(-60.0, 60.0, 2)
        bend = rng.uniform(0.5e-6, 2e-6)
        wcs = tangent_wcs(
            TANGENT_SKY,
            (float(x), float(y)),
            rotation=float(rng.uniform(0.0, 360.0)),
            a={(2, 0): bend, (1, 1): -0.7 * bend},
            b={(0, 2): 0.5 * bend, (1, 1): bend},
        )
        footprint = Footprint(wcs, Box(0, 0, input_side, input_side))
        weight = float(rng.uniform(0.5, 1.5))
        inputs.append(CoaddPsfInput(_piff(input_side, seed=k), footprint, weight))
    coadd_wcs = tangent_wcs(TANGENT_SKY, COADD_MIDDLE)
    return CoaddPsf(inputs, coadd_wcs, WarpingKernel("lanczos3")), coadd_wcs


def kernel_flops(width: int, components: int) -> int:
    """Return the operations of one image: ``components`` added up, then moved by 10 + 10 taps."""
    return width**2 * (2 * components * (components > 1) + _SHIFT_FLOPS_PER_PIXEL)


def piff_flops(width: int, terms: int) -> int:
    """Return the operations of one image: terms added up, then two products with resampling matrices."""
    return 2 * terms * width**2 + 2 * 2 * width**3


def coadd_flops(inputs: int) -> int:
    """Return the operations of one image: each input drawn, then warped with 6 x 6 taps."""
    return inputs * (piff_flops(25, 6) + _COADD_WARP_FLOPS_PER_PIXEL * 25**2)


def _piff(side: int, *, seed: int) -> PiffPsf:
    rng = np.random.default_rng(seed)
    terms = np.add.outer(np.arange(3), np.arange(3)) <= 2
    sigma = rng.uniform(1.7, 2.1)
    base = _star(25, sigma)
    images = [base]
    for i, j in np.argwhere(terms)[1:]:
        change = _star(25, sigma * (1.0 + rng.uniform(-0.03, 0.03))) - base
        images.append(change / (side * _PIXEL_SCALE) ** (i + j))
    solution = np.stack([image.ravel() for image in images], axis=1)
    polynomial = BasisPolynomial(solution, ("u", "v"), terms)
    return PiffPsf(25, PixelGrid(25, _PIXEL_SCALE, LanczosInterpolant(11), polynomial, _PIXEL_SCALE))


def _star(size: int, sigma: float) -> FloatArray:
    y, x = np.mgrid[:size, :size] - size // 2
    star = np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    return np.asarray(star / star.sum(), dtype=np.float64)


def _wcs(side: int) -> SkyWcs:
    return tangent_wcs(TANGENT_SKY, ((side - 1) / 2.0, (side - 1) / 2.0))


def _at_zero(_side: int) -> tuple[int, int]:
    return 0, 0


def _around_coadd_middle(side: int) -> tuple[int, int]:
    return COADD_MIDDLE[0] - side // 2, COADD_MIDDLE[1] - side // 2


PSF_MODELS = {
    model.name: model
    for model in (
        PsfModel("gaussian", "SingleGaussianPsf 25 x 25", 25, gaussian_psf, _at_zero, kernel_flops(25, 1)),
        PsfModel("varying", "PcaPsf 41 x 41, varying", 41, varying_psf, _at_zero, kernel_flops(41, 4)),
        PsfModel("piff", "PiffPsf 25 x 25", 25, piff_psf, _at_zero, piff_flops(25, 6)),
        PsfModel(
            "coadd",
            f"CoaddPsf of {COADD_INPUTS} Piff inputs",
            25,
            coadd_psf,
            _around_coadd_middle,
            coadd_flops(COADD_INPUTS),
        ),
    )
}
"""Every model by its name, in the order in which they are reported."""
