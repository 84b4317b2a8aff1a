import threading
import tracemalloc

import numpy as np
import pytest

from forcedsql.psf.functions import PolynomialFunction2D
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import DeltaFunctionKernel, FixedKernel, LinearCombinationKernel
from forcedsql.psf.moments import adaptive_moments
from tests.psf import brute_force
from tests.psf.models import every_model, rotated_psf, varying_psf

HOSTILE_X = np.array([np.nan, np.inf, -np.inf, 1e300, 0.0, 1e9, 3.25, 2.0**31])
HOSTILE_Y = np.array([0.0, 0.0, np.nan, 0.0, np.inf, -1e9, 4.5, 0.0])
HOSTILE_OK = np.array([False, False, False, False, False, True, True, False])


def positions(count, seed=9):
    return np.random.default_rng(seed).uniform(-200, 1000, (2, count))


def test_kernel_images_sum_to_one_around_the_origin():
    x, y = positions(40)
    for psf in every_model():
        kernel = psf.kernel_images(x, y)
        np.testing.assert_allclose(kernel.values.sum(axis=(1, 2)), 1.0, rtol=0, atol=1e-13)
        assert kernel.valid.all()
        np.testing.assert_array_equal(kernel.x0, -((kernel.width - 1) // 2))
        np.testing.assert_array_equal(kernel.y0, -((kernel.height - 1) // 2))


def test_a_varying_kernel_is_the_normalised_sum_of_its_raw_basis():
    psf, (x, y) = varying_psf(), positions(10)
    kernel = psf.kernel
    values = psf.kernel_images(x, y).values
    for i in range(10):
        weights = [function.evaluate(x[i : i + 1], y[i : i + 1])[0] for function in kernel.functions]
        expected = sum(w * part.image for w, part in zip(weights, kernel.basis, strict=True))
        np.testing.assert_allclose(values[i], expected / expected.sum(), rtol=0, atol=1e-15)


def test_images_are_the_kernel_images_shifted_to_the_position():
    x, y = positions(6)
    for psf in every_model():
        kernel, images = psf.kernel_images(x, y), psf.images(x, y)
        for i in range(6):
            ix, iy = int(np.floor(x[i] + 0.5)), int(np.floor(y[i] + 0.5))
            assert (images.x0[i], images.y0[i]) == (kernel.x0[i] + ix, kernel.y0[i] + iy)
            dx, dy = float(np.float32(x[i] - ix)), float(np.float32(y[i] - iy))
            expected = brute_force.shift_image(kernel.values[i], dx, dy)
            # The same ten products per axis in another order: 1e-15 of the peak.
            np.testing.assert_allclose(images.values[i], expected, rtol=0, atol=1e-15)


def test_an_image_on_a_pixel_centre_is_the_kernel_image_itself():
    x, y = np.array([10.0, -3.0]), np.array([7.0, 12.0])
    for psf in every_model():
        np.testing.assert_array_equal(psf.images(x, y).values, psf.kernel_images(x, y).values)


def test_shapes_are_the_adaptive_moments_of_the_kernel_images():
    for psf in (rotated_psf(), varying_psf()):
        x, y = positions(30)
        kernel = psf.kernel_images(x, y)
        expected = adaptive_moments(kernel.values, -kernel.x0, -kernel.y0)
        np.testing.assert_array_equal(psf.shapes(x, y), expected)
        assert np.isfinite(expected).all()


@pytest.mark.parametrize("count", [1, 7, 1000])
def test_the_bits_of_a_position_do_not_depend_on_the_others(count):
    x, y = positions(1000)
    last = slice(1000 - count, 1000)
    for psf in every_model():
        for method in ("images", "kernel_images"):
            together, alone = getattr(psf, method)(x, y), getattr(psf, method)(x[last], y[last])
            np.testing.assert_array_equal(alone.values, together.values[last])
        np.testing.assert_array_equal(psf.shapes(x[last], y[last]), psf.shapes(x, y)[last])


def test_hostile_positions_are_invalid_and_leave_the_others_alone():
    for psf in every_model():
        alone = psf.images(HOSTILE_X[HOSTILE_OK], HOSTILE_Y[HOSTILE_OK])
        for images in (psf.images(HOSTILE_X, HOSTILE_Y), psf.kernel_images(HOSTILE_X, HOSTILE_Y)):
            np.testing.assert_array_equal(images.valid, HOSTILE_OK)
            assert not images.values[~HOSTILE_OK].any()
            for origin_or_size in (images.x0, images.y0, images.width, images.height):
                assert not origin_or_size[~HOSTILE_OK].any()
        np.testing.assert_array_equal(psf.images(HOSTILE_X, HOSTILE_Y).values[HOSTILE_OK], alone.values)
        shapes = psf.shapes(HOSTILE_X, HOSTILE_Y)
        assert np.isnan(shapes[~HOSTILE_OK]).all()
        np.testing.assert_array_equal(
            shapes[HOSTILE_OK], psf.shapes(HOSTILE_X[HOSTILE_OK], HOSTILE_Y[HOSTILE_OK])
        )
        assert np.isfinite(shapes[HOSTILE_X == 3.25]).all()


def test_no_positions_give_an_empty_block():
    none = np.zeros(0)
    for psf in every_model():
        assert psf.images(none, none).values.shape == psf.kernel_images(none, none).values.shape
        assert len(psf.images(none, none).valid) == 0
        assert psf.shapes(none, none).shape == (0, 3)


def test_a_kernel_is_invalid_where_its_sum_vanishes():
    pixels = [DeltaFunctionKernel(5, 5, (2, 2), (k, 2)) for k in (2, 3)]
    functions = [PolynomialFunction2D((0.0, 1.0, 0.0)), PolynomialFunction2D((-2.0,))]
    psf = KernelPsf(LinearCombinationKernel(pixels, functions=functions))
    x, y = np.array([2.0, 5.0, 1e-320]), np.zeros(3)
    images = psf.images(x, y)
    np.testing.assert_array_equal(images.valid, [False, True, True])
    assert not images.values[0].any()
    np.testing.assert_array_equal(np.isnan(psf.shapes(x, y)).all(axis=1), [True, False, False])
    np.testing.assert_allclose(psf.kernel_images(x, y).values[1, 2, 2:4], [5 / 3, -2 / 3], rtol=1e-15)


@pytest.mark.parametrize("pixel", [np.nan, np.inf, 1e308])
@pytest.mark.parametrize("varies", [True, False])
def test_a_kernel_without_a_finite_sum_is_invalid_everywhere(pixel, varies):
    image = np.ones((3, 3))
    image[0, :2] = pixel
    kernel = FixedKernel(image, (1, 1))
    if varies:
        kernel = LinearCombinationKernel([kernel], functions=[PolynomialFunction2D((2.0,))])
    psf = KernelPsf(kernel)
    x, y = positions(3)
    for images in (psf.images(x, y), psf.kernel_images(x, y)):
        assert not images.valid.any()
        assert not images.values.any()
    assert np.isnan(psf.shapes(x, y)).all()


def test_a_kernel_that_sums_to_zero_is_invalid():
    psf = KernelPsf(FixedKernel(np.array([[1.0, -1.0]]), (0, 0)))
    assert not psf.images(*positions(2)).valid.any()


@pytest.mark.parametrize("make", [rotated_psf, varying_psf])
def test_threads_that_share_a_psf_get_the_same_bits(make):
    x, y = positions(300)
    expected_images, expected_shapes = make().images(x, y).values, make().shapes(x, y)
    shared, results = make(), [None] * 8
    start = threading.Barrier(8)

    def evaluate(k):
        start.wait()
        results[k] = (shared.images(x, y).values, shared.shapes(x, y))

    threads = [threading.Thread(target=evaluate, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for images, shapes in results:
        np.testing.assert_array_equal(images, expected_images)
        np.testing.assert_array_equal(shapes, expected_shapes)


def test_a_caller_may_write_into_what_it_gets():
    psf, (x, y) = rotated_psf(), positions(2)
    before = psf.images(x, y).values.copy()
    psf.kernel_images(x, y).values[:] = 7.0
    psf.images(x, y).values[:] = 7.0
    psf.shapes(x, y)[:] = 7.0
    np.testing.assert_array_equal(psf.images(x, y).values, before)
    assert (psf.shapes(x, y) != 7.0).all()


def test_kinds_are_the_names_in_files():
    assert [psf.kind for psf in every_model()] == [
        "GaussianPsf",
        "SingleGaussianPsf",
        "DoubleGaussianPsf",
        "KernelPsf",
        "PcaPsf",
    ]


@pytest.mark.parametrize("make", [rotated_psf, varying_psf])
def test_many_positions_need_little_more_memory_than_their_images(make):
    psf, (x, y) = make(), positions(8000)
    psf.images(x[:1], y[:1])
    tracemalloc.start()
    try:
        block = psf.images(x, y).values.nbytes
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # 256 kernel images and the shift matrices of 2^16 pixels: some 4 MB beside 28 to 36 MB.
    assert peak - block < 8e6


@pytest.mark.parametrize("make", [rotated_psf, varying_psf])
def test_images_and_shapes_without_the_compiled_kernel_agree_to_rounding(make, monkeypatch):
    x, y = positions(300)
    x[7] = np.nan

    def everything():
        psf = make()
        both, shapes = psf.images_and_shapes(x, y)
        return psf.kernel_images(x, y), psf.images(x, y), both, shapes, psf.shapes(x, y)

    found = everything()
    monkeypatch.setenv("FORCEDSQL_KERNEL", "numpy")
    expected = everything()
    for ours, numpys in zip(found[:3], expected[:3], strict=True):
        # Some ten products of numbers below 1, summed in another order.
        np.testing.assert_allclose(ours.values, numpys.values, rtol=0, atol=1e-14)
        for name in ("x0", "y0", "width", "height", "valid"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(numpys, name))
    for ours, numpys in zip(found[3:], expected[3:], strict=True):
        # Sums in single precision enter the weight of the next pass.
        np.testing.assert_allclose(ours, numpys, rtol=1e-5)
        assert np.isnan(ours[7]).all()


@pytest.mark.parametrize("kernel", ["native", "numpy"])
def test_positions_without_any_model_have_images_of_zeros(kernel, monkeypatch):
    monkeypatch.setenv("FORCEDSQL_KERNEL", kernel)
    nowhere = np.full(3, np.nan)
    for psf in (rotated_psf(), varying_psf()):
        for images in (psf.kernel_images(nowhere, nowhere), psf.images(nowhere, nowhere)):
            assert not images.valid.any()
            assert not images.values.any()
