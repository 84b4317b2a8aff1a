import numpy as np
import pytest

from forcedsql.errors import ConfigError, FileLimitError, ReadError
from forcedsql.psf.drawn_gaussian import DrawnGaussianPsf
from forcedsql.readers.archive import UnknownClassError
from forcedsql.readers.lsst_images.psfs import read_psf
from forcedsql.readers.lsst_images.tree import Node
from tests.readers.lsst_images_file import cell_bounds, gaussian_psf, piff_psf, schema


def points(terms, size=7, seed=1):
    return np.random.default_rng(seed).uniform(0.1, 1.0, (size * size, terms))


def piff(file, sources, solution=None, **options):
    chosen = {"stamp_size": 9, "order": 1, "keys": ("x", "y")} | options
    node = piff_psf(file, points(3) if solution is None else solution, **chosen)
    return node, lambda: read_psf(sources(), Node(node, "psf"))


def part(node, *names):
    for name in ("piff", "objects", "piff", *names):
        node = node[name]
    return node


@pytest.mark.parametrize(
    ("order", "max_order", "powers"),
    [
        (2, None, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0)]),
        ([1, 2], None, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]),
        ([1, 2], 3, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]),
        ([1, 1], 2, [(0, 0), (0, 1), (1, 0), (1, 1)]),
    ],
)
def test_terms_of_a_piff_fit_are_all_up_to_a_total_order(file, sources, order, max_order, powers):
    solution = points(len(powers))
    node, read = piff(file, sources, solution, order=order, keys=("y", "u"), stamp_size=7)
    part(node, "structs", "interp")["max_order"] = max_order
    x, y = 3.0, 0.5
    expected = sum(solution[:, k] * y**i * (0.2 * x) ** j for k, (i, j) in enumerate(powers)).reshape(7, 7)
    kernel = read().kernel_images(np.array([x]), np.array([y])).values[0]
    np.testing.assert_allclose(kernel, expected / expected.sum(), rtol=1e-12)


def test_the_stamp_of_a_piff_fit_is_as_large_as_the_file_says(file, sources):
    _, read = piff(file, sources, stamp_size=11)
    images = read().images(np.array([3.2]), np.array([4.9]))
    assert images.values.shape == (1, 11, 11)
    assert read().kind == "PiffPsf"


@pytest.mark.parametrize(
    ("way", "value", "what"),
    [
        (("structs", "model", "type"), "Moffat", "type Moffat"),
        (("structs", "interp", "type"), "GPInterp", "type GPInterp"),
        (("structs", "interp", "keys"), ["x", "colorValue"], "Piff fit in colorValue"),
        (("structs", "model", "interp"), "galsim.Quintic(gsparams=x)", "interpolant 'galsim.Quintic"),
        (("structs", "model", "interp"), "__import__('os').system('true')", 'interpolant "__import__'),
        (("wcs", "wcs", "wcs_type"), "affine", "projection of type affine"),
    ],
)
def test_piff_fits_of_other_kinds_are_named(file, sources, way, value, what):
    node, read = piff(file, sources)
    *names, last = way
    part(node, *names)[last] = value
    with pytest.raises(UnknownClassError) as unknown:
        read()
    assert what in str(unknown.value)


def test_a_piff_fit_of_another_structure_is_named(file, sources):
    node, read = piff(file, sources)
    node["piff"]["structs"]["piff"]["type"] = "Sum"
    with pytest.raises(UnknownClassError, match="type Sum"):
        read()


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("structs", "model", "size"), 2_000),
        (("structs", "interp", "order"), 51),
        (("structs", "interp", "order"), [50, 60]),
        (("structs", "model", "interp"), "galsim.Lanczos(900)"),
    ],
)
def test_piff_fits_that_ask_for_too_much_are_refused(file, sources, way, value):
    node, read = piff(file, sources)
    *names, last = way
    part(node, *names)[last] = value
    with pytest.raises(FileLimitError):
        read()


@pytest.mark.parametrize(
    ("way", "value"),
    [
        (("structs", "model", "size"), 6),
        (("structs", "model", "scale"), 0.0),
        (("structs", "model", "scale"), "0.2"),
        (("structs", "interp", "order"), [1]),
        (("structs", "interp", "order"), -1),
        (("structs", "interp", "keys"), []),
        (("structs", "interp", "max_order"), 0.5),
        (("objects", "interp"), {}),
        (("objects", "interp", "tables", "solution", "table", "columns"), []),
    ],
)
def test_damaged_piff_fits_are_refused(file, sources, way, value):
    node, read = piff(file, sources)
    *names, last = way
    part(node, *names)[last] = value
    with pytest.raises((ReadError, ConfigError)):
        read()


def test_a_gaussian_is_drawn_where_it_is(sources):
    psf = read_psf(sources(), Node(gaussian_psf(1.7, 13)))
    x, y = np.array([3.3]), np.array([7.8])
    np.testing.assert_array_equal(psf.images(x, y).values, DrawnGaussianPsf(13, 1.7).images(x, y).values)


def test_a_cell_psf_has_the_image_of_each_cell(file, sources):
    images = np.random.default_rng(2).uniform(size=(2, 3, 5, 7))
    bounds = cell_bounds(cell=(10, 20), cells=(2, 3), first=(1, 1), missing=[(2, 3)])
    node = {**schema("cell_psf"), "array": file.image_node("PSF", images), "bounds": bounds}
    psf = read_psf(sources(), Node(node))
    kernels = psf.kernel_images(np.array([25.0, 79.0, 79.0]), np.array([12.0, 12.0, 22.0]))
    np.testing.assert_array_equal(kernels.values[:2], images[0, [0, 2]])
    assert kernels.valid.tolist() == [True, True, False]


def test_cell_psfs_that_do_not_fit_their_cells_are_refused(file, sources):
    bounds = cell_bounds(cell=(10, 20), cells=(3, 2), first=(1, 1), missing=[])
    node = {**schema("cell_psf"), "array": file.image_node("PSF", np.ones((2, 3, 5, 5))), "bounds": bounds}
    with pytest.raises(ConfigError, match="images of shape"):
        read_psf(sources(), Node(node))
    node["array"]["shape"] = [100_000, 100_000, 5, 5]
    with pytest.raises(FileLimitError, match="pixels in psf"):
        read_psf(sources(), Node(node, "psf"))


@pytest.mark.parametrize("name", ["psfex_psf", "constant_psf", ""])
def test_psfs_of_other_kinds_are_named_and_the_file_opens(file, opened, name):
    file.tree["psf"] = {**schema(name), "sigma": 1.0}
    exposure = opened()
    assert exposure.psf is None
    assert exposure.unsupported == {"psf": f"PSF of schema {name}"}
