"""Files of PSF grids against photutils, which reads the same files."""

import warnings
from pathlib import Path

import numpy as np
import photutils
import pytest
from astropy.io import fits
from astropy.nddata import NDData
from photutils.psf import GriddedPSFModel

from forcedsql.errors import ConfigError, FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.psf_spec import open_psf

SHAPE = (2048, 2048)
MOCKS = Path(photutils.__file__).parent / "psf" / "tests" / "data"
X, Y = np.array([100.3, 1000.5, 2040.2, -5.0]), np.array([50.7, 1024.0, 3.1, 1900.4])


def stack(count, side=13):
    rows, columns = np.indices((side, side)) - side // 2
    widths = np.random.default_rng(6).uniform(2.0, 4.0, count)
    return np.exp(-0.5 * (rows**2 + columns**2) / widths[:, None, None] ** 2).astype(np.float32)


def write_stdpsf(path, *, nx=3, ny=2, changes=None, images=None):
    hdu = fits.PrimaryHDU(stack(nx * ny) if images is None else images)
    cards = {"NXPSFS": nx, "NYPSFS": ny}
    cards |= {f"IPSFX{k + 1:02d}": 1 + 1000 * k for k in range(nx)}
    cards |= {f"JPSFY{k + 1:02d}": 1 + 2000 * k for k in range(ny)}
    for name, value in (cards | (changes or {})).items():
        if value is not None:
            hdu.header[name] = value
    hdu.writeto(path)
    return path


def write_webbpsf(path, positions, *, changes=None, images=None):
    hdu = fits.PrimaryHDU(stack(len(positions)) if images is None else images)
    cards = {"OVERSAMP": 4} | {f"DET_YX{k}": str((y, x)) for k, (x, y) in enumerate(positions)}
    for name, value in (cards | (changes or {})).items():
        if value is not None:
            hdu.header[name] = value
    hdu.writeto(path)
    return path


def assert_photutils(psf, model, tolerance=1e-6):
    """Acceptance asks for 1e-3 of the peak; what remains is single precision in the files."""
    block = psf.images(X, Y)
    assert block.valid.all()
    for k in range(len(X)):
        columns, rows = block.x0[k] + np.arange(psf.width), block.y0[k] + np.arange(psf.height)
        model.x_0, model.y_0 = X[k], Y[k]
        drawn = model(*np.meshgrid(columns.astype(float), rows.astype(float)))
        drawn /= drawn.sum()
        assert np.abs(block.values[k] - drawn).max() < tolerance * drawn.max()


