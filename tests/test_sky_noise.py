"""Level and noise of the sky, of simulated images whose truth is known."""

import numpy as np
import pytest

from forcedsql.sky_noise import find_sky, noise_ratio, robust_rms
from tests.measure.exposures import gaussian_star, make_exposure


def noisy(shape=(500, 600), sigma=5.0, seed=3):
    return np.random.default_rng(seed).normal(0.0, sigma, shape)


def with_stars(image, count=400, seed=4):
    rng = np.random.default_rng(seed)
    for flux in 50 * rng.pareto(1.0, count) + 50:
        y, x = rng.integers(0, image.shape[0] - 25), rng.integers(0, image.shape[1] - 25)
        image[y : y + 25, x : x + 25] += gaussian_star((25, 25), 12.3, 11.8, min(flux, 1e5), 1.5)
    return image


def everywhere(image):
    return np.ones(image.shape, np.bool_)


def test_the_noise_of_gaussian_pixels_is_found():
    image = noisy()
    # 300,000 pixels: the median deviation has a scatter of 1.17 / sqrt(N) = 0.2 %
    assert robust_rms(image, everywhere(image)) == pytest.approx(5.0, rel=0.01)


def test_sources_and_a_sloping_sky_change_neither_noise_nor_level():
    row, column = np.indices((500, 600))
    image = with_stars(noisy()) + 1000.0 + 0.05 * column - 0.03 * row
    sky = find_sky(image, everywhere(image))
    assert sky.level == pytest.approx(1000 + 0.05 * 300 - 0.03 * 250, abs=1.0)
    assert robust_rms(sky.residual, everywhere(image)) == pytest.approx(5.0, rel=0.02)


def test_large_images_are_sampled():
    image = noisy((2500, 1100))
    assert robust_rms(find_sky(image + 30, everywhere(image)).residual, everywhere(image)) == pytest.approx(
        5.0, rel=0.01
    )


def test_pixels_that_are_not_good_do_not_count():
    image = noisy((128, 128))
    good = everywhere(image)
    good[:, :40] = False
    image[:, :40] = np.nan
    sky = find_sky(image, good)
    assert abs(sky.level) < 0.5
    assert robust_rms(sky.residual, good) == pytest.approx(5.0, rel=0.05)


def test_without_pixels_there_is_no_level_and_no_noise():
    image = noisy((10, 10))
    nowhere = np.zeros(image.shape, np.bool_)
    assert np.isnan(find_sky(image, nowhere).level)
    assert np.isnan(robust_rms(image, nowhere))


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_the_ratio_tells_a_wrong_variance(factor):
    exposure = make_exposure(shape=(300, 300))
    exposure.variance[:] *= np.float32(factor**2)
    exposure.mask[:50] |= 1 << exposure.mask_planes["SAT"]
    exposure.image[:50] = 1e6
    exposure.variance[60] = np.inf
    assert noise_ratio(exposure) == pytest.approx(1 / factor, rel=0.02)


def test_an_exposure_without_a_good_pixel_has_no_ratio():
    exposure = make_exposure(shape=(30, 30))
    exposure.variance[:] = np.inf
    assert np.isnan(noise_ratio(exposure))


def test_noise_so_full_of_sources_that_none_is_left_is_that_of_all_pixels():
    """A source in every neighbourhood hides all of the sky after the first look."""
    image = noisy((28, 28))
    image[::5, ::5] = 1e4
    deviation = np.median(np.abs(image - np.median(image)))
    assert robust_rms(image, everywhere(image)) == pytest.approx(1.4826 * deviation, rel=1e-4)
