import numpy as np
import pyarrow.parquet as pq
import pytest

from forcedsql.coadd_inputs import CoaddInputs, ExposureRecord
from forcedsql.geometry import Box, Polygon
from forcedsql.readers import open_exposure
from tests.psf.coadds import projection

COADD = projection(centre=(500.0, 500.0))


def ccd(number, box, polygon=None, wcs=COADD):
    return ExposureRecord(id=number, bbox=box, wcs=wcs, valid_polygon=polygon)


def test_inputs_are_counted_by_their_boxes():
    inputs = CoaddInputs((), (ccd(1, Box(0, 0, 600, 900)), ccd(2, Box(400, 0, 600, 900))))
    x, y = np.array([100.0, 500.0, 900.0, 1200.0, np.nan]), np.full(5, 450.0)
    assert inputs.count(x, y, COADD).tolist() == [1, 2, 1, 0, 0]


def test_valid_polygons_count_on_request_only():
    corner = Polygon(np.array([0.0, 300.0, 0.0]), np.array([0.0, 0.0, 900.0]))
    inputs = CoaddInputs((), (ccd(1, Box(0, 0, 600, 900), corner),))
    x, y = np.array([100.0, 500.0]), np.array([450.0, 450.0])
    assert inputs.count(x, y, COADD).tolist() == [1, 1]
    assert inputs.count(x, y, COADD, valid_polygons=True).tolist() == [1, 0]


def test_an_input_without_a_projection_counts_nowhere():
    inputs = CoaddInputs((), (ccd(1, Box(0, 0, 600, 900), wcs=None),))
    assert inputs.count(np.array([100.0]), np.array([100.0]), COADD).tolist() == [0]


@pytest.mark.parametrize(("name", "ccds"), [("coaddpsf_mixed", 7), ("coaddpsf_piff", 5)])
def test_counts_are_those_of_lsst(reference, name, ccds):
    folder = reference / name
    exposure = open_exposure(folder / "exposure.fits")
    assert len(exposure.coadd_inputs.visits) == len(exposure.coadd_inputs.ccds) == ccds
    expected = pq.read_table(folder / "expected_plugins.parquet")
    x, y = (expected[f"base_TransformedCentroidFromCoord_{axis}"].to_numpy() for axis in "xy")
    counted = exposure.coadd_inputs.count(x, y, exposure.wcs)
    np.testing.assert_array_equal(counted, expected["base_InputCount_value"].to_numpy())


def test_inputs_say_what_they_are(reference):
    exposure = open_exposure(reference / "coaddpsf_mixed" / "exposure.fits")
    inputs = exposure.coadd_inputs
    first = inputs.ccds[2]
    assert (first.visit, first.detector, first.weight) == (2024110800002, 2, 0.7216750275767851)
    assert first.bbox == Box(0, 0, 1150, 1150)
    assert first.valid_polygon is not None
    assert (inputs.visits[2].id, inputs.visits[2].band) == (2024110800002, "r")


def test_an_exposure_that_is_no_coadd_has_no_inputs(reference):
    assert open_exposure(reference / "singlegauss_tan" / "exposure.fits").coadd_inputs is None
