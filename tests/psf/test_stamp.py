"""Stamps against the profile that they sample, and against photutils' ImagePSF."""

import numpy as np
import pytest
from photutils.psf import ImagePSF

from forcedsql.errors import ConfigError
from forcedsql.psf.stamp import StampPsf

X, Y = np.array([30.2, 44.5, 17.0, -3.81]), np.array([25.9, 17.31, 40.0, 8.5])
SIGMA = 1.7


def stamp(shape, centre, *, oversampling=1.0, sigma=SIGMA):
    rows, columns = np.indices(shape)
    squared = (columns - centre[0]) ** 2 + (rows - centre[1]) ** 2
    return np.exp(-0.5 * squared / (oversampling * sigma) ** 2)


def gaussian(block, k, x, y, *, sigma=SIGMA):
    _, height, width = block.values.shape
    columns, rows = block.x0[k] + np.arange(width), block.y0[k] + np.arange(height)
    return np.exp(-0.5 * ((columns - x) ** 2 + (rows[:, None] - y) ** 2) / sigma**2) / (2 * np.pi * sigma**2)


@pytest.mark.parametrize("oversampling", [1.0, 2.0, 3.5])
@pytest.mark.parametrize("offset", [(0.0, 0.0), (0.5, 0.5), (-1.3, 2.25)])
def test_a_stamp_centred_anywhere_lies_where_it_is_asked_for(oversampling, offset):
    side = 2 * int(12 * oversampling) + 1
    centre = side // 2 + offset[0], side // 2 + offset[1]
    image = stamp((side, side + 2), centre, oversampling=oversampling)
    block, shapes = StampPsf(image, oversampling=oversampling, centre=centre).images_and_shapes(X, Y)
    assert block.valid.all()
    for k in range(len(X)):
        expected = gaussian(block, k, X[k], Y[k])
        # Quintic splines follow a Gaussian of 1.7 pixels to that.
        np.testing.assert_allclose(block.values[k], expected, rtol=0, atol=3e-4 * expected.max())
    np.testing.assert_allclose(shapes, np.tile([SIGMA**2, SIGMA**2, 0.0], (4, 1)), atol=2e-3)


def test_without_a_centre_it_is_the_middle_also_between_pixels():
    for shape in ((25, 25), (24, 26)):
        centre = (shape[1] - 1) / 2, (shape[0] - 1) / 2
        image = stamp(shape, centre)
        given = StampPsf(image, centre=centre).images(X, Y)
        np.testing.assert_array_equal(StampPsf(image).images(X, Y).values, given.values)
        assert np.abs(given.values[0] - gaussian(given, 0, X[0], Y[0])).max() < 3e-4


def test_splines_of_photutils_degree_give_photutils_image_psf():
    class CubicStampPsf(StampPsf):
        degree = 3

    image = stamp((61, 57), (27.4, 30.9), oversampling=3.0) + 0.01
    block = CubicStampPsf(image, oversampling=3.0, centre=(27.4, 30.9)).images(X, Y)
    for k in range(len(X)):
        model = ImagePSF(image, x_0=X[k], y_0=Y[k], origin=(27.4, 30.9), oversampling=3)
        columns = block.x0[k] + np.arange(block.width[k])
        rows = block.y0[k] + np.arange(block.height[k])
        drawn = model(*np.meshgrid(columns.astype(float), rows.astype(float)))
        np.testing.assert_allclose(block.values[k], drawn / drawn.sum(), rtol=0, atol=1e-14)


@pytest.mark.parametrize(("fwhm", "bias"), [(2.0, 1.3e-3), (3.0, 1.7e-4), (4.0, 2e-5)])
def test_fluxes_of_gaussian_stars_are_as_good_as_the_docstring_says(fwhm, bias):
    sigma = fwhm / 2.3548
    psf = StampPsf(stamp((31, 31), (15.0, 15.0), sigma=sigma))
    x, y = np.random.default_rng(0).uniform(100, 200, (2, 300))
    images = psf.images(x, y)
    stars = np.array([gaussian(images, k, x[k], y[k], sigma=sigma) for k in range(len(x))])
    flux = (images.values * stars).sum(axis=(1, 2)) / (images.values**2).sum(axis=(1, 2))
    print(f"FWHM {fwhm}: flux off by {np.mean(flux - 1):.1e} +- {np.std(flux):.1e}")
    assert np.abs(flux - 1).max() < bias


@pytest.mark.parametrize("oversampling", [1.0, 2.0])
def test_a_shorter_side_is_drawn_on_fewer_pixels(oversampling):
    side = 2 * int(15 * oversampling) + 1
    image = stamp((side, side), (side // 2, side // 2), oversampling=oversampling)
    psf = StampPsf(image, oversampling=oversampling, size=11)
    assert psf.kernel_images(X, Y).values.shape == (4, 11, 11)
    assert (psf.width, psf.height) == (11, 11)


def test_there_is_no_image_at_nan():
    for oversampling in (1.0, 2.0):
        image = stamp((25, 25), (11.8, 12.1), oversampling=oversampling)
        psf = StampPsf(image, oversampling=oversampling, centre=(11.8, 12.1))
        images, shapes = psf.images_and_shapes(np.array([np.nan, 3.0]), np.array([1.0, 3.0]))
        assert images.valid.tolist() == [False, True]
        assert np.isnan(shapes[0]).all()


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (np.zeros((9, 9)), {}, "a positive sum"),
        (np.full((9, 9), np.nan), {}, "must be finite"),
        (np.ones(9), {}, "a filled image"),
        (np.ones((9, 9)), {"centre": (9.0, 4.0)}, "not centred on"),
        (np.ones((9, 9)), {"oversampling": -2.0}, "above 0"),
        (np.ones((3, 3)), {"oversampling": 2.0}, "6 a side needed"),
    ],
)
def test_an_impossible_stamp_is_refused(image, options, message):
    with pytest.raises(ConfigError, match=message):
        StampPsf(image, **options)
