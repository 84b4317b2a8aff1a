"""Simulated coadds: inputs that are rotated, dithered and distorted, each with its own PSF."""

import numpy as np

from forcedsql.footprints import Footprint
from forcedsql.geometry import Box, Polygon
from forcedsql.psf.coadd import CoaddPsf, CoaddPsfInput
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from forcedsql.psf.warping_kernel import WarpingKernel
from forcedsql.wcs import AstWcs
from forcedsql.writer.projection import FitsProjection

CRVAL = (53.16, -28.1)
PIXEL = 0.2 / 3600.0


def projection(angle=0.0, *, centre=(0.0, 0.0), scale=1.0, distortion=0.0):
    """A TAN projection whose pixel `centre` is at CRVAL; a distortion is in pixels at 1000 pixels."""
    c, s = np.cos(angle), np.sin(angle)
    cd = PIXEL * scale * np.array([[-c, s], [s, c]])
    quadratic = {(2, 0): distortion * 1e-6, (1, 1): -0.7e-6 * distortion}
    a, b = (quadratic, {(0, 2): 0.5e-6 * distortion, (1, 1): 1e-6 * distortion}) if distortion else ({}, {})
    return AstWcs(FitsProjection(crval=CRVAL, crpix=centre, cd=cd, a=a, b=b).ast_text())


def piff_like_psf(width=25, *, seed=0, reach=2000.0):
    """A PiffPsf on a pixel grid, of second degree: a Moffat profile whose size varies by percents."""
    rng = np.random.default_rng(seed)
    half = width // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
    alpha = rng.uniform(2.6, 3.4)

    def moffat(a, b):
        return (1.0 + (x / a) ** 2 + (y / b) ** 2) ** -3.0

    terms = np.add.outer(np.arange(3), np.arange(3)) <= 2
    base = moffat(alpha, alpha)
    changes = [base]
    powers = np.argwhere(terms)
    for i, j in powers[1:]:
        a, b = alpha * (1 + rng.uniform(-0.03, 0.03, 2))
        changes.append((moffat(a, b) - base) / (reach * 0.2 / 1.0) ** (i + j))
    solution = np.stack([image.ravel() for image in changes], axis=1)
    polynomial = BasisPolynomial(solution, ("u", "v"), terms)
    return PiffPsf(width, PixelGrid(width, 0.2, LanczosInterpolant(11), polynomial, 0.2))


def coadd(
    count, make_psf=piff_like_psf, *, seed=0, side=4000, dither=60.0, polygons=False, cache_size=10_000
):
    """A CoaddPsf of `count` inputs of `side` pixels that cover the middle of the coadd.

    The coadd's pixel (12000, 8000) is at the middle; inputs are dithered by some pixels.
    """
    rng = np.random.default_rng(seed)
    inputs = []
    for k in range(count):
        middle = (side - 1) / 2 + rng.uniform(-dither, dither, 2)
        wcs = projection(
            rng.uniform(0, 2 * np.pi),
            centre=tuple(middle),
            scale=rng.uniform(0.995, 1.005),
            distortion=rng.uniform(0.5, 2.0),
        )
        edge = 12.0 + 3.0 * k
        polygon = None
        if polygons:
            polygon = Polygon(
                np.array([edge, edge + 5.0, side - edge, side - 12.0]),
                np.array([12.0, side - 12.0, side - 15.0, edge]),
            )
        footprint = Footprint(wcs, Box(0, 0, side, side), polygon)
        inputs.append(CoaddPsfInput(make_psf(seed=k), footprint, rng.uniform(0.5, 1.5)))
    return CoaddPsf(inputs, projection(centre=(12000.0, 8000.0)), WarpingKernel("lanczos3", cache_size))
