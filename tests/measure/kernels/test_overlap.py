"""Overlaps of circles and pixels against photutils and sep, and their edges.

Radii are such that a circle reaches out of its pixel: photutils and sep give a circle inside a
pixel all of that pixel, `test_weights_fill_the_circle_and_are_parts_of_a_pixel` has the truth.
"""

import numpy as np
import pytest
import sep
from hypothesis import given, settings
from hypothesis import strategies as st
from photutils.aperture import CircularAperture

from forcedsql.measure.kernels import NumpyKernel, Planes
from forcedsql.measure.kernels.overlap import overlap_weights

RADII = (0.71, 1.0, 3.0, 4.5, 7.3, 12.0, 25.0, 50.0)
KERNEL = NumpyKernel()


def make_planes(shape=(160, 171), seed=1):
    rng = np.random.default_rng(seed)
    image = rng.normal(100, 30, shape).astype(np.float32)
    return Planes(image, rng.uniform(1, 9, shape).astype(np.float32), np.zeros(shape, np.int32))


def positions(n=120, seed=2):
    """Inside by the largest radius; some on pixel centres, and some on pixel borders."""
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(52, 108, (2, n))
    x[:40], y[20:60] = np.round(2 * x[:40]) / 2, np.round(2 * y[20:60]) / 2
    return x, y


@pytest.mark.parametrize("radius", RADII)
def test_overlaps_equal_photutils_and_sep(radius):
    planes, (x, y) = make_planes(), positions()
    flux, variance = (values[:, 0] for values in KERNEL.overlap_sums(planes, x, y, (radius,)))
    image = planes.image.astype(np.float64)
    aperture = CircularAperture(np.column_stack([x, y]), radius)
    by_photutils, _ = aperture.do_photometry(image, method="exact")
    by_sep, _, _ = sep.sum_circle(image, x, y, radius, subpix=0)
    np.testing.assert_allclose(flux, by_photutils, rtol=1e-12)
    np.testing.assert_allclose(flux, by_sep, rtol=1e-12)
    masks = aperture.to_mask(method="exact")
    expected = [np.sum(m.data**2 * m.cutout(planes.variance).astype(np.float64)) for m in masks]
    np.testing.assert_allclose(variance, expected, rtol=1e-11)


@settings(deadline=None, max_examples=200)
@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.05, 200.0))
def test_weights_fill_the_circle_and_are_parts_of_a_pixel(x, y, radius):
    half = int(np.ceil(radius))
    weights, touched = overlap_weights(np.array([-half - x]), np.array([-half - y]), 2 * half + 1, radius)
    assert weights.min() >= 0.0
    assert weights.max() <= 1.0
    assert not weights[~touched].any()
    # Differences of areas of up to radius^2: rounding of 1e-16 of that in each rim pixel.
    assert weights.sum() == pytest.approx(np.pi * radius**2, rel=1e-12, abs=1e-13)


def test_a_fault_counts_only_where_the_circle_touches_its_pixel():
    planes, clean = make_planes(), make_planes()
    planes.image[80, 80 + 4] = np.nan
    x, y = np.array([80.0, 80.0]), np.array([80.0, 80.0])
    flux, variance = KERNEL.overlap_sums(planes, x, y, (3.4999, 3.5001))
    unspoilt, _ = KERNEL.overlap_sums(clean, x, y, (3.4999, 3.5001))
    np.testing.assert_array_equal(flux[:, 0], unspoilt[:, 0])
    assert np.isnan(flux[:, 1]).all()
    assert np.isfinite(variance).all()


def test_pixels_outside_the_image_do_not_count():
    planes = Planes(
        np.ones((20, 30), np.float32), np.ones((20, 30), np.float32), np.zeros((20, 30), np.int32)
    )
    flux, _ = KERNEL.overlap_sums(planes, np.array([-0.5]), np.array([-0.5]), (6.0,))
    assert flux[0, 0] == pytest.approx(np.pi * 9.0, rel=1e-14)


def test_a_sum_does_not_depend_on_its_company():
    planes, (x, y) = make_planes(), positions()
    together = KERNEL.overlap_sums(planes, x, y, RADII)
    for rows in ([7], [100, 3]):
        alone = KERNEL.overlap_sums(planes, x[rows], y[rows], RADII)
        for ours, theirs in zip(alone, together, strict=True):
            np.testing.assert_array_equal(ours, theirs[rows])
