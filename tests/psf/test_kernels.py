import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.psf.functions import GaussianFunction2D, PolynomialFunction2D
from forcedsql.psf.kernels import (
    AnalyticKernel,
    DeltaFunctionKernel,
    FixedKernel,
    LinearCombinationKernel,
    fixed_image,
)


def test_an_analytic_kernel_has_its_peak_at_its_centre():
    kernel = AnalyticKernel(6, 4, (2, 1), GaussianFunction2D(1.0, 1.0))
    image = kernel.basis_images()[0]
    assert image.shape == (4, 6)
    assert np.unravel_index(image.argmax(), image.shape) == (1, 2)
    assert image[1, 2] == pytest.approx(1 / (2 * np.pi))


def test_a_delta_function_kernel_has_one_pixel():
    image = DeltaFunctionKernel(5, 3, (2, 1), (4, 0)).basis_images()[0]
    assert image[0, 4] == 1.0
    assert image.sum() == 1.0


def test_a_fixed_kernel_keeps_its_own_copy_of_the_image():
    image = np.ones((3, 3))
    kernel = FixedKernel(image, (1, 1))
    image[:] = 7.0
    assert kernel.image.max() == 1.0
    with pytest.raises(ValueError, match="read-only"):
        kernel.image[0, 0] = 2.0


def test_a_constant_combination_is_the_weighted_sum_of_raw_images():
    rng = np.random.default_rng(3)
    first, second = rng.random((2, 4, 5))
    kernel = LinearCombinationKernel((FixedKernel(first, (2, 2)), FixedKernel(second, (2, 2))), (2.0, -0.5))
    assert not kernel.spatially_varying
    assert (kernel.width, kernel.height, kernel.centre) == (5, 4, (2, 2))
    np.testing.assert_allclose(fixed_image(kernel), 2.0 * first - 0.5 * second, rtol=1e-15)


def test_coefficients_follow_their_functions():
    basis = (DeltaFunctionKernel(3, 3, (1, 1), (0, 0)), DeltaFunctionKernel(3, 3, (1, 1), (1, 1)))
    functions = (PolynomialFunction2D((1.0,)), PolynomialFunction2D((0.0, 2.0, 3.0)))
    kernel = LinearCombinationKernel(basis, functions=functions)
    assert kernel.spatially_varying
    coefficients = kernel.coefficients(np.array([0.0, 10.0]), np.array([0.0, 1.0]))
    np.testing.assert_array_equal(coefficients, [[1.0, 0.0], [1.0, 23.0]])


def test_a_combination_may_have_a_centre_of_its_own():
    kernel = LinearCombinationKernel((DeltaFunctionKernel(3, 3, (1, 1), (0, 0)),), (1.0,), centre=(0, 2))
    assert kernel.centre == (0, 2)


DELTA = DeltaFunctionKernel(3, 3, (1, 1), (0, 0))
TALLER = DeltaFunctionKernel(3, 5, (1, 1), (0, 0))
CONSTANT = PolynomialFunction2D((1.0,))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: LinearCombinationKernel(()), "no basis kernel"),
        (lambda: LinearCombinationKernel((DELTA,), (1.0, 2.0)), "2 amplitudes for 1 basis"),
        (
            lambda: LinearCombinationKernel((DELTA,), (), [PolynomialFunction2D((1.0,))] * 3),
            "3 functions for 1",
        ),
        (
            lambda: LinearCombinationKernel((DELTA, DeltaFunctionKernel(3, 5, (1, 1), (0, 0))), (1, 1)),
            "several sizes",
        ),
        (lambda: DeltaFunctionKernel(3, 3, (1, 1), (3, 0)), "outside the 3 x 3"),
        (lambda: AnalyticKernel(0, 3, (0, 1), GaussianFunction2D(1, 1)), "0 x 3"),
        (lambda: FixedKernel(np.zeros(4), (0, 0)), "2-d"),
    ],
)
def test_an_inconsistent_kernel_is_refused(build, message):
    with pytest.raises(ConfigError, match=message):
        build()


def test_a_basis_kernel_that_varies_is_refused():
    varying = LinearCombinationKernel((DELTA,), functions=(CONSTANT,))
    with pytest.raises(ConfigError, match="itself spatially varying"):
        LinearCombinationKernel((varying,), (1.0,))
