"""Gridded PSFs against photutils, which evaluates the same images position by position."""

import numpy as np
import pytest
from astropy.nddata import NDData
from photutils.psf import GriddedPSFModel

from forcedsql.errors import ConfigError
from forcedsql.psf.gridded import GriddedPsf
from forcedsql.psf.moments import adaptive_moments

GRID_X, GRID_Y = np.array([10.0, 300.0, 900.0]), np.array([0.0, 500.0])
# Inside cells, on a line of the grid, on one of its points, and beyond it on two sides.
X = np.array([151.3, 640.5, 300.0, 900.0, -40.2, 2000.0, 33.49])
Y = np.array([77.7, 499.5, 120.1, 500.0, 250.0, 700.6, -12.0])


def images_on_grid(shape=(45, 41), *, oversampling=3.0):
    """Gaussians whose widths and angles differ from position to position."""
    rng = np.random.default_rng(12)
    rows, columns = shape
    y, x = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2])[:, None, None]
    images = np.empty((len(GRID_Y), len(GRID_X), rows, columns))
    for j, i in np.ndindex(images.shape[:2]):
        a, b = oversampling * rng.uniform(0.9, 1.6, 2)
        images[j, i] = np.exp(-0.5 * ((x / a) ** 2 + (y / b) ** 2 + 0.5 * x * y / (a * b)))
    return images


def photutils_image(images, oversampling, x, y, block, k):
    positions = [(gx, gy) for gy in GRID_Y for gx in GRID_X]
    meta = {"grid_xypos": positions, "oversampling": oversampling}
    model = GriddedPSFModel(NDData(images.reshape(-1, *images.shape[2:]), meta=meta), x_0=x, y_0=y)
    columns = block.x0[k] + np.arange(block.width[k])
    rows = block.y0[k] + np.arange(block.height[k])
    drawn = model(*np.meshgrid(columns.astype(float), rows.astype(float)))
    return drawn / drawn.sum()


@pytest.mark.parametrize(
    ("shape", "oversampling"),
    [((45, 41), (3, 3)), ((44, 40), (4, 4)), ((17, 19), (1, 1)), ((45, 41), (2, 3))],
)
def test_images_are_those_of_photutils(shape, oversampling):
    images = images_on_grid(shape, oversampling=float(min(oversampling)))
    block = GriddedPsf(images, GRID_X, GRID_Y, (oversampling[1], oversampling[0])).images(X, Y)
    assert block.valid.all()
    for k in range(len(X)):
        expected = photutils_image(images, oversampling, X[k], Y[k], block, k)
        # The same splines: what differs is the order of sums.
        np.testing.assert_allclose(block.values[k], expected, rtol=0, atol=1e-12 * expected.max())


def test_kernel_images_are_centred_on_a_pixel_with_sum_1():
    psf = GriddedPsf(images_on_grid(), GRID_X, GRID_Y, (3.0, 3.0))
    kernels, images = psf.kernel_images(X, Y), psf.images(np.round(X), np.round(Y))
    np.testing.assert_allclose(kernels.values.sum(axis=(1, 2)), 1.0, rtol=1e-13)
    assert (kernels.x0 == -(psf.width // 2)).all()
    on_a_pixel = psf.kernel_images(np.round(X), np.round(Y))
    np.testing.assert_array_equal(images.values, on_a_pixel.values)
    shapes = adaptive_moments(kernels.values, -kernels.x0, -kernels.y0)
    np.testing.assert_array_equal(psf.shapes(X, Y), shapes)


def test_a_grid_of_one_position_or_one_line_serves_all_positions():
    images = images_on_grid()
    one = GriddedPsf(images[:1, :1], GRID_X[:1], GRID_Y[:1], (3.0, 3.0))
    line = GriddedPsf(images[:1, :1].repeat(2, axis=0), GRID_X[:1], GRID_Y, (3.0, 3.0))
    np.testing.assert_allclose(one.images(X, Y).values, line.images(X, Y).values, atol=1e-15)


def test_an_incomplete_image_leaves_only_its_own_cells_without_psf():
    images = images_on_grid()
    images[0, 0, 20, 20] = np.nan
    valid = GriddedPsf(images, GRID_X, GRID_Y, (3.0, 3.0)).images(X, Y).valid
    assert valid.tolist() == [False, True, True, True, False, True, False]


def test_there_is_no_psf_at_nan_and_a_position_s_bits_do_not_depend_on_its_company():
    psf = GriddedPsf(images_on_grid(), GRID_X, GRID_Y, (3.0, 3.0))
    x, y = np.random.default_rng(8).uniform(0, 900, (2, 150))
    x[7] = np.nan
    images, shapes = psf.images_and_shapes(x, y)
    assert np.flatnonzero(~images.valid).tolist() == np.flatnonzero(np.isnan(shapes[:, 0])).tolist() == [7]
    for rows in (slice(0, 1), slice(60, 70), slice(3, 140)):
        np.testing.assert_array_equal(psf.images(x[rows], y[rows]).values, images.values[rows])


def test_a_shorter_side_keeps_the_middle():
    images = images_on_grid()
    whole = GriddedPsf(images, GRID_X, GRID_Y, (3.0, 3.0)).images(X, Y)
    short = GriddedPsf(images, GRID_X, GRID_Y, (3.0, 3.0), size=9).images(X, Y)
    assert short.values.shape[1:] == (9, 9)
    rows, columns = (slice((side - 9) // 2, (side + 9) // 2) for side in whole.values.shape[1:])
    middle = whole.values[:, rows, columns]
    middle = middle / middle.sum(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(short.values, middle, rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.ones((2, 2, 9, 9))}, "a grid of 3 x 2 positions"),
        ({"grid_x": np.array([1.0, 1.0, 2.0])}, "x positions of a PSF grid do not increase"),
        ({"grid_y": np.array([1.0, np.nan])}, "y positions of a PSF grid do not increase"),
        ({"images": np.ones((2, 3, 3, 9))}, "9 x 3 elements; 4 a side needed"),
        ({"oversampling": (0.0, 1.0)}, "above 0"),
        ({"oversampling": (np.nan, 1.0)}, "above 0"),
    ],
)
def test_an_impossible_grid_is_refused(change, message):
    arguments = {
        "images": np.ones((2, 3, 9, 9)),
        "grid_x": GRID_X,
        "grid_y": GRID_Y,
        "oversampling": (1.0, 1.0),
    }
    with pytest.raises(ConfigError, match=message):
        GriddedPsf(**(arguments | change))
