"""The imitation of a pipeline, against analytic fluxes and the statistics of its own noise."""

import numpy as np
import pytest
from scipy.stats import kstest

from forcedsql.fields.bounded_field import ConstantField
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.simulate import Conditions, Defects, Setting, Sources, expose, random_sources, tangent_wcs
from forcedsql.simulate.pipeline import (
    aperture_fluxes,
    circle_weights,
    measured_positions,
    pixel_flags,
    psf_fluxes,
)

SHAPE, XY0, SIGMA = (600, 600), (40, -60), 1.9
SETTING = Setting(
    shape=SHAPE,
    xy0=XY0,
    psf=SingleGaussianPsf(35, 35, SIGMA),
    wcs=tangent_wcs((53.0, -28.0), (340.0, 240.0)),
    ap_corr={"base_PsfFlux_instFlux": ConstantField(0.97)},
    conditions=Conditions(saturation=np.inf),
)
SILENCE = np.zeros(SHAPE)
ONE = np.ones(SHAPE)


def test_without_noise_psf_fluxes_are_the_truth():
    sources = random_sources(50, seed=1, shape=SHAPE, xy0=XY0, margin=20.0)
    fluxes = psf_fluxes(sources, sources.x, sources.y, SETTING, SILENCE, ONE)
    np.testing.assert_allclose(fluxes.flux, sources.flux, rtol=1e-12)
    # sum(m^2) of a Gaussian is 1 / (4 pi sigma^2); the Lanczos shift changes it in the third digit.
    np.testing.assert_allclose(fluxes.error, 0.97 * np.sqrt(4 * np.pi) * SIGMA, rtol=2e-3)
    assert not fluxes.edge.any()


def test_without_noise_aperture_fluxes_are_the_gaussian_integral():
    sources = random_sources(50, seed=1, shape=SHAPE, xy0=XY0, margin=20.0)
    galaxies = Sources(sources.x, sources.y, sources.flux, np.full(50, 1.2))
    for some, width in ((sources, SIGMA), (galaxies, np.hypot(SIGMA, 1.2))):
        for radius in (3.0, 6.0, 12.0):
            fluxes = aperture_fluxes(some, some.x, some.y, radius, SETTING, SILENCE, ONE)
            expected = some.flux / 0.97 * (1.0 - np.exp(-(radius**2) / (2.0 * width**2)))
            np.testing.assert_allclose(fluxes.flux, expected, rtol=2e-6)
            # The squares of weights that fall linearly over one pixel lack pi r / 3 of the area.
            area = np.pi * radius**2 - np.pi * radius / 3.0
            np.testing.assert_allclose(fluxes.error, np.sqrt(area), rtol=0.025)


def test_pulls_of_fluxes_are_standard_normal():
    sources = random_sources(1500, seed=4, shape=SHAPE, xy0=XY0, margin=30.0)
    simulated = expose(sources, SETTING, seed=9)
    variance = simulated.exposure.variance.astype(np.float64)
    fluxes = psf_fluxes(sources, sources.x, sources.y, SETTING, simulated.noise, variance)
    assert kstest((fluxes.flux - sources.flux) / fluxes.error, "norm").pvalue > 0.01
    apertures = aperture_fluxes(sources, sources.x, sources.y, 9.0, SETTING, simulated.noise, variance)
    expected = sources.flux / 0.97 * (1.0 - np.exp(-(9.0**2) / (2.0 * SIGMA**2)))
    assert np.std((apertures.flux - expected) / apertures.error) == pytest.approx(1.0, abs=0.1)


def test_neighbours_are_absent():
    pair = Sources(np.array([300.0, 304.0]), np.array([200.0, 200.0]), np.array([1e3, 1e5]), np.zeros(2))
    simulated = expose(pair, SETTING, seed=2)
    variance = simulated.exposure.variance.astype(np.float64)
    fluxes = psf_fluxes(pair, pair.x, pair.y, SETTING, simulated.noise, variance)
    assert np.all(np.abs(fluxes.flux - pair.flux) < 5.0 * fluxes.error)


def test_stamps_and_circles_that_leave_the_image_are_flagged():
    edge = Sources(np.array([42.0, 300.0]), np.array([200.0, 200.0]), np.array([1e3, 1e3]), np.zeros(2))
    assert psf_fluxes(edge, edge.x, edge.y, SETTING, SILENCE, ONE).edge.tolist() == [True, False]
    apertures = aperture_fluxes(edge, edge.x, edge.y, 6.0, SETTING, SILENCE, ONE)
    assert np.isnan(apertures.flux).tolist() == [True, False]


def test_circle_weights_add_up_to_the_area():
    wide = SETTING.psf.kernel_images(np.array([300.0]), np.array([200.0]))
    # The weights ring beyond the stamp, with an amplitude of a few percent of a pixel.
    assert circle_weights(wide, 6.0).sum() == pytest.approx(np.pi * 36.0, rel=5e-3)


def test_centroid_errors_shrink_with_the_signal():
    sources = Sources(*np.full((2, 4000), 300.0), np.repeat([1e3, 1e5], 2000), np.zeros(4000))
    rng = np.random.default_rng(1)
    x, y = measured_positions(sources, np.full(4000, 200.0), SETTING, rng)
    faint, bright = (x - 300.0)[:2000].std(), (y - 300.0)[2000:].std()
    assert faint == pytest.approx(np.sqrt(2.0) * SIGMA * 0.2, rel=0.05)
    assert bright == pytest.approx(np.sqrt(2.0) * SIGMA * 0.002, rel=0.05)


def test_pixel_flags_follow_the_mask():
    setting = Setting(
        shape=SHAPE, xy0=XY0, psf=SETTING.psf, wcs=SETTING.wcs, defects=Defects(edge=5, no_data=30)
    )
    empty = Sources(*np.zeros((4, 0)))
    simulated = expose(empty, setting, seed=1)
    x, y = np.array([41.0, 48.0, 300.0, 60.0]), np.array([200.0, 200.0, 200.0, -40.0])
    flags = pixel_flags(simulated, x, y, setting)
    assert flags["edge"].tolist() == [True, True, False, False]
    assert flags["edgeCenter"].tolist() == [True, False, False, False]
    assert flags["nodataCenter"].tolist() == [False, False, False, True]
