import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.psf.psfex import PsfexPsf
from forcedsql.readers import open_exposure

SIZES = {
    "ndim": ("J", [2]),
    "ngroup": ("J", [1]),
    "ncoeff": ("J", [3]),
    "_pixstep": ("E", [0.5]),
}


def model_of(**changes):
    """The second catalogue of a model of 9 x 7 elements and degree 1, some columns changed."""
    components = np.random.default_rng(1).uniform(0.5, 1, 3 * 7 * 9).astype(np.float32)
    columns = {
        "group": ("2J", [[0, 0]]),
        "degree": ("J", [1]),
        "_size": ("3J", [[9, 7, 3]]),
        "_comp": (f"{components.size}E", [components]),
        "_context_first": ("2D", [[100.0, 120.0]]),
        "_context_second": ("2D", [[200.0, 240.0]]),
    }
    return columns | changes


@pytest.fixture
def opened_with(afw, opened):
    """Opens an exposure with a PsfexPsf of these columns."""

    def open_with(sizes=SIZES, model=None):
        first, second = afw.add_table(**sizes), afw.add_table(**(model or model_of()))
        psf = afw.place("PsfexPsf", first)
        afw.index.append((psf, second, 1, 0, 1, "PsfexPsf"))
        afw.primary["PSF_ID"] = psf
        return opened()

    return open_with


def test_two_catalogues_become_a_psf(opened_with):
    psf = opened_with().psf
    assert isinstance(psf, PsfexPsf)
    assert psf.components.shape == (3, 7, 9)
    np.testing.assert_array_equal(psf.components.ravel(), model_of()["_comp"][1][0])
    assert (psf.degree, psf.offset, psf.scale, psf.pixel_step) == (1, (100, 120), (200, 240), 0.5)
    assert (psf.width, psf.height) == (5, 3)
    assert psf.images(np.array([30.3]), np.array([50.5])).valid.all()


def test_a_size_of_two_numbers_has_one_component(opened_with):
    components = ("63E", [np.ones(63, np.float32)])
    psf = opened_with(model=model_of(_size=("2J", [[9, 7]]), _comp=components, degree=("J", [0]))).psf
    assert psf.components.shape == (1, 7, 9)


@pytest.fixture(scope="module")
def megacam(shared):
    return open_exposure(shared / "data" / "afw_formats" / "cfht_r_calexp-849375-12_psfex_apcorr.fits.fz")


def test_a_real_megacam_psf_has_the_shape_that_the_pipelines_found(megacam):
    """The file's own summary gives the PSF's moments and area at the middle of the image."""
    assert megacam.unsupported == {}
    assert megacam.psf.components.shape == (6, 81, 81)
    middle = tuple(np.array([value]) for value in megacam.bbox.centre)
    expected = [5.9180517745798165, 6.117362619877322, 0.23316498813078215]
    # Equal but for single-precision intermediates of the moments.
    np.testing.assert_allclose(megacam.psf.shapes(*middle)[0], expected, rtol=0, atol=1e-6)
    image = megacam.psf.kernel_images(*middle).values[0]
    assert image.shape == (41, 41)
    assert image.sum() / (image**2).sum() == pytest.approx(100.15443724175336, rel=1e-6)


def test_a_real_megacam_exposure_has_its_aperture_corrections(megacam):
    x, y = np.array([925.09, 366.97]), np.array([732.17, 737.99])
    for name, expected in (("PsfFlux", (0.97067, 0.97172)), ("GaussianFlux", (1.12787, 1.12896))):
        field = megacam.ap_corr[f"base_{name}_instFlux"]
        # Published to five digits.
        np.testing.assert_allclose(field.evaluate(x, y), expected, rtol=0, atol=6e-6)


@pytest.mark.parametrize(
    ("sizes", "model", "named"),
    [
        ({"ndim": ("J", [3])}, {}, "PsfexPsf of 3 variables"),
        ({"ngroup": ("J", [2])}, {}, "PsfexPsf with several polynomials"),
        ({}, {"group": ("2J", [[0, 1]])}, "PsfexPsf with several polynomials"),
    ],
)
def test_another_polynomial_opens_and_is_named(opened_with, sizes, model, named):
    exposure = opened_with(SIZES | sizes, model_of(**model))
    assert exposure.psf is None
    assert exposure.unsupported == {"psf": named}


@pytest.mark.parametrize(
    ("sizes", "model", "error", "message"),
    [
        ({"_pixstep": ("E", [0.0])}, {}, ReadError, "0.0 pixels wide"),
        ({"_pixstep": ("E", [np.nan])}, {}, ReadError, "nan pixels wide"),
        ({"_pixstep": ("E", [-1.0])}, {}, ReadError, "-9.0 pixels wide"),
        ({"_pixstep": ("E", [1e30])}, {}, ReadError, "pixels wide; up to 1024"),
        ({"_pixstep": ("E", [1e-30])}, {}, ReadError, "pixel step"),
        ({}, {"degree": ("J", [2])}, ReadError, "3 components for a polynomial of degree 2"),
        ({}, {"degree": ("J", [-1])}, ReadError, "degree -1"),
        ({}, {"degree": ("J", [10**6])}, FileLimitError, "degree of .*: 1000000"),
        ({}, {"_size": ("3J", [[9, 8, 3]])}, ReadError, "189 values for 3 x 8 x 9"),
        ({}, {"_size": ("3J", [[9, -7, 3]])}, ReadError, "a size of"),
        ({}, {"_size": ("J", [9])}, ReadError, "a size of"),
        ({}, {"_size": ("3J", [[10**6, 7, 3]])}, FileLimitError, "elements along a side of .*: 1000000"),
        ({}, {"_size": ("3J", [[9, 7, 10**6]])}, FileLimitError, "components of .*: 1000000"),
        ({}, {"_size": ("3J", [[3, 7, 3]])}, FileLimitError, "elements of _comp"),
        ({}, {"_context_first": ("D", [1.0])}, ReadError, "_context_first has 1 elements"),
        ({}, {"_context_second": ("2D", [[0.0, 1.0]])}, ReadError, "finite and not zero"),
    ],
)
def test_an_impossible_model_is_refused(opened_with, sizes, model, error, message):
    with pytest.raises(error, match=message):
        opened_with(SIZES | sizes, model_of(**model))


def test_a_missing_catalogue_is_refused(afw, opened):
    afw.primary["PSF_ID"] = afw.add_object("PsfexPsf", **SIZES)
    with pytest.raises(ReadError, match="no catalog 1"):
        opened()
