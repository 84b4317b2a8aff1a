"""PSFEx files against the same models made in memory, and as LSST holds them in an archive."""

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ConfigError, FileLimitError, ReadError, UnsupportedError
from forcedsql.psf.psfex import PsfexPsf
from forcedsql.readers import open_exposure
from forcedsql.readers.psf_spec import open_psf
from tests.readers.psfex_writer import header_facts, model_hdu, write_merged, write_psf

SHAPE = (480, 500)
X, Y = np.array([100.2, 311.77, 0.0, 420.499]), np.array([205.9, 17.31, 300.0, 88.52])


def model(width=21, height=17, *, degree=2, seed=3, offset=(250.0, 240.0), pixel_step=0.5):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width].astype(float)
    core = np.exp(-0.5 * ((x - width // 2) ** 2 + (y - height // 2) ** 2) * pixel_step**2 / 1.6**2)
    count = (degree + 1) * (degree + 2) // 2
    components = [core, *(0.1 * core * rng.normal(size=core.shape) for _ in range(count - 1))]
    return PsfexPsf(np.array(components, np.float32), degree, offset, (500.0, 480.0), pixel_step)


def assert_same(read, psf, x=X, y=Y):
    assert read.kind == "PsfexPsf"
    np.testing.assert_array_equal(read.images(x, y).values, psf.images(x, y).values)


@pytest.mark.parametrize("options", [{}, {"degree": 0}, {"degree": 3, "pixel_step": 1.0}, {"width": 31}])
def test_a_psf_file_is_the_model_it_was_written_from(tmp_path, options):
    psf = model(**options)
    path = write_psf(tmp_path / "stars.psf", psf)
    for spec in (str(path), f"psfex:{path}", f"{path}[hdu=1]", f"{path}[hdu=PSF_DATA,row=0]"):
        assert_same(open_psf(spec, shape=SHAPE), psf)


def test_without_polynomial_the_model_is_the_same_everywhere(tmp_path):
    psf = model(degree=0)
    absent = dict.fromkeys(name for name in header_facts(psf) if name.startswith("POL"))
    path = write_psf(tmp_path / "stars.psf", psf, **absent | {"POLNAXIS": 0})
    assert_same(open_psf(str(path), shape=SHAPE), psf)


@pytest.mark.parametrize("archive", ["cfht", "psfex"])
def test_a_psf_file_equals_lsst_s_model_of_the_same_images(shared, tmp_path, archive):
    path = {
        "cfht": shared / "data/afw_formats/cfht_r_calexp-849375-12_psfex_apcorr.fits.fz",
        "psfex": shared / "reference/open/psfex/exposure.fits",
    }[archive]
    exposure = open_exposure(path)
    read = open_psf(str(write_psf(tmp_path / "same.psf", exposure.psf)), shape=exposure.shape)
    x, y = np.random.default_rng(1).uniform(0, min(exposure.shape), (2, 20))
    assert_same(read, exposure.psf, x, y)


def test_the_file_of_a_reference_set_gives_lsst_s_images(reference, tmp_path):
    exposure = open_exposure(reference / "psfex/exposure.fits")
    read = open_psf(str(write_psf(tmp_path / "same.psf", exposure.psf)), shape=exposure.shape)
    with np.load(reference / "psfex/psf.npz") as lsst:
        keys = sorted(name.removesuffix("_img") for name in lsst.files if name.endswith("_img"))
        worst = 0.0
        for key in keys:
            x, y = (np.array([value]) for value in lsst[f"{key}_pos"])
            images = read.images(x, y)
            assert (images.x0[0], images.y0[0]) == tuple(lsst[f"{key}_img_xy0"])
            difference = np.abs(images.values[0] - lsst[f"{key}_img"]).max()
            worst = max(worst, difference / lsst[f"{key}_img"].max())
    print(f"{len(keys)} positions, largest difference {worst:.1e} of the peak")
    assert worst < 1e-6


def test_of_several_extensions_one_must_be_chosen(tmp_path):
    path = write_psf(tmp_path / "mosaic.psf", model(seed=1), model(seed=2), model(seed=3))
    with pytest.raises(ReadError, match=r"several HDUs hold a PSFEx model.*\[hdu="):
        open_psf(str(path), shape=SHAPE)
    assert_same(open_psf(f"{path}[hdu=2]", shape=SHAPE), model(seed=2))


def test_a_merged_table_gives_the_row_of_the_ccd(tmp_path):
    models = {
        (630780, "N2"): model(seed=1),
        (630780, "N3"): model(seed=2, width=25, height=27),
        (630781, "N2"): model(seed=3, degree=0),
    }
    path = write_merged(tmp_path / "merged.fits", models)
    for (expnum, ccd), psf in models.items():
        assert_same(open_psf(f"{path}[expnum={expnum}, CCDNAME={ccd}]", shape=SHAPE), psf)
    assert_same(open_psf(f"{path}[row=1]", shape=SHAPE), models[630780, "N3"])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ("", ReadError, r"chooses 2 of 2 rows.*expnum=7,ccdname=N2; expnum=7,ccdname=N3"),
        ("[ccdname=S1]", ReadError, "ccdname=S1 chooses 0 of 2 rows"),
        ("[expnum=7]", ReadError, "expnum=7 chooses 2 of 2 rows"),
        ("[ccd=N2]", ConfigError, "no option or column 'ccd'"),
        ("[psf_mask=0]", ConfigError, "no option or column 'psf_mask'"),
        ("[row=-1]", ConfigError, "row=-1: a whole number"),
        ("[row=2]", ReadError, "row=2 chooses 0"),
    ],
)
def test_a_choice_that_is_not_one_row_is_refused(tmp_path, options, error, message):
    path = write_merged(tmp_path / "m.fits", {(7, "N2"): model(), (7, "N3"): model()})
    with pytest.raises(error, match=message):
        open_psf(f"{path}{options}", shape=SHAPE)


def test_a_cutout_takes_the_model_at_its_place_in_the_whole_image(tmp_path):
    whole = model()
    path = write_psf(tmp_path / "stars.psf", whole)
    cut = open_psf(f"{path}[origin_x=100,origin_y=30]", shape=(50, 60))
    x, y = np.array([10.25, 43.5]), np.array([20.75, 2.0])
    np.testing.assert_array_equal(cut.images(x, y).values, whole.images(x + 100, y + 30).values)
    in_parent = open_psf(str(path), shape=(50, 60), xy0=(100, 30))
    np.testing.assert_array_equal(in_parent.images(x + 100, y + 30).values, cut.images(x, y).values)


def test_a_model_made_far_from_the_image_is_refused(tmp_path):
    path = write_psf(tmp_path / "stars.psf", model(offset=(20250.0, 240.0)))
    with pytest.raises(ReadError, match=r"between pixels \(18750, -1200\) and .*origin_x"):
        open_psf(str(path), shape=SHAPE)
    assert open_psf(f"{path}[origin_x=20000]", shape=SHAPE).images(X, Y).valid.all()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"POLNAME1": "MAG_AUTO"}, UnsupportedError, "varies with MAG_AUTO, Y_IMAGE"),
        ({"POLNAXIS": 1}, UnsupportedError, "varies with X_IMAGE;"),
        ({"POLNGRP": 2}, UnsupportedError, "a polynomial for each of x and y"),
        ({"POLDEG1": 3}, ReadError, "6 components for a polynomial of degree 3"),
        ({"POLDEG1": 900}, FileLimitError, "degree of the PSFEx model: 900"),
        ({"POLSCAL1": 0.0}, ReadError, "finite and not zero"),
        ({"POLZERO1": "far"}, ReadError, "POLZERO1 of the PSFEx model is 'far'"),
        ({"PSF_SAMP": 0.0}, ReadError, "0 pixels wide"),
        ({"PSF_SAMP": 500.0}, ReadError, "pixels wide"),
        ({"PSF_SAMP": None}, ReadError, "PSF_SAMP of the PSFEx model is None"),
        ({"PSFAXIS1": 100_000}, FileLimitError, "elements along a side of the PSFEx model: 100000"),
        ({"PSFAXIS3": 100_000}, FileLimitError, "components of the PSFEx model: 100000"),
        ({"PSFAXIS1": 30}, ReadError, "have the shape"),
        ({"PSFAXIS1": 0}, ReadError, "has a shape of"),
    ],
)
def test_a_model_that_cannot_be_is_refused(tmp_path, changes, error, message):
    path = write_psf(tmp_path / "stars.psf", model(), **changes)
    with pytest.raises(error, match=message) as raised:
        open_psf(str(path), shape=SHAPE)
    assert str(path) in str(raised.value)