def photutils_model(path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GriddedPSFModel.read(path, **options)


def test_a_stdpsf_file_is_what_photutils_reads(tmp_path):
    path = write_stdpsf(tmp_path / "STDPSF_NRCA1_F150W.fits")
    for spec in (str(path), f"grid:{path}", f"{path}[hdu=0,detector=1]"):
        psf = open_psf(spec, shape=SHAPE)
        assert psf.kind == "GriddedPsf"
        assert_photutils(psf, photutils_model(path, format="stdpsf"))


@pytest.mark.parametrize(
    ("name", "detectors"),
    [
        ("STDPSF_ACSWFC_F814W_mock.fits", 2),
        ("STDPSF_WFC3UV_F814W_mock.fits", 2),
        ("STDPSF_WFPC2_F814W_mock.fits", 4),
        ("STDPSF_NRCSW_F150W_mock.fits", 8),
    ],
)
def test_each_detector_of_a_stdpsf_file_has_photutils_part_of_it(name, detectors):
    if not (MOCKS / name).exists():
        pytest.skip("photutils is installed without its test data")
    for detector in range(1, detectors + 1):
        psf = open_psf(f"{MOCKS / name}[detector={detector}]", shape=SHAPE)
        model = photutils_model(MOCKS / name, detector_id=detector)
        grid = np.array([(x, y) for y in psf.grid_y for x in psf.grid_x])
        np.testing.assert_array_equal(grid, model.grid_xypos)
        assert_photutils(psf, model)
    for wrong in ("", f"[detector={detectors + 1}]"):
        with pytest.raises(ConfigError, match=f"PSFs of {detectors} detectors: choose one"):
            open_psf(f"{MOCKS / name}{wrong}", shape=SHAPE)


def test_a_webbpsf_file_has_its_positions_as_y_and_x_in_any_order(tmp_path):
    positions = [(0.0, 2047.0), (1023.5, 0.0), (0.0, 0.0), (1023.5, 2047.0)]
    path = write_webbpsf(tmp_path / "nircam.fits", positions)
    images = fits.getdata(path)
    model = GriddedPSFModel(NDData(images, meta={"grid_xypos": positions, "oversampling": 4}))
    assert_photutils(open_psf(str(path), shape=SHAPE), model)


def test_a_file_of_one_psf_has_it_everywhere(tmp_path):
    for images in (stack(1), stack(1)[0]):
        path = write_webbpsf(tmp_path / f"{images.ndim}.fits", [(1023.0, 1023.0)], images=images)
        psf = open_psf(str(path), shape=SHAPE)
        assert psf.kind == "GriddedPsf"
        values = psf.kernel_images(X, Y).values
        np.testing.assert_array_equal(values, np.tile(values[:1], (len(X), 1, 1)))


def test_a_cutout_has_the_psf_of_its_place_on_the_detector(tmp_path):
    path = write_stdpsf(tmp_path / "grid.fits")
    whole = open_psf(str(path), shape=SHAPE)
    cut = open_psf(f"{path}[origin_x=300,origin_y=400]", shape=(100, 100))
    assert (cut.width, cut.height) == (5, 5)
    assert open_psf(f"{path}[size=3]", shape=SHAPE).width == 3
    x, y = np.array([10.25]), np.array([77.5])
    full = whole.images(x + 300, y + 400).values
    np.testing.assert_allclose(cut.images(x, y).values, full, rtol=1e-12)
    with pytest.raises(ReadError, match="the PSF grid is for images centred between"):
        open_psf(str(path), shape=(100, 100), xy0=(20_000, 0))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"NXPSFS": 4}, ReadError, "6 PSFs for a grid of 4 x 2"),
        ({"NYPSFS": None}, ReadError, "6 PSFs for a grid of 3 x 0"),
        ({"IPSFX02": 1}, ReadError, "x positions of a PSF grid do not increase"),
        ({"IPSFX02": "here"}, ReadError, "cards IPSFX.. give no 3 positions"),
        ({"JPSFY01": None}, ReadError, "cards JPSFY.. give no 2 positions"),
    ],
)
def test_a_stdpsf_file_that_is_no_grid_is_refused(tmp_path, changes, error, message):
    path = write_stdpsf(tmp_path / "grid.fits", changes=changes)
    with pytest.raises(error, match=message):
        open_psf(str(path), shape=SHAPE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"DET_YX3": "(0.0, 5.0)"}, "not on a rectangular grid"),
        ({"DET_YX3": "(0.0, 0.0)"}, "not on a rectangular grid"),
        ({"DET_YX3": "__import__('os')"}, r"card DET_YX3 is .* where '\(y, x\)' is expected"),
        ({"DET_YX3": "(1.2.3, 0)"}, r"where '\(y, x\)' is expected"),
        ({"DET_YX3": None}, "card DET_YX3 is None"),
        ({"OVERSAMP": None}, "without the card OVERSAMP"),
        ({"OVERSAMP": 0}, "above 0"),
        ({"OVERSAMP": 0.01}, "pixels along a side of the PSF"),
    ],
)
def test_a_webbpsf_file_that_is_no_grid_is_refused(tmp_path, changes, message):
    positions = [(x, y) for y in (0.0, 2047.0) for x in (0.0, 2047.0)]
    path = write_webbpsf(tmp_path / "grid.fits", positions, changes=changes)
    with pytest.raises(ReadError, match=message):
        open_psf(str(path), shape=SHAPE)


def test_a_wrong_option_is_refused_with_those_that_there_are(tmp_path):
    path = write_webbpsf(tmp_path / "grid.fits", [(0.0, 0.0)])
    with pytest.raises(ConfigError, match="no option 'band'; it takes detector, hdu, origin_x, "):
        open_psf(f"{path}[band=r]", shape=SHAPE)
    with pytest.raises(ConfigError, match="detector=2: the file holds PSFs of one detector"):
        open_psf(f"{path}[detector=2]", shape=SHAPE)
    with pytest.raises(ConfigError, match="size=0: a whole number from 1 on"):
        open_psf(f"{path}[size=0]", shape=SHAPE)


def test_more_images_or_larger_ones_than_the_limits_are_not_read(tmp_path, monkeypatch):
    many = write_stdpsf(tmp_path / "many.fits", nx=30, ny=10)
    with pytest.raises(FileLimitError, match="PSF images in HDU 0: 300"):
        open_psf(str(many), shape=SHAPE)
    wide = write_webbpsf(tmp_path / "wide.fits", [(0, 0)], images=np.zeros((1, 4, 1030), np.float32))
    with pytest.raises(FileLimitError, match="elements along a side of the PSF in HDU 0: 1030"):
        open_psf(str(wide), shape=SHAPE)
    monkeypatch.setattr(limits, "MAX_PSF_ELEMENTS", 1000)
    with pytest.raises(FileLimitError, match="elements of PSF images in HDU 0: 1014"):
        open_psf(str(write_stdpsf(tmp_path / "grid.fits")), shape=SHAPE)


def test_psfs_that_do_not_divide_among_the_detectors_are_refused(tmp_path):
    path = write_stdpsf(tmp_path / "grid.fits", nx=9, ny=4)
    with pytest.raises(ReadError, match="9 x 4 PSFs are not those of 2 x 2 detectors"):
        open_psf(f"{path}[detector=1]", shape=SHAPE)
