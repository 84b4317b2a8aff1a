"""LightCurve: points of a table as arrays."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.errors import TableError
from forcedsql.lightcurve import LightCurve


def a_table(**changes):
    columns = {
        "mjd": [1.0, None, 3.0, 4.0],
        "psfFlux": [500.0, 1.0, 20.0, None],
        "psfFluxErr": [50.0, 1.0, 50.0, None],
        "band": ["z", "r", "g", None],
        "kind": ["visit_image", "deep_coadd", "difference_image", "visit_image"],
        "flux_unit": ["nJy"] * 4,
        "flagged": [False, False, False, True],
        "detected": [True, True, False, None],
        "limit_flux": [None, None, 250.0, None],
    }
    return pa.table(columns | changes)


def test_rows_with_a_time_are_points_and_missing_values_are_nan():
    curve = LightCurve.from_table(a_table())
    assert len(curve) == 3
    np.testing.assert_array_equal(curve.flux, [500.0, 20.0, np.nan])
    np.testing.assert_array_equal(curve.limit, [np.nan, 250.0, np.nan])
    assert curve.detected.tolist() == [True, False, False]
    assert curve.flagged.tolist() == [False, False, True]
    assert curve.unit == "nJy"


def test_bands_go_from_blue_to_red_and_visit_images_come_first():
    bands = pa.array(["y", "u", "N921", "g"])
    curve = LightCurve.from_table(a_table(band=bands, mjd=[1.0, 2.0, 3.0, 4.0]))
    assert curve.bands == ("u", "g", "y", "N921")
    assert curve.kinds[0] == "visit_image"
    assert LightCurve.from_table(a_table()).kinds == ("visit_image", "difference_image")


def test_points_of_a_band_or_kind_can_be_chosen():
    curve = LightCurve.from_table(a_table())
    assert curve.of_band("g").mjd.tolist() == [3.0]
    assert curve.of_kind("visit_image").mjd.tolist() == [1.0, 4.0]


def test_a_table_without_limits_or_of_several_units_is_refused():
    with pytest.raises(TableError, match="'limit_flux'; light_curve_limits"):
        LightCurve.from_table(a_table().drop_columns(["limit_flux"]))
    with pytest.raises(TableError, match="several units: adu, nJy"):
        LightCurve.from_table(a_table(flux_unit=["nJy", "nJy", "adu", "nJy"]))


def test_a_light_curve_may_be_empty():
    curve = LightCurve.from_table(a_table().slice(0, 0))
    assert (len(curve), curve.bands, curve.kinds, curve.unit) == (0, (), (), "")