def test_a_file_that_is_cut_short_is_an_error(tmp_path):
    path = write_psf(tmp_path / "stars.psf", model(width=61, height=61))
    path.write_bytes(path.read_bytes()[:-40_000])
    with pytest.raises(ReadError, match="cut short"):
        open_psf(str(path), shape=SHAPE)


def test_a_table_of_something_else_is_no_psfex_model(tmp_path):
    hdu = model_hdu(model())
    hdu.columns["PSF_MASK"].name = "IMAGES"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "t.fits")
    with pytest.raises(ReadError, match=r"no PSF \(psfex\) in any of its HDUs"):
        open_psf(f"psfex:{tmp_path / 't.fits'}", shape=SHAPE)


def test_a_star_on_a_decam_image_has_the_shape_and_place_of_its_psfex_model(shared):
    """A star of G = 19.67 whose flux was published with the data as 18805 +- 204 (README there)."""
    folder = shared / "data/decam_legacypipe/testcase4"
    image, weight = (
        fits.getdata(folder / f"c4d_170316_062107_{plane}_z_ls9.N2.fits", 1).astype(float)
        for plane in ("ooi", "oow")
    )
    psf = open_psf(f"{folder}/c4d_170316_062107_ooi_z_ls9-psfex.fits[ccdname=N2]", shape=image.shape)
    images = psf.images(np.array([127.193]), np.array([28.406]))
    box = np.s_[images.y0[0] + 20 : images.y0[0] + 43, images.x0[0] + 20 : images.x0[0] + 43]
    model, pixels = images.values[0, 20:43, 20:43], image[box] - np.median(image)
    flux = (model * pixels * weight[box]).sum() / (model**2 * weight[box]).sum()
    chi2 = ((pixels - flux * model) ** 2 * weight[box]).mean()
    print(f"flux {flux:.0f}, chi2 per pixel {chi2:.2f}")
    assert flux == pytest.approx(18805, abs=2 * 204)
    # 529 pixels: one standard deviation is 0.06, and the background is a plain median.
    assert chi2 < 1.25


