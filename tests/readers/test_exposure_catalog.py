"""Exposure catalogues: files that list images with their projections, areas and calibrations."""

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import ReadError
from forcedsql.readers.exposure_catalog import open_exposure_catalog


@pytest.fixture(scope="module")
def summary(shared):
    """A real visit summary of HSC, as forcedsql and as astropy read it."""
    path = shared / "data" / "afw_formats" / "hsc_visitSummary_1176.fits.gz"
    with fits.open(path) as file:
        table = file[1].data.copy()
    return open_exposure_catalog(path), table


def test_every_detector_is_there_with_its_parts(summary):
    catalog, table = summary
    assert [record.id for record in catalog] == table["id"].tolist()
    assert len(catalog) == 103
    for record in catalog:
        assert (record.visit, record.band, record.physical_filter) == (1176, "z", "HSC-Z")
        assert record.exposure_time == pytest.approx(270.0)
        assert None not in (record.wcs, record.photo_calib, record.valid_polygon, record.mjd)
        assert not record.unsupported


def test_the_outer_corners_are_where_the_summary_says(summary):
    catalog, table = summary
    for record, row in zip(catalog, table, strict=True):
        box = record.bbox
        left, right, bottom, top = box.x0 - 0.5, box.x1 + 0.5, box.y0 - 0.5, box.y1 + 0.5
        ra, dec = record.wcs.pixel_to_sky(
            np.array([left, right, right, left]), np.array([bottom, bottom, top, top])
        )
        np.testing.assert_allclose(ra, row["raCorners"], rtol=0, atol=1e-10)
        np.testing.assert_allclose(dec, row["decCorners"], rtol=0, atol=1e-10)


def test_zero_points_are_those_of_the_summary(summary):
    catalog, table = summary
    zero_points = [31.4 - 2.5 * np.log10(record.photo_calib.mean) for record in catalog]
    # The summary stores them in single precision.
    np.testing.assert_allclose(zero_points, table["zeroPoint"], rtol=0, atol=1e-5)


def test_polygons_leave_out_what_is_vignetted(summary):
    catalog, _ = summary
    areas = []
    for record in catalog:
        x, y = np.random.default_rng(1).uniform(0, 1, (2, 2000)) * [[2048.0], [4176.0]]
        areas.append(record.valid_polygon.contains(x, y).mean())
    assert max(areas) == pytest.approx(1.0, abs=1e-3)
    assert min(areas) < 0.8


def test_an_exposure_is_no_catalogue(reference):
    with pytest.raises(ReadError, match="no exposure catalogue"):
        open_exposure_catalog(reference / "singlegauss_tan" / "exposure.fits")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReadError, match=r"nothing.fits: there is no such file"):
        open_exposure_catalog(tmp_path / "nothing.fits")
