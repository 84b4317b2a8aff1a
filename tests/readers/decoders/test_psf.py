"""Decoders of PSF models, their kernels and functions."""

import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError, UnsupportedError
from forcedsql.psf.analytic import DoubleGaussianPsf, GaussianPsf, SingleGaussianPsf
from forcedsql.psf.functions import DoubleGaussianFunction2D, GaussianFunction2D

X, Y = np.array([3.0]), np.array([2.0])


def add_psf(afw, name, *, size=(5, 7), **numbers):
    afw.primary["PSF_ID"] = afw.add_object(
        name,
        dimensions_x=("J", [size[0]]),
        dimensions_y=("J", [size[1]]),
        **{key: ("D", [value]) for key, value in numbers.items()},
    )


def add_kernel_psf(afw, kernel, name="KernelPsf"):
    afw.primary["PSF_ID"] = afw.add_object(
        name, kernel=("J", [kernel]), averagePosition_x=("D", [4.0]), averagePosition_y=("D", [3.0])
    )


def add_kernel(afw, name, *, size=(3, 3), centre=(1, 1), **columns):
    return afw.add_object(
        name,
        dimensions_x=("J", [size[0]]),
        dimensions_y=("J", [size[1]]),
        center_x=("J", [centre[0]]),
        center_y=("J", [centre[1]]),
        **columns,
    )


def add_image(afw, image, **options):
    image = np.asarray(image, dtype=float)
    size = image.shape[::-1]
    return add_kernel(afw, "FixedKernel", size=size, image=(f"{image.size}D", [image.ravel()]), **options)


def kernel_image(exposure):
    return exposure.psf.kernel_images(X, Y).values[0]


@pytest.mark.parametrize(
    ("name", "model"), [("SingleGaussianPsf", SingleGaussianPsf), ("GaussianPsf", GaussianPsf)]
)
def test_a_gaussian_psf_keeps_width_and_height_apart(afw, opened, name, model):
    add_psf(afw, name, sigma=1.5)
    psf = opened().psf
    assert psf.kind == name
    expected = model(5, 7, 1.5).kernel_images(X, Y).values
    assert expected.shape == (1, 7, 5)
    np.testing.assert_array_equal(psf.kernel_images(X, Y).values, expected)


def test_a_double_gaussian_psf_has_its_numbers_in_their_places(afw, opened):
    add_psf(afw, "DoubleGaussianPsf", sigma1=1.5, sigma2=3.0, b=0.2)
    expected = DoubleGaussianPsf(5, 7, 1.5, 3.0, 0.2).kernel_images(X, Y).values
    np.testing.assert_array_equal(opened().psf.kernel_images(X, Y).values, expected)


def test_a_kernel_image_is_stored_row_by_row(afw, opened):
    image = np.arange(1.0, 7.0).reshape(2, 3)
    add_kernel_psf(afw, add_image(afw, image, centre=(1, 0)))
    exposure = opened()
    np.testing.assert_allclose(kernel_image(exposure), image / image.sum(), rtol=1e-15)
    assert exposure.psf.average_position == (4.0, 3.0)


def test_points_of_one_column_with_two_elements_are_read_as_well(afw, opened):
    kernel = afw.add_object(
        "FixedKernel", dimensions=("2J", [[2, 1]]), center=("2J", [[0, 0]]), image=("2D", [[3.0, 1.0]])
    )
    afw.primary["PSF_ID"] = afw.add_object(
        "PcaPsf", kernel=("J", [kernel]), averagePosition=("2D", [[4.0, 3.0]])
    )
    exposure = opened()
    assert exposure.psf.kind == "PcaPsf"
    np.testing.assert_allclose(kernel_image(exposure), [[0.75, 0.25]], rtol=1e-15)


@pytest.mark.parametrize("letter", ["D", "F"])
def test_an_analytic_kernel_samples_its_function_of_either_return_type(afw, opened, letter):
    function = afw.add_object(
        f"GaussianFunction2{letter}", sigma1=("D", [2.0]), sigma2=("D", [1.0]), angle=("D", [0.3])
    )
    add_kernel_psf(afw, add_kernel(afw, "AnalyticKernel", kernelfunction=("J", [function])))
    y, x = np.mgrid[-1:2, -1:2].astype(float)
    expected = GaussianFunction2D(2.0, 1.0, 0.3).evaluate(x, y)
    np.testing.assert_allclose(kernel_image(opened()), expected / expected.sum(), rtol=1e-14)


def test_a_double_gaussian_function_is_read(afw, opened):
    function = afw.add_object(
        "DoubleGaussianFunction2D", sigma1=("D", [1.0]), sigma2=("D", [2.0]), ampl2=("D", [0.1])
    )
    add_kernel_psf(afw, add_kernel(afw, "AnalyticKernel", kernelfunction=("J", [function])))
    y, x = np.mgrid[-1:2, -1:2].astype(float)
    expected = DoubleGaussianFunction2D(1.0, 2.0, 0.1).evaluate(x, y)
    np.testing.assert_allclose(kernel_image(opened()), expected / expected.sum(), rtol=1e-14)


def test_a_delta_function_kernel_is_one_pixel(afw, opened):
    add_kernel_psf(afw, add_kernel(afw, "DeltaFunctionKernel", pixel_x=("J", [2]), pixel_y=("J", [0])))
    np.testing.assert_array_equal(kernel_image(opened()), [[0, 0, 1], [0, 0, 0], [0, 0, 0]])


