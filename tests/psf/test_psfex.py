"""PsfexPsf against its defining formula, element by element.

What LSST makes of the same fit, to the bit, is in test_reference.py.
"""

import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.psf.moments import adaptive_moments
from forcedsql.psf.psfex import PsfexPsf
from tests.psf import brute_force

POSITIONS = (np.array([100.2, 311.77, 57.0, 420.499]), np.array([205.9, 17.31, 300.0, 88.52]))


def model(width=21, height=17, *, degree=2, pixel_step=0.5, seed=3):
    """An oversampled Gaussian that varies as a polynomial of the position."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    core = np.exp(-0.5 * ((x - width // 2) ** 2 + (y - height // 2) ** 2) * pixel_step**2 / 1.6**2)
    count = (degree + 1) * (degree + 2) // 2
    components = [core, *(0.1 * core * rng.normal(size=core.shape) for _ in range(count - 1))]
    return PsfexPsf(np.array(components, np.float32), degree, (250.0, 240.0), (500.0, 480.0), pixel_step)


def oversampled(psf, x, y):
    tx, ty = (x - psf.offset[0]) / psf.scale[0], (y - psf.offset[1]) / psf.scale[1]
    powers = [(i, j) for j in range(psf.degree + 1) for i in range(psf.degree + 1 - j)]
    return sum(
        tx**i * ty**j * component.astype(float)
        for (i, j), component in zip(powers, psf.components, strict=True)
    )


def resampled(psf, image, dx, dy):
    columns = brute_force.psfex_resample(image, psf.width, dx, psf.pixel_step)
    pixels = brute_force.psfex_resample(columns.T, psf.height, dy, psf.pixel_step).T
    return pixels / pixels.sum()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pixel_step": 1.0},
        {"pixel_step": 0.37},
        {"pixel_step": 1.6},
        {"degree": 0},
        {"degree": 3},
        {"width": 20, "height": 24},
    ],
)
def test_images_follow_the_formula(options):
    psf = model(**options)
    images, kernels = psf.images(*POSITIONS), psf.kernel_images(*POSITIONS)
    assert images.valid.all()
    for k, (x, y) in enumerate(zip(*POSITIONS, strict=True)):
        full = oversampled(psf, x, y)
        nearest_x, nearest_y = round(x), round(y)
        expected = resampled(psf, full, x - nearest_x, y - nearest_y)
        # The original divides by a sum in single precision, which is off by up to 2e-6.
        np.testing.assert_allclose(images.values[k], expected, rtol=0, atol=5e-6 * expected.max())
        assert (images.x0[k], images.y0[k]) == (nearest_x - psf.width // 2, nearest_y - psf.height // 2)
        centred = resampled(psf, full, 0.0, 0.0)
        np.testing.assert_allclose(kernels.values[k], centred, rtol=0, atol=5e-6 * centred.max())
        assert (kernels.x0[k], kernels.y0[k]) == (-(psf.width // 2), -(psf.height // 2))


@pytest.mark.parametrize(
    ("elements", "pixel_step", "pixels"), [(83, 0.5, 41), (81, 0.5, 41), (21, 1.0, 21), (20, 1.0, 21)]
)
def test_sides_are_whole_odd_numbers_of_pixels(elements, pixel_step, pixels):
    psf = PsfexPsf(np.ones((1, elements, elements), np.float32), 0, (0, 0), (1, 1), pixel_step)
    assert (psf.width, psf.height) == (pixels, pixels)


def test_at_an_exact_half_the_centre_is_the_pixel_below():
    psf = model()
    images = psf.images(np.array([300.5]), np.array([200.0]))
    assert images.x0[0] == 300 - psf.width // 2
    expected = resampled(psf, oversampled(psf, 300.5, 200.0), 0.5, 0.0)
    np.testing.assert_allclose(images.values[0], expected, rtol=0, atol=1e-6)


def test_left_of_the_origin_the_box_is_cut_towards_zero_as_lsst_does():
    psf = model()
    images = psf.images(np.array([-3.2, -0.3, -3.8]), np.array([5.0, 5.0, 5.0]))
    # The nearest pixels are -3, 0 and -4.
    np.testing.assert_array_equal(images.x0 + psf.width // 2, [-2, 0, -3])


def test_sums_are_one_to_single_precision():
    for block in (model().images(*POSITIONS), model().kernel_images(*POSITIONS)):
        np.testing.assert_allclose(block.values.sum(axis=(1, 2)), 1, rtol=0, atol=5e-6)


def test_positions_without_a_value_are_invalid_and_empty():
    x, y = np.array([np.nan, 10.0, np.inf, 1e12, 20.0]), np.array([10.0, np.nan, 10.0, 10.0, 20.0])
    images, shapes = model().images_and_shapes(x, y)
    np.testing.assert_array_equal(images.valid, [False, False, False, False, True])
    assert not images.values[:4].any()
    assert np.isnan(shapes[:4]).all()
    assert np.isfinite(shapes[4]).all()


@pytest.mark.parametrize("fill", [0.0, np.nan, np.inf, 1e38])
def test_a_model_without_a_sum_gives_no_image(fill):
    psf = PsfexPsf(np.full((1, 9, 9), fill, np.float32), 0, (0, 0), (1, 1), 1.0)
    images, shapes = psf.images_and_shapes(*POSITIONS)
    assert not images.valid.any()
    assert not images.values.any()
    assert np.isnan(shapes).all()


def test_a_position_s_bits_do_not_depend_on_its_company():
    psf = model()
    x, y = np.random.default_rng(8).uniform(0, 500, (2, 200))
    images, kernels, shapes = psf.images(x, y), psf.kernel_images(x, y), psf.shapes(x, y)
    for rows in (slice(0, 1), slice(50, 70), slice(199, 200), slice(3, 190)):
        np.testing.assert_array_equal(psf.images(x[rows], y[rows]).values, images.values[rows])
        np.testing.assert_array_equal(psf.kernel_images(x[rows], y[rows]).values, kernels.values[rows])
        np.testing.assert_array_equal(psf.shapes(x[rows], y[rows]), shapes[rows])


def test_shapes_are_the_adaptive_moments_of_the_kernel_images():
    psf = model()
    kernel = psf.kernel_images(*POSITIONS)
    expected = adaptive_moments(kernel.values, -kernel.x0, -kernel.y0)
    np.testing.assert_array_equal(psf.shapes(*POSITIONS), expected)


def test_no_position_is_an_empty_block():
    images, shapes = model().images_and_shapes(np.zeros(0), np.zeros(0))
    assert images.values.shape == (0, 9, 11)
    assert shapes.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"components": np.ones((9, 9), np.float32)}, "three axes"),
        ({"degree": 1}, "1 components for a polynomial of degree 1"),
        ({"degree": -1}, "degree -1"),
        ({"pixel_step": 0.0}, "pixel step of 0.0"),
        ({"pixel_step": np.nan}, "pixel step of nan"),
        ({"scale": (0.0, 1.0)}, "finite and not zero"),
    ],
)
def test_an_impossible_model_is_refused(change, message):
    arguments = {
        "components": np.ones((1, 9, 9), np.float32),
        "degree": 0,
        "offset": (0.0, 0.0),
        "scale": (1.0, 1.0),
        "pixel_step": 1.0,
    }
    with pytest.raises(ConfigError, match=message):
        PsfexPsf(**(arguments | change))
