import numpy as np
import pytest

from forcedsql.errors import ReadError
from forcedsql.transforms import AstTransform, SkyTransform, local_maps
from tests.psf.coadds import projection

AFFINE = """1 TransformPoint2ToPoint2 Begin CmpMap
 Nin = 2
 IsA Mapping
 MapA =
 Begin MatrixMap
 Nin = 2
 IsA Mapping
 M0 = 0.97
 M1 = 0.11
 M2 = -0.13
 M3 = 1.04
 Form = "Full"
 End MatrixMap
 MapB =
 Begin ShiftMap
 Nin = 2
 IsA Mapping
 Sft1 = 3.14159265
 Sft2 = -2.23606798
 End ShiftMap
End CmpMap
"""
MATRIX, SHIFT = np.array([[0.97, 0.11], [-0.13, 1.04]]), np.array([3.14159265, -2.23606798])


def points(count=20, seed=1):
    return np.random.default_rng(seed).uniform(-500, 3000, (2, count))


def test_the_text_of_a_bare_mapping_is_a_transform():
    x, y = points()
    transform = AstTransform(AFFINE)
    moved = transform.forward(x, y)
    np.testing.assert_allclose(moved, MATRIX @ [x, y] + SHIFT[:, None], rtol=1e-13)
    np.testing.assert_allclose(transform.inverse(*moved), [x, y], atol=1e-9)


def test_an_inverted_mapping_goes_the_other_way():
    x, y = points()
    text = AFFINE.replace(" Nin = 2\n IsA Mapping\n MapA", " Nin = 2\n Invert = 1\n IsA Mapping\n MapA")
    moved = AstTransform(text).inverse(x, y)
    np.testing.assert_allclose(moved, MATRIX @ [x, y] + SHIFT[:, None], rtol=1e-13)


def test_positions_that_are_not_finite_stay_alone_without_a_result():
    x, y = np.array([1.0, np.nan, 3.0, np.inf]), np.array([1.0, 2.0, 3.0, 4.0])
    moved_x, moved_y = AstTransform(AFFINE).forward(x, y)
    assert np.isfinite(moved_x).tolist() == np.isfinite(moved_y).tolist() == [True, False, True, False]
    assert AstTransform(AFFINE).inverse(x[:0], y[:0])[0].shape == (0,)


@pytest.mark.parametrize(
    "text",
    [
        "nothing of the kind",
        AFFINE.replace("Nin = 2", "Nin = 3"),
        AFFINE.replace("M3 = 1.04", "M3 = 0.0").replace("M1 = 0.11", "M1 = 0.0"),
    ],
    ids=["no AST", "three axes", "not invertible"],
)
def test_what_is_no_invertible_map_of_two_axes_is_refused(text):
    with pytest.raises(ReadError):
        AstTransform(text)


def test_the_map_between_images_goes_through_the_sky():
    source, destination = projection(0.4, centre=(100.0, 50.0)), projection(1.9, centre=(7.0, -3.0))
    transform = SkyTransform(source, destination)
    x, y = points()
    moved_x, moved_y = transform.forward(x, y)
    sky, again = source.pixel_to_sky(x, y), destination.pixel_to_sky(moved_x, moved_y)
    np.testing.assert_allclose(again, sky, rtol=1e-13)
    np.testing.assert_allclose(transform.inverse(moved_x, moved_y), [x, y], atol=1e-8)


def test_derivatives_of_an_affine_map_are_its_matrix_and_the_inverse():
    x, y = points()
    maps = local_maps(AstTransform(AFFINE).forward, x, y)
    assert maps.valid.all()
    np.testing.assert_allclose(maps.matrix, np.tile(MATRIX, (20, 1, 1)), atol=1e-11)
    np.testing.assert_allclose(maps.inverse, np.tile(np.linalg.inv(MATRIX), (20, 1, 1)), atol=1e-11)


def test_derivatives_are_those_of_the_map_itself():
    def forward(x, y):
        return x + 1e-4 * x * y, y - 2e-5 * x**2

    x, y = points(5)
    maps = local_maps(forward, x, y)
    expected = np.array([[1 + 1e-4 * y, 1e-4 * x], [-4e-5 * x, np.ones(5)]]).transpose(2, 0, 1)
    np.testing.assert_allclose(maps.matrix, expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(maps.matrix @ maps.inverse, np.tile(np.eye(2), (5, 1, 1)), atol=1e-12)


def test_a_map_without_values_or_without_inverse_is_not_valid():
    x = np.array([0.0, 1000.0])

    def undefined_on_the_right(x, y):
        return np.where(x < 500, x, np.nan), y

    assert local_maps(undefined_on_the_right, x, x).valid.tolist() == [True, False]
    assert not local_maps(lambda x, _: (x, x), x, x).valid.any()