@pytest.mark.parametrize(
    "name",
    [
        "decam_legacypipe/testcase4/c4d_170316_062107_ooi_z_ls9-psfex.fits",
        "decam_tractor_galaxies/decam-520206-S16-psfex.fits",
    ],
)
def test_at_whole_pixels_real_models_are_polynomials_of_sextractor_s_coordinates(shared, name):
    """Both have a step of 1 pixel: nothing is interpolated at whole pixels."""
    path = shared / "data" / name
    with fits.open(path) as file:
        row, cards = file[1].data[0], file[1].header
        names = {column.lower() for column in file[1].columns.names}
        images = row["PSF_MASK"].astype(float)

        def fact(name):
            return row[name] if name.lower() in names else cards[name]

        zero, scale = ([float(fact(f"{key}{k}")) for k in (1, 2)] for key in ("POLZERO", "POLSCAL"))
    x, y = np.array([3.0, 200.0, 120.0]), np.array([66.0, 7.0, 199.0])
    kernels = open_psf(str(path), shape=(251, 245)).images(x, y)
    for k in range(len(x)):
        u, v = (x[k] + 1 - zero[0]) / scale[0], (y[k] + 1 - zero[1]) / scale[1]
        expected = np.tensordot([1, u, u * u, v, u * v, v * v], images, axes=1)
        expected /= expected.sum()
        # LSST's model is summed in single precision.
        assert np.abs(kernels.values[k] - expected).max() < 5e-6 * expected.max()


def test_a_degree_that_is_no_whole_number_is_refused(tmp_path):
    path = write_psf(tmp_path / "a.psf", model(), POLDEG1=1.5)
    with pytest.raises(ReadError, match=r"POLDEG1 of the PSFEx model is 1\.5, not a whole number"):
        open_psf(str(path), shape=SHAPE)


def test_rows_without_names_are_chosen_by_number(tmp_path):
    path = write_psf(tmp_path / "a.psf", model())
    with fits.open(path) as hdus:
        table = fits.BinTableHDU(np.repeat(hdus[1].data, 2), hdus[1].header)
        fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "two.psf")
    with pytest.raises(
        ReadError, match=r"no option chooses 2 of 2 rows; one is needed: choose it with \[row=...\]"
    ):
        open_psf(str(tmp_path / "two.psf"), shape=SHAPE)
    assert_same(open_psf(f"{tmp_path / 'two.psf'}[row=1]", shape=SHAPE), model())
