"""PiffPsf against its defining formula, pixel by pixel.

What LSST makes of the same fits is in test_reference.py.
"""

import dataclasses
import math
import tracemalloc

import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.psf.interpolant import LanczosInterpolant
from forcedsql.psf.moments import adaptive_moments
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from tests.psf import brute_force

POSITIONS = (np.array([100.2, 311.77, 57.0, 420.499, -31.3]), np.array([205.9, 17.31, 300.0, 88.02, -7.75]))


def grid_of(size=9, *, scale=0.2, pixel_scale=0.2, keys=("u", "v"), order=5, seed=3):
    """A grid of Gaussians whose size and place vary a little as a second-order polynomial."""
    rng = np.random.default_rng(seed)
    v, u = np.mgrid[:size, :size] - size // 2.0
    core = np.exp(-0.5 * (u**2 + v**2) / 1.7**2)
    terms = np.add.outer(np.arange(3), np.arange(3)) <= 2
    reach = {"x": 300.0, "y": 300.0, "u": 300 * pixel_scale, "v": 300 * pixel_scale}
    scales = [reach[keys[0]] ** i * reach[keys[1]] ** j for i, j in np.argwhere(terms)]
    columns = [core.ravel()]
    columns += [0.05 * rng.normal(size=core.size) * core.ravel() / scale for scale in scales[1:]]
    polynomial = BasisPolynomial(np.stack(columns, axis=1), keys, terms)
    return PixelGrid(size, scale, LanczosInterpolant(order), polynomial, pixel_scale)


def points_at(grid, x, y):
    """The grid's values at one position, term by term."""
    values = {"x": x, "y": y, "u": grid.pixel_scale * x, "v": grid.pixel_scale * y}
    first, second = (values[key] for key in grid.polynomial.keys)
    total = np.zeros(grid.size**2)
    for k, (i, j) in enumerate(np.argwhere(grid.polynomial.terms)):
        total += grid.polynomial.solution[:, k] * first**i * second**j
    return total.reshape(grid.size, grid.size)


@pytest.mark.parametrize("kernel", [False, True])
@pytest.mark.parametrize(
    ("width", "options"),
    [
        (9, {}),
        (9, {"keys": ("x", "y")}),
        (9, {"keys": ("y", "x")}),
        (11, {}),
        (7, {}),
        (9, {"pixel_scale": 0.3}),
        (9, {"pixel_scale": 0.13, "size": 8}),
        (8, {}),
        (8, {"size": 8, "pixel_scale": 0.25}),
    ],
)
def test_images_follow_the_formula_pixel_by_pixel(width, options, kernel):
    grid = grid_of(**options)
    psf = PiffPsf(width, grid)
    block = (psf.kernel_images if kernel else psf.images)(*POSITIONS)
    assert block.valid.all()
    for k, (x, y) in enumerate(zip(*POSITIONS, strict=True)):
        expected, origin = brute_force.piff_image(
            points_at(grid, x, y), x, y, width=width, order=5, step=grid.step, kernel=kernel
        )
        assert (block.x0[k], block.y0[k]) == origin
        # Sines of angles near 20 pi round to 1e-14.
        np.testing.assert_allclose(block.values[k], expected, rtol=0, atol=1e-14)


def test_every_image_has_sum_one():
    psf = PiffPsf(9, grid_of(pixel_scale=0.3))
    for block in (psf.images(*POSITIONS), psf.kernel_images(*POSITIONS)):
        np.testing.assert_allclose(block.values.sum(axis=(1, 2)), 1, rtol=0, atol=1e-14)


def test_an_image_on_a_pixel_s_centre_is_the_kernel_image():
    psf = PiffPsf(9, grid_of())
    x, y = np.array([40.0]), np.array([51.0])
    np.testing.assert_allclose(psf.images(x, y).values, psf.kernel_images(x, y).values, rtol=0, atol=1e-15)


def test_at_an_exact_half_the_image_is_off_by_a_pixel_as_lsst_s_is():
    psf = PiffPsf(9, grid_of())
    tie, near = (psf.images(np.array([x]), np.array([60.0])) for x in (300.5, 300.5 - 1e-9))
    assert tie.x0[0] == near.x0[0] + 1 == 301 - 4
    # The same pixels, one further along.
    np.testing.assert_allclose(tie.values, near.values, rtol=0, atol=1e-8)


