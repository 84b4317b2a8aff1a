import math

import numpy as np
import pytest
from photutils.psf import MoffatPSF

from forcedsql.errors import ConfigError
from forcedsql.psf.profiles import MoffatPsf, gaussian_psf

X, Y = np.array([10.0, 3.5, -7.49, 120.3]), np.array([20.0, -2.5, 8.01, 0.7])


def test_a_gaussian_falls_to_half_at_half_its_width():
    psf = gaussian_psf(8.0)
    (kernel,) = psf.kernel_images(np.zeros(1), np.zeros(1)).values
    centre = psf.width // 2
    assert kernel[centre, centre + 4] / kernel[centre, centre] == pytest.approx(0.5, rel=1e-14)
    assert 1 - math.erf(psf.width / 2 / psf.sigma / math.sqrt(2)) < 1e-6


@pytest.mark.parametrize(("fwhm", "beta"), [(1.7, 2.5), (4.0, 3.0), (6.3, 4.765), (3.0, 1.6)])
def test_moffat_images_are_photutils_profile_on_the_pixels(fwhm, beta):
    psf = MoffatPsf(fwhm, beta)
    images = psf.images(X, Y)
    for k in range(len(X)):
        rows = images.y0[k] + np.arange(psf.height)
        columns = images.x0[k] + np.arange(psf.width)
        profile = MoffatPSF(flux=1.0, x_0=X[k], y_0=Y[k], alpha=psf.alpha, beta=beta)
        sampled = profile(*np.meshgrid(columns, rows))
        np.testing.assert_allclose(images.values[k], sampled / sampled.sum(), rtol=1e-12)
        centre = columns[psf.width // 2], rows[psf.height // 2]
        assert centre == (math.floor(X[k] + 0.5), math.floor(Y[k] + 0.5))


@pytest.mark.parametrize(("beta", "fraction"), [(2.5, 1e-3), (4.765, 1e-3), (1.6, 0.08)])
def test_a_moffat_s_box_holds_all_but_a_small_part_of_the_light(beta, fraction):
    psf = MoffatPsf(4.0, beta)
    half = psf.width // 2
    outside = (1 + (half / psf.alpha) ** 2) ** (1 - beta)
    assert outside <= fraction
    assert psf.width <= 2 * 40 + 1


def test_a_moffat_of_high_beta_is_a_gaussian():
    gaussian, moffat = gaussian_psf(5.0), MoffatPsf(5.0, 1e6)
    half = min(gaussian.width, moffat.width) // 2

    def inner(psf):
        (kernel,) = psf.kernel_images(np.zeros(1), np.zeros(1)).values
        centre = len(kernel) // 2
        return kernel[centre - half : centre + half + 1, centre - half : centre + half + 1]

    np.testing.assert_allclose(inner(moffat), inner(gaussian), atol=1e-3 * inner(gaussian).max())


def test_there_is_no_moffat_at_nan_and_a_position_s_bits_do_not_depend_on_its_company():
    psf = MoffatPsf(4.0, 2.5)
    images, shapes = psf.images_and_shapes(np.append(X, np.nan), np.append(Y, 1.0))
    assert images.valid.tolist() == [True] * 4 + [False]
    assert np.isnan(shapes[4]).all()
    np.testing.assert_array_equal(psf.images(X[2:3], Y[2:3]).values[0], images.values[2])


@pytest.mark.parametrize(
    ("fwhm", "beta"), [(0.9, 3.0), (np.nan, 3.0), (np.inf, 3.0), (3.0, 1.0), (3.0, np.nan)]
)
def test_impossible_profiles_are_refused(fwhm, beta):
    with pytest.raises(ConfigError, match="moffat"):
        MoffatPsf(fwhm, beta)


def test_a_moffat_of_hardly_any_slope_has_a_box_of_ten_widths():
    assert MoffatPsf(2.0, 1.05).width == 2 * 20 + 1
