"""CellPsf against a loop over positions that shifts the image of each one's cell."""

import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.fields.cells import CellGrid
from forcedsql.geometry import nearest_pixel
from forcedsql.psf.cell import CellPsf
from forcedsql.psf.moments import adaptive_moments
from tests.psf import brute_force

MISSING = (1, 2)
X0, Y0, CELL_WIDTH, CELL_HEIGHT = -20, 30, 40, 25


def cell_images(shape=(2, 3), side=(11, 13)):
    """One Gaussian per cell, each of another width, none of them of sum 1."""
    y, x = np.mgrid[: side[0], : side[1]].astype(float)
    y, x = y - side[0] // 2, x - side[1] // 2
    widths = 1.3 + 0.2 * np.arange(np.prod(shape)).reshape(shape)
    images = np.exp(-0.5 * (x**2 + 1.3 * y**2 + 0.3 * x * y) / widths[:, :, None, None] ** 2)
    return 0.97 * images / images.sum(axis=(2, 3), keepdims=True)


def cell_psf(images=None):
    missing = np.zeros((2, 3), dtype=bool)
    missing[MISSING] = True
    return CellPsf(
        CellGrid(X0, Y0, CELL_WIDTH, CELL_HEIGHT, missing), cell_images() if images is None else images
    )


def cell_index(x, y):
    """Row and column of the cell of one position, None where there is none."""
    column, row = (int(np.floor(x + 0.5)) - X0) // CELL_WIDTH, (int(np.floor(y + 0.5)) - Y0) // CELL_HEIGHT
    inside = 0 <= row < 2 and 0 <= column < 3 and (row, column) != MISSING
    return (row, column) if inside else None


def positions(count=40):
    rng = np.random.default_rng(8)
    return rng.uniform(X0 - 10, X0 + 130, count), rng.uniform(Y0 - 10, Y0 + 60, count)


def test_images_are_those_of_the_cell_moved_as_afw_moves_kernel_images():
    x, y = positions()
    images, stored = cell_psf().images(x, y), cell_images()
    for k in range(len(x)):
        cell = cell_index(x[k], y[k])
        assert images.valid[k] == (cell is not None)
        if cell is None:
            assert not images.values[k].any()
            continue
        column, row = nearest_pixel(x[k]), nearest_pixel(y[k])
        fractions = (float(np.float32(x[k] - column)), float(np.float32(y[k] - row)))
        expected = brute_force.shift_image(stored[cell], *fractions)
        # Both are sums of ten products of doubles per axis.
        np.testing.assert_allclose(images.values[k], expected, atol=1e-15)
        assert (images.x0[k], images.y0[k]) == (column - 6, row - 5)


def test_kernel_images_are_stored_images_and_are_not_normalised():
    x, y = np.array([0.3, 25.0, 61.2]), np.array([41.7, 60.9, 31.0])
    kernels = cell_psf().kernel_images(x, y)
    for k, cell in enumerate([(0, 0), (1, 1), (0, 2)]):
        np.testing.assert_array_equal(kernels.values[k], cell_images()[cell])
    assert kernels.values[0].sum() == pytest.approx(0.97, rel=1e-12)
    assert kernels.x0.tolist() == [-6] * 3
    assert kernels.y0.tolist() == [-5] * 3


def test_a_position_on_the_border_of_two_cells_belongs_to_the_upper_one():
    psf, border = cell_psf(), X0 + CELL_WIDTH - 0.5
    x, y = np.array([np.nextafter(border, -100), border]), np.array([40.0, 40.0])
    kernels = psf.kernel_images(x, y).values
    np.testing.assert_array_equal(kernels[0], cell_images()[0, 0])
    np.testing.assert_array_equal(kernels[1], cell_images()[0, 1])


@pytest.mark.parametrize(
    "position", [(70.0, 60.0), (np.nan, 40.0), (-21.0, 40.0), (0.0, 80.0), (1e300, np.inf)]
)
def test_there_is_no_psf_in_a_missing_cell_off_the_grid_or_nowhere(position):
    x, y = (np.array([value]) for value in position)
    images, shapes = cell_psf().images_and_shapes(x, y)
    assert not images.valid[0]
    assert not images.values.any()
    assert images.width[0] == images.height[0] == 0
    assert np.isnan(shapes).all()


def test_a_cell_whose_image_is_not_finite_is_missing():
    images = cell_images()
    images[0, 1, 4, 4] = np.nan
    psf = cell_psf(images)
    x = np.array([0.0, 30.0])
    assert psf.images(x, np.full(2, 40.0)).valid.tolist() == [True, False]


def test_shapes_are_the_moments_of_the_cells_images():
    x, y = positions()
    psf = cell_psf()
    _, shapes = psf.images_and_shapes(x, y)
    np.testing.assert_array_equal(shapes, psf.shapes(x, y))
    for k in range(len(x)):
        cell = cell_index(x[k], y[k])
        if cell is None:
            assert np.isnan(shapes[k]).all()
        else:
            expected = adaptive_moments(cell_images()[cell][None], np.array([6]), np.array([5]))
            np.testing.assert_array_equal(shapes[k], expected[0])


def test_a_position_does_not_depend_on_its_company():
    x, y = positions(600)
    together, shapes = cell_psf().images_and_shapes(x, y)
    for k in (0, 255, 256, 599):
        alone, shape = cell_psf().images_and_shapes(x[k : k + 1], y[k : k + 1])
        np.testing.assert_array_equal(together.values[k], alone.values[0])
        np.testing.assert_array_equal(shapes[k], shape[0])


def test_no_positions_give_no_images():
    images, shapes = cell_psf().images_and_shapes(np.empty(0), np.empty(0))
    assert len(images.values) == len(shapes) == 0


@pytest.mark.parametrize("shape", [(2, 3, 11), (3, 2, 11, 13), (2, 3, 10, 13), (2, 3, 11, 12)])
def test_images_that_do_not_fit_the_cells_or_have_even_sides_are_refused(shape):
    with pytest.raises(ConfigError, match="CellPsf"):
        cell_psf(np.zeros(shape))