def test_positions_without_a_value_are_invalid_and_empty():
    psf = PiffPsf(9, grid_of())
    x = np.array([np.nan, 10.0, np.inf, 1e12, 20.0])
    y = np.array([10.0, np.nan, 10.0, 10.0, 20.0])
    images, shapes = psf.images_and_shapes(x, y)
    np.testing.assert_array_equal(images.valid, [False, False, False, False, True])
    np.testing.assert_array_equal(images.width, [0, 0, 0, 0, 9])
    assert not images.values[:4].any()
    assert np.isnan(shapes[:4]).all()
    assert np.isfinite(shapes[4]).all()
    assert not psf.kernel_images(x, y).values[:4].any()


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf])
def test_a_fit_without_a_sum_gives_no_image(fill):
    grid = grid_of()
    polynomial = dataclasses.replace(grid.polynomial, solution=np.full_like(grid.polynomial.solution, fill))
    psf = PiffPsf(11, dataclasses.replace(grid, polynomial=polynomial))
    images, shapes = psf.images_and_shapes(*POSITIONS)
    assert not images.valid.any()
    assert not images.values.any()
    assert np.isnan(shapes).all()


@pytest.mark.parametrize(("width", "pixel_scale"), [(9, 0.2), (11, 0.2), (9, 0.3)])
def test_a_position_s_bits_do_not_depend_on_its_company(width, pixel_scale):
    psf = PiffPsf(width, grid_of(pixel_scale=pixel_scale))
    x, y = np.random.default_rng(8).uniform(0, 500, (2, 700))
    all_at_once = psf.images(x, y), psf.kernel_images(x, y)
    shapes = psf.shapes(x, y)
    for rows in (slice(0, 1), slice(250, 270), slice(699, 700), slice(3, 690)):
        some = psf.images(x[rows], y[rows]), psf.kernel_images(x[rows], y[rows])
        for whole, part in zip(all_at_once, some, strict=True):
            np.testing.assert_array_equal(part.values, whole.values[rows])
        np.testing.assert_array_equal(psf.shapes(x[rows], y[rows]), shapes[rows])


def test_shapes_are_the_adaptive_moments_of_the_kernel_images():
    psf = PiffPsf(11, grid_of())
    kernel = psf.kernel_images(*POSITIONS)
    centre = np.full(5, 5)
    np.testing.assert_array_equal(psf.shapes(*POSITIONS), adaptive_moments(kernel.values, centre, centre))


def test_no_position_is_an_empty_block():
    images, shapes = PiffPsf(9, grid_of()).images_and_shapes(np.zeros(0), np.zeros(0))
    assert images.values.shape == (0, 9, 9)
    assert shapes.shape == (0, 3)


def test_the_kind_is_that_of_the_file():
    assert PiffPsf(9, grid_of()).kind == "PiffPsf"


def test_large_images_take_little_more_memory_than_themselves():
    psf = PiffPsf(401, grid_of(size=25))
    x, y = np.random.default_rng(8).uniform(0, 500, (2, 60))
    psf.images(x[:1], y[:1])
    tracemalloc.start()
    images = psf.images(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * images.values.nbytes


def test_a_polynomial_of_one_key_varies_along_one_axis():
    polynomial = BasisPolynomial(np.ones((4, 3)), ("y",), np.array([True, True, True]))
    terms = polynomial.evaluate({"x": np.array([5.0, 6.0]), "y": np.array([2.0, 3.0])})
    np.testing.assert_array_equal(terms, [[1, 2, 4], [1, 3, 9]])


def test_terms_count_in_row_major_order_of_their_powers():
    polynomial = BasisPolynomial(np.ones((4, 3)), ("x", "y"), np.array([[True, False], [True, True]]))
    terms = polynomial.evaluate({"x": np.array([5.0]), "y": np.array([7.0])})
    np.testing.assert_array_equal(terms, [[1, 5, 35]])


def test_a_polynomial_in_a_colour_is_refused():
    with pytest.raises(ConfigError, match="'colorValue'"):
        BasisPolynomial(np.ones((4, 1)), ("x", "colorValue"), np.ones((1, 1), bool))


def test_a_solution_of_another_number_of_terms_is_refused():
    with pytest.raises(ConfigError, match="3 terms"):
        BasisPolynomial(np.ones((4, 5)), ("x", "y"), np.array([[True, True], [True, False]]))


def test_a_grid_of_another_size_than_its_parameters_is_refused():
    with pytest.raises(ConfigError, match="81 parameters for 8 x 8 points"):
        dataclasses.replace(grid_of(), size=8)


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_scale_is_refused(scale):
    with pytest.raises(ConfigError, match="pixel scale must be positive"):
        dataclasses.replace(grid_of(), pixel_scale=scale)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ConfigError, match="at least 1, not 0"):
        PiffPsf(0, grid_of())
