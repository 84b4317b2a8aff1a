"""base_FPPosition: positions on the focal plane, and what is said where there is none."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.detector import Detector
from forcedsql.measure import measure
from forcedsql.plugins import FORCED_CENTROID
from tests.measure.exposures import make_exposure, sky

CONFIG = MeasurementConfig(plugins=(FORCED_CENTROID, "base_FPPosition"), do_ap_corr=False)
X, Y = np.array([210.25, 300.0, -50.0]), np.array([-90.5, 20.0, 10.0])
ON_IMAGE, XY0 = [True, True, False], (200, -100)


def to_millimetres(x, y):
    return 100.0 - 0.01 * x, np.where(x < 250.0, 0.01 * y, np.nan)


def measured(**parts):
    ra, dec = sky(X, Y)
    positions = pa.table({"id": [1, 2, 3], "ra": ra, "dec": dec})
    exposure = make_exposure(xy0=XY0, **parts)
    columns = measure(exposure, positions, config=CONFIG, columns="lsst")
    return {name: columns[f"base_FPPosition_{name}"].to_numpy() for name in ("x", "y", "flag")} | {
        "missing": columns["base_FPPosition_missingDetector_flag"].to_numpy()
    }


def test_parent_pixels_go_through_the_detectors_transform():
    found = measured(detector=Detector("R22 S11", 94, to_millimetres))
    # Sky to pixel and back leaves 1e-13 pixels.
    np.testing.assert_allclose(found["x"], [97.8975, 97.0, np.nan], rtol=1e-12)
    np.testing.assert_allclose(found["y"], [-0.905, np.nan, np.nan], rtol=1e-12)
    assert found["flag"].tolist() == [False, True, True]
    assert found["missing"].tolist() == [False, False, False]


def test_a_missing_detector_has_its_own_flag_as_in_lsst():
    found = measured()
    assert np.isnan(found["x"]).all()
    assert np.isnan(found["y"]).all()
    assert found["missing"].tolist() == ON_IMAGE
    assert found["flag"].tolist() == [not on for on in ON_IMAGE]


def test_a_detector_that_cannot_be_read_raises_the_general_flag():
    found = measured(unsupported={"detector": "damaged DETECTOR (it is)"})
    assert np.isnan(found["x"]).all()
    assert found["flag"].all()
    assert not found["missing"].any()


def test_the_columns_are_lsst_s_in_its_order_and_unit():
    positions = pa.table({"id": [1], "ra": [0.0], "dec": [0.0]})
    schema = measure(make_exposure(), positions, config=CONFIG, columns="lsst").schema
    names = [name for name in schema.names if name.startswith("base_FPPosition")]
    suffixes = ("_x", "_y", "_flag", "_missingDetector_flag")
    assert names == [f"base_FPPosition{suffix}" for suffix in suffixes]
    assert [schema.field(name).metadata[b"unit"] for name in names[:2]] == [b"mm", b"mm"]


@pytest.mark.parametrize("name", ["hsc_i_obs_base_calexp.fits"])
def test_a_real_exposure_is_measured(shared, name):
    """The middle of detector 1_42 of HSC is where its camera description puts it."""
    from forcedsql.readers import open_exposure

    exposure = open_exposure(shared / "data" / "afw_formats" / name)
    x, y = (np.array([v]) for v in (exposure.bbox.x0 + 10.0, exposure.bbox.y0 + 10.0))
    ra, dec = exposure.wcs.pixel_to_sky(x, y)
    table = measure(exposure, pa.table({"id": [1], "ra": ra, "dec": dec}), config=CONFIG, columns="source")
    (row,) = table.to_pylist()
    # fpPosition (191.0478, -166.56315) mm, refPoint (1023.5, 2087.5), 0.015 mm, turned by 180.006 deg.
    np.testing.assert_allclose(
        [row["fpPosition_x"], row["fpPosition_y"]],
        [191.0478 - 0.015 * (x[0] - 1023.5), -166.56315 - 0.015 * (y[0] - 2087.5)],
        atol=0.015 * 2320 * 1.04e-4 + 1e-6,
    )
    assert not row["fpPosition_flag"]
