"""Piff PSFs in the archive: Piff itself reads them, where it is installed."""

import pickle

import numpy as np
import pytest

from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from forcedsql.readers.inert_pickle import read_inert_pickle
from forcedsql.writer.piff import piff_pickle

SIDE, SCALE = 25, 0.2


@pytest.fixture
def psf():
    """A round star whose width changes along both axes."""
    rng = np.random.default_rng(8)
    offset = np.arange(SIDE) - SIDE // 2
    radius = offset[:, None] ** 2 + offset**2
    star = np.exp(-0.5 * radius / 2.0**2).ravel()
    wider = (radius.ravel() / 2.0**2 - 2.0) * star
    terms = np.array([[True, True, True], [True, True, False], [True, False, False]])
    coefficients = rng.normal(0.0, 1e-4, 6)[None] * wider[:, None]
    coefficients[:, 0] += star
    polynomial = BasisPolynomial(coefficients / star.sum(), ("x", "y"), terms)
    grid = PixelGrid(
        size=SIDE,
        scale=SCALE,
        interpolant=LanczosInterpolant(7),
        polynomial=polynomial,
        pixel_scale=SCALE,
    )
    return PiffPsf(SIDE, grid)


def test_the_pickle_names_only_classes_of_piff_and_galsim(psf):
    width, height, fit = read_inert_pickle(piff_pickle(psf))
    assert (width, height) == (SIDE, SIDE)
    assert fit.class_name == "piff.simplepsf.SimplePSF"
    np.testing.assert_array_equal(fit.get("interp").get("q"), psf.grid.polynomial.solution)


def test_piff_reads_the_pickle_and_draws_the_same_star(psf):
    pytest.importorskip("piff", reason="the optional package piff is not installed")
    _, _, fit = pickle.loads(piff_pickle(psf))  # noqa: S301 - the test's own bytes
    for x, y in ((10.0, 20.0), (31.3, 8.8)):
        # Piff counts pixels from 1 in the images it draws; the position is ours all the same.
        image = fit.draw(x=x, y=y, stamp_size=SIDE, center=True).array
        ours = psf.kernel_images(np.array([x]), np.array([y])).values[0]
        np.testing.assert_allclose(image / image.sum(), ours, rtol=0, atol=1e-10)
