import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ConfigError, FileLimitError, ReadError
from forcedsql.psf.sdss import SdssPsf
from forcedsql.readers.psf_spec import open_psf

FIELD = (1489, 2048)
RNG = np.random.default_rng(4)
IMAGES = RNG.uniform(0.5, 1.0, (3, 9, 11)).astype(np.float32)
COEFFICIENTS = np.zeros((3, 5, 5), np.float32)
COEFFICIENTS[:, :3, :2] = RNG.uniform(0.1, 1.0, (3, 3, 2))
X, Y = np.array([10.0, 1999.5, 800.25]), np.array([0.0, 1400.0, 77.7])


def band_hdu(images=IMAGES, **changes):
    count, rows, columns = images.shape
    values = {"nrow_b": 3, "ncol_b": 2, "RNROW": rows, "RNCOL": columns} | changes
    table = [fits.Column(name, "1J", array=np.full(count, value)) for name, value in values.items()]
    table.append(fits.Column("c", "25E", dim="(5,5)", array=COEFFICIENTS))
    pixels = np.empty(count, dtype=object)
    pixels[:] = list(images.reshape(count, -1))
    table.append(fits.Column("RROWS", "PE()", array=pixels))
    return fits.BinTableHDU.from_columns(table)


def write(path, *bands, filters="u g r"):
    primary = fits.PrimaryHDU()
    primary.header["FILTERS"] = filters
    fits.HDUList([primary, *bands]).writeto(path)
    return path


def test_the_band_is_chosen_by_its_name_or_its_hdu(tmp_path):
    path = write(tmp_path / "psField.fit", band_hdu(IMAGES[::-1]), band_hdu(IMAGES), band_hdu(IMAGES**2))
    expected = SdssPsf(IMAGES.astype(float), list(COEFFICIENTS[:, :3, :2].astype(float)))
    for spec in (f"{path}[band=g]", f"sdss:{path}[band=g]", f"{path}[hdu=2]"):
        psf = open_psf(spec, shape=FIELD)
        assert psf.kind == "SdssPsf"
        np.testing.assert_array_equal(psf.images(X, Y).values, expected.images(X, Y).values)
    cut = open_psf(f"{path}[band=g,origin_x=400,origin_y=30]", shape=(100, 100))
    part = cut.images(np.array([20.25]), np.array([5.5])).values
    whole = expected.images(np.array([420.25]), np.array([35.5])).values
    np.testing.assert_allclose(part, whole, rtol=1e-12)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ("", ConfigError, r"choose one of \[band=u\|g\|r\]"),
        ("[band=z]", ConfigError, "no band 'z'; there are u, g, r"),
        ("[band=g]", ReadError, "no HDU 2"),
        ("[band=u,size=9]", ConfigError, "no option 'size'"),
        ("[band=u,origin_x=5000]", ReadError, "PSF of an SDSS field is for images centred between"),
    ],
)
def test_what_is_not_a_band_of_the_field_is_refused(tmp_path, options, error, message):
    path = write(tmp_path / "psField.fit", band_hdu())
    with pytest.raises(error, match=message):
        open_psf(f"{path}{options}", shape=FIELD)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"RNROW": 10}, ReadError, "an eigenimage of 99 pixels where 11 x 10"),
        ({"RNROW": -9, "RNCOL": -11}, ReadError, "an eigenimage of 99 pixels"),
        ({"RNROW": 100_000}, FileLimitError, "side of an eigenimage: 100000"),
        ({"nrow_b": 6}, ReadError, r"6 x 2 coefficients of an eigenimage out of \(5, 5\)"),
        ({"ncol_b": 0}, ReadError, "3 x 0 coefficients"),
    ],
)
def test_eigenimages_that_cannot_be_are_refused(tmp_path, changes, error, message):
    path = write(tmp_path / "psField.fit", band_hdu(**changes))
    with pytest.raises(error, match=message):
        open_psf(f"{path}[band=u]", shape=FIELD)


def test_a_band_that_is_no_table_of_eigenimages_is_refused(tmp_path):
    path = write(tmp_path / "psField.fit", band_hdu(), fits.ImageHDU(IMAGES[0]))
    with pytest.raises(ReadError, match="HDU 2 holds no eigenimages"):
        open_psf(f"sdss:{path}[band=g]", shape=FIELD)


def test_eigenimages_of_several_sizes_are_refused(tmp_path):
    band = band_hdu()
    # As many pixels, in another shape.
    band.data["RNROW"][0], band.data["RNCOL"][0] = band.data["RNCOL"][0], band.data["RNROW"][0]
    path = write(tmp_path / "psField.fit", band)
    with pytest.raises(ReadError, match="holds 3 eigenimages, not of one size"):
        open_psf(f"{path}[band=u]", shape=FIELD)