def test_a_combination_with_constant_amplitudes_adds_its_components(afw, opened):
    parts = [add_image(afw, np.eye(3)), add_image(afw, np.ones((3, 3)))]
    kernel = add_kernel(
        afw, "LinearCombinationKernel", components=("2J", [parts]), amplitudes=("2D", [[1.0, 2.0]])
    )
    add_kernel_psf(afw, kernel)
    np.testing.assert_allclose(kernel_image(opened()), (np.eye(3) + 2.0) / 21.0, rtol=1e-15)


@pytest.mark.parametrize(
    ("function", "columns"),
    [
        # 1 and x + 2 y: at (3, 2) the second coefficient is 7.
        ("PolynomialFunction2D", {"coefficients": ("3D", [[0.0, 1.0, 2.0]])}),
        # T1 over -1 to 1 is the identity.
        (
            "Chebyshev1Function2D",
            {
                "coefficients": ("3D", [[0.0, 1.0, 2.0]]),
                **{
                    f"{edge}_{axis}": ("D", [side])
                    for edge, side in (("min", -1.0), ("max", 1.0))
                    for axis in "xy"
                },
            },
        ),
    ],
)
def test_a_combination_with_functions_varies(afw, opened, function, columns):
    parts = [add_image(afw, np.eye(3)), add_image(afw, np.ones((3, 3)))]
    one = afw.add_object("PolynomialFunction2D", coefficients=("1D", [1.0]))
    varying = afw.add_object(function, **columns)
    kernel = add_kernel(
        afw,
        "LinearCombinationKernel",
        components=("2J", [parts]),
        spatialfunctions=("2J", [[one, varying]]),
    )
    add_kernel_psf(afw, kernel, "PcaPsf")
    np.testing.assert_allclose(kernel_image(opened()), (np.eye(3) + 7.0) / 66.0, rtol=1e-14)


def test_components_of_another_size_are_refused(afw, opened):
    part = add_image(afw, np.ones((2, 3)))
    kernel = add_kernel(afw, "LinearCombinationKernel", components=("J", [part]), amplitudes=("D", [1.0]))
    add_kernel_psf(afw, kernel)
    with pytest.raises(ReadError, match="components of another size"):
        opened()


def test_a_kernel_image_that_does_not_fit_its_size_is_refused(afw, opened):
    add_kernel_psf(afw, add_kernel(afw, "FixedKernel", image=("4D", [[1.0] * 4])))
    with pytest.raises(ReadError, match="4 pixel values for 3 x 3 pixels"):
        opened()


@pytest.mark.parametrize("size", [(2**31 - 1, 1), (1, 1025)])
def test_a_hostile_size_is_refused_before_it_is_allocated(afw, opened, size):
    add_psf(afw, "GaussianPsf", size=size, sigma=1.0)
    with pytest.raises(FileLimitError, match="reads at most 1024"):
        opened()


@pytest.mark.parametrize("size", [(0, 5), (5, -3)])
def test_a_size_without_pixels_is_refused(afw, opened, size):
    add_psf(afw, "GaussianPsf", size=size, sigma=1.0)
    with pytest.raises(ReadError, match=f"is {size[0]} x {size[1]} pixels"):
        opened()


@pytest.mark.parametrize("sigma", [0.0, -1.0, np.nan, np.inf])
def test_an_unusable_width_is_refused(afw, opened, sigma):
    add_psf(afw, "SingleGaussianPsf", sigma=sigma)
    with pytest.raises(ReadError, match="sigma"):
        opened()


def test_an_unknown_kernel_makes_the_psf_unsupported(afw, opened):
    add_kernel_psf(afw, add_kernel(afw, "SeparableKernel"))
    exposure = opened()
    assert exposure.psf is None
    assert dict(exposure.unsupported) == {"psf": "KernelPsf with SeparableKernel"}


def test_a_varying_analytic_kernel_is_unsupported(afw, opened):
    kernel = add_kernel(afw, "AnalyticKernel", kernelfunction=("J", [0]), spatialfunctions=("J", [1]))
    add_kernel_psf(afw, kernel)
    unsupported = opened().unsupported
    assert dict(unsupported) == {"psf": "KernelPsf with AnalyticKernel with spatially varying parameters"}


def test_a_psf_that_is_a_kernel_is_refused(afw, opened):
    afw.primary["PSF_ID"] = add_image(afw, np.ones((3, 3)))
    with pytest.raises(ReadError, match="is a FixedKernel where a PSF is expected"):
        opened()


def test_a_pickle_is_never_loaded(afw, opened, tmp_path):
    """A PiffPsf of an afw file is a pickle; one that would touch a file must not."""
    touched = tmp_path / "touched"
    attack = b"cpathlib\nPath\n(V" + str(touched).encode() + b"\ntR(dS'touch'\n."
    afw.primary["PSF_ID"] = afw.add_object("PiffPsf", bytes=("QB", [np.frombuffer(attack, np.uint8)]))
    with pytest.raises(UnsupportedError, match=r"asks for pathlib.Path"):
        opened()
    assert not touched.exists()


def test_sides_that_are_no_whole_pixels_are_refused(afw, opened):
    afw.primary["PSF_ID"] = afw.add_object(
        "SingleGaussianPsf", dimensions_x=("D", [5.5]), dimensions_y=("D", [5.0]), sigma=("D", [1.0])
    )
    with pytest.raises(ReadError, match=r"dimensions is \(5\.5, 5\.0\) where whole pixels"):
        opened()
