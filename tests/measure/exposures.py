"""Small exposures for the tests of the measurement: a flat sky projection, a Gaussian PSF."""

from dataclasses import dataclass

import numpy as np

from forcedsql.exposure import Exposure
from forcedsql.psf.analytic import SingleGaussianPsf

PLANES = {
    name: bit
    for bit, name in enumerate(
        ("BAD", "SAT", "INTRP", "CR", "EDGE", "DETECTED", "DETECTED_NEGATIVE", "SUSPECT", "NO_DATA")
    )
}


@dataclass(frozen=True)
class FlatWcs:
    """One degree per thousand pixels around (ra, dec) = (0, 0); undefined beyond 90 degrees."""

    def sky_to_pixel(self, ra, dec):
        wrapped = (ra + 180.0) % 360.0 - 180.0
        x = np.where(np.abs(wrapped) < 90.0, 1000.0 * wrapped, np.nan)
        return x, 1000.0 * dec

    def pixel_to_sky(self, x, y):
        return (x / 1000.0) % 360.0, y / 1000.0


def sky(x, y):
    """(ra, dec) in degrees of parent pixels, as `FlatWcs` has it."""
    return np.asarray(x, float) / 1000.0, np.asarray(y, float) / 1000.0


def make_exposure(*, shape=(200, 220), xy0=(0, 0), seed=0, noise=3.0, **parts):
    rng = np.random.default_rng(seed)
    image = rng.normal(0.0, noise, shape).astype(np.float32)
    options = {
        "image": image,
        "variance": np.full(shape, noise**2, np.float32),
        "mask": np.zeros(shape, np.int32),
        "mask_planes": PLANES,
        "xy0": xy0,
        "wcs": FlatWcs(),
        "psf": SingleGaussianPsf(25, 25, 1.8),
    }
    return Exposure(**(options | parts))


def gaussian_star(shape, x, y, flux, sigma):
    row, column = np.indices(shape)
    squared = (column - x) ** 2 + (row - y) ** 2
    return flux * np.exp(-squared / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def moffat_star(shape, x, y, flux, fwhm, beta):
    row, column = np.indices(shape)
    alpha_squared = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    squared = (column - x) ** 2 + (row - y) ** 2
    return flux * (beta - 1) / (np.pi * alpha_squared) * (1 + squared / alpha_squared) ** -beta
