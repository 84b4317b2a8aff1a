import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.psf.sdss import SdssPsf

RNG = np.random.default_rng(4)
IMAGES = RNG.uniform(0.5, 1.0, (3, 9, 11))
COEFFICIENTS = [RNG.uniform(0.1, 1.0, (3, 2)) for _ in IMAGES]
X, Y = np.array([10.0, 1999.5, 800.25]), np.array([0.0, 1400.0, 77.7])


def expected(x, y):
    """The definition, term by term; the first pixel's centre is at row 0.5, column 0.5."""
    row, column = 1e-3 * (y + 0.5), 1e-3 * (x + 0.5)
    total = np.zeros(IMAGES.shape[1:])
    for image, values in zip(IMAGES, COEFFICIENTS, strict=True):
        for i in range(3):
            for j in range(2):
                total += values[i, j] * row**i * column**j * image
    return total / total.sum()


def test_kernel_images_are_eigenimages_weighted_by_polynomials_of_row_and_column():
    psf = SdssPsf(IMAGES, COEFFICIENTS)
    kernels = psf.kernel_images(X, Y)
    for k in range(len(X)):
        np.testing.assert_allclose(kernels.values[k], expected(X[k], Y[k]), rtol=1e-13)
    assert (kernels.x0[0], kernels.y0[0]) == (-5, -4)
    assert psf.kind == "SdssPsf"


def test_an_image_cut_out_of_the_field_has_the_psf_of_its_place():
    whole, cut = SdssPsf(IMAGES, COEFFICIENTS), SdssPsf(IMAGES, COEFFICIENTS, (100.0, 50.0))
    part = cut.kernel_images(X, Y).values
    np.testing.assert_allclose(part, whole.kernel_images(X + 100.0, Y + 50.0).values, rtol=1e-13)


def test_there_is_no_psf_at_nan_nor_of_an_incomplete_eigenimage():
    images, shapes = SdssPsf(IMAGES, COEFFICIENTS).images_and_shapes(np.array([np.nan, 3.0]), np.ones(2))
    assert images.valid.tolist() == [False, True]
    assert np.isnan(shapes[0]).all()
    damaged = IMAGES.copy()
    damaged[1, 4, 4] = np.nan
    assert not SdssPsf(damaged, COEFFICIENTS).images(X, Y).valid.any()


def test_images_without_their_polynomials_are_refused():
    with pytest.raises(ConfigError, match="for 2 polynomials"):
        SdssPsf(IMAGES, COEFFICIENTS[:2])
