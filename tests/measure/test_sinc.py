"""Sinc coefficients: their sum, their size and their factors."""

import numpy as np
import pytest

from forcedsql.measure.sinc import (
    circle_coefficients,
    coefficient_width,
    exact_width,
    first_moved,
    phase_weights,
    sinc_aperture,
)


@pytest.mark.parametrize(
    ("radius", "width"), [(0.5, 15), (4.0, 15), (4.01, 31), (8.0, 31), (8.01, 63), (16.0, 63), (16.01, 127)]
)
def test_lsst_s_coefficient_image_is_the_smallest_of_its_sizes_that_holds_the_circle(radius, width):
    assert coefficient_width(radius) == width
    assert sinc_aperture(radius, "lanczos5").coefficients.shape == (width, width)


@pytest.mark.parametrize(("radius", "width"), [(1.0, 39), (9.0, 39), (9.01, 41), (10.0, 41), (12.5, 47)])
def test_the_exact_image_reaches_ten_pixels_beyond_the_circle(radius, width):
    assert exact_width(radius) == width
    assert sinc_aperture(radius, "exact").coefficients.shape == (width, width)


@pytest.mark.parametrize("radius", [1.0, 3.0, 7.7])
def test_coefficients_add_up_to_the_area_and_are_symmetric(radius):
    coefficients = circle_coefficients(radius, 63)
    assert coefficients.sum() == pytest.approx(np.pi * radius**2, rel=1e-12)
    for turned in (coefficients.T, coefficients[::-1], coefficients[:, ::-1]):
        np.testing.assert_allclose(turned, coefficients, rtol=0, atol=1e-14)


@pytest.mark.parametrize("shift", ["lanczos5", "exact"])
@pytest.mark.parametrize("radius", [3.0, 9.0])
def test_few_factors_make_the_whole_coefficient_image(radius, shift):
    aperture = sinc_aperture(radius, shift)
    vectors = aperture.moved_vectors(phase_weights(np.zeros(1), shift))[0]
    remade = (vectors * aperture.eigenvalues) @ vectors.T
    # Factors below 1e-9 of the largest are left out, and Chebyshev terms below 1e-12; the stored
    # coefficients of LSST's mode are single precision.
    tolerance = 1e-7 if shift == "lanczos5" else 1e-8
    np.testing.assert_allclose(remade, aperture.coefficients, rtol=0, atol=tolerance)
    assert aperture.rank <= 13


def test_an_aperture_is_made_once():
    assert sinc_aperture(3.0, "exact") is sinc_aperture(3.0, "exact")
    assert sinc_aperture(3.0, "exact") is not sinc_aperture(3.0, "lanczos5")


def test_the_kernel_of_a_positive_fraction_begins_one_pixel_further():
    assert first_moved(np.array([-0.5, -1e-9, 0.0, 1e-9, 0.5])).tolist() == [4, 4, 4, 5, 5]


@pytest.mark.parametrize("shift", ["lanczos5", "exact"])
def test_a_moved_factor_does_not_depend_on_how_many_are_moved_with_it(shift):
    aperture = sinc_aperture(4.5, shift)
    fraction = np.random.default_rng(2).uniform(-0.5, 0.5, 130)
    together = aperture.moved_vectors(phase_weights(fraction, shift))
    for count in (1, 63, 64, 65):
        alone = aperture.moved_vectors(phase_weights(fraction[:count], shift))
        assert alone.tobytes() == together[:count].tobytes()
