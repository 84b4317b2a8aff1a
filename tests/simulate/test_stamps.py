"""Rendered sources against analytic profiles."""

import numpy as np
import pytest

from forcedsql.geometry import Box
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.simulate import render_galaxies, render_stars, varying_psf
from forcedsql.simulate.stamps import aligned, broadened, cut_out, distances, on_plane, square_frames

PSF = SingleGaussianPsf(31, 31, 1.9)
XY0 = (100, -40)
SHAPE = (60, 80)


def gaussian(x, y, sigma):
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    r2 = (columns + XY0[0] - x) ** 2 + (rows + XY0[1] - y) ** 2
    return np.exp(-r2 / (2.0 * sigma**2)) / (2.0 * np.pi * sigma**2)


@pytest.mark.parametrize(("x", "y"), [(140.0, -10.0), (140.3, -10.45), (139.5, -9.9)])
def test_a_star_is_the_gaussian_at_its_sub_pixel_position(x, y):
    image = render_stars(PSF, np.array([x]), np.array([y]), np.array([1000.0]), SHAPE, XY0)
    # LSST shifts the sampled Gaussian with a Lanczos kernel, which at sigma 1.9 errs by 1.3e-3 of the peak.
    np.testing.assert_allclose(image, 1000.0 * gaussian(x, y, 1.9), rtol=0, atol=2e-3 * image.max())


def test_a_galaxy_is_broader_by_its_size_in_quadrature():
    x, y, sigma = np.array([140.3]), np.array([-10.2]), np.array([1.4])
    image = render_galaxies(PSF, x, y, np.array([1000.0]), sigma, SHAPE, XY0)
    expected = 1000.0 * gaussian(140.3, -10.2, np.hypot(1.9, 1.4))
    np.testing.assert_allclose(image, expected, rtol=0, atol=2e-3 * image.max())
    assert image.sum() == pytest.approx(1000.0, rel=2e-4)


def test_a_galaxy_of_no_size_is_a_star():
    x, y, flux = np.array([140.3]), np.array([-10.2]), np.array([50.0])
    galaxy = render_galaxies(PSF, x, y, flux, np.zeros(1), SHAPE, XY0)
    np.testing.assert_allclose(galaxy, render_stars(PSF, x, y, flux, SHAPE, XY0), rtol=1e-14, atol=1e-15)


def test_light_of_sources_off_the_image_falls_on_it_and_nothing_wraps():
    x, y = np.array([XY0[0] - 3.0, XY0[0] + 500.0]), np.array([-10.0, -10.0])
    image = render_stars(PSF, x, y, np.array([1.0, 1.0]), SHAPE, XY0)
    assert image[30, 0] == pytest.approx(gaussian(x[0], y[0], 1.9)[30, 0], rel=1e-3)
    assert image[:, 20:].sum() == 0.0


def test_overlapping_stars_add_up_in_any_batch():
    rng = np.random.default_rng(5)
    x, y = rng.uniform(90, 190, 1200), rng.uniform(-50, 30, 1200)
    flux = rng.uniform(1, 2, 1200)
    together = render_stars(PSF, x, y, flux, SHAPE, XY0)
    halves = sum(
        render_stars(PSF, x[s], y[s], flux[s], SHAPE, XY0) for s in (slice(0, 700), slice(700, None))
    )
    np.testing.assert_allclose(together, halves, rtol=1e-12)


def test_pixels_are_cut_out_where_the_stamp_lies():
    plane = np.arange(60.0 * 80.0).reshape(SHAPE)
    frames = square_frames(np.array([100.2, 139.6]), np.array([-39.8, -12.4]), 1)
    cut = cut_out(plane, XY0, frames)
    assert cut[1, 1, 1] == plane[-12 + 40, 140 - 100]
    assert cut[0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 80, 81]]
    assert on_plane(SHAPE, XY0, frames).sum(axis=(1, 2)).tolist() == [4, 9]
    assert distances(frames, np.array([100.2, 139.6]), np.array([-39.8, -12.4]))[0, 1, 1] == pytest.approx(
        np.hypot(0.2, 0.2)
    )


def test_a_stamp_is_aligned_with_one_at_another_pixel():
    x, y = np.array([139.6]), np.array([-12.4])
    own, other = PSF.images(x, y), PSF.images(x - 2.0, y + 1.0)
    moved = aligned(broadened(own, np.zeros(1)), other)
    assert moved.shape == other.values.shape
    np.testing.assert_allclose(moved[0, :-1, 2:], own.values[0, 1:, :-2], atol=1e-15)
    assert np.all(moved[0, -1] == 0.0)


def test_the_varying_psf_varies_gently_and_stays_positive():
    box = Box(1650, 1480, 800, 800)
    psf = varying_psf(box)
    x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(1650, 2449, 9), np.linspace(1480, 2279, 9)))
    images, shapes = psf.kernel_images(x, y), psf.shapes(x, y)
    assert images.values.min() > 0.0
    sigma = np.sqrt(shapes[:, :2].mean(axis=1))
    assert 0.02 < np.ptp(sigma) / sigma.mean() < 0.2
    ellipticity = np.hypot(shapes[:, 0] - shapes[:, 1], 2 * shapes[:, 2]) / shapes[:, :2].sum(axis=1)
    assert 0.01 < ellipticity.max() < 0.1
