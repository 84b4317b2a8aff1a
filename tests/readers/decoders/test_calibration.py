"""Decoders of calibrations and aperture corrections."""

import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.fields.bounded_field import ChebyshevField

X, Y = np.array([0.0, 3.0]), np.array([0.0, 5.0])


def add_field(afw, coefficients, *, order_x=0, box=(0, 0, 7, 5)):
    edges = zip(("min_x", "min_y", "max_x", "max_y"), box, strict=True)
    return afw.add_object(
        "ChebyshevBoundedField",
        order_x=("J", [order_x]),
        **{f"bbox_{edge}": ("J", [value]) for edge, value in edges},
        coefficients=(f"{len(coefficients)}D", [coefficients]),
    )


def add_photo_calib(afw, *, constant, field=0, version=1):
    afw.primary["PHOTOCALIB_ID"] = afw.add_object(
        "PhotoCalib",
        flags={"isConstant": [constant]},
        calibrationMean=("D", [2.0]),
        calibrationErr=("D", [0.1]),
        field=("J", [field]),
        version=("J", [version]),
    )


def add_ap_corr(afw, **fields):
    afw.primary["AP_CORR_MAP_ID"] = afw.add_object(
        "ApCorrMap", rows=len(fields), name=("64A", list(fields)), field=("J", list(fields.values()))
    )


def test_coefficients_are_stored_with_x_fastest(afw, opened):
    # 1 + 10 T1(x) + 100 T1(y), over x from -0.5 to 7.5 and y from -0.5 to 5.5.
    add_ap_corr(afw, f=add_field(afw, [1.0, 10.0, 100.0, 0.0], order_x=1))
    field = opened().ap_corr["f"]
    assert isinstance(field, ChebyshevField)
    np.testing.assert_allclose(field.evaluate(np.array([7.5]), np.array([-0.5])), 1 + 10 - 100, rtol=1e-15)


def test_a_constant_over_an_empty_box_is_that_constant(afw, opened):
    add_ap_corr(afw, f=add_field(afw, [1e6], box=(0, 0, -1, -1)))
    np.testing.assert_array_equal(opened().ap_corr["f"].evaluate(X, Y), 1e6)


def test_a_varying_field_over_an_empty_box_is_refused(afw, opened):
    add_ap_corr(afw, f=add_field(afw, [1.0, 2.0], order_x=1, box=(0, 0, -1, -1)))
    with pytest.raises(ReadError, match="empty box"):
        opened()


@pytest.mark.parametrize("order_x", [-1, 1, 3])
def test_coefficients_that_do_not_fit_the_order_are_refused(afw, opened, order_x):
    add_ap_corr(afw, f=add_field(afw, [1.0, 2.0, 3.0], order_x=order_x))
    with pytest.raises(ReadError, match=f"3 coefficients for order {order_x}"):
        opened()


def test_a_hostile_order_is_refused(afw, opened):
    add_ap_corr(afw, f=add_field(afw, [1.0], order_x=2**31 - 2))
    with pytest.raises(FileLimitError, match="reads at most 50"):
        opened()


def test_a_constant_calibration_does_not_look_at_its_field(afw, opened):
    add_photo_calib(afw, constant=True, field=77)
    calib = opened().photo_calib
    assert (calib.mean, calib.error, calib.field) == (2.0, 0.1, None)


def test_a_varying_calibration_has_its_field(afw, opened):
    add_photo_calib(afw, constant=False, field=add_field(afw, [3.0]))
    np.testing.assert_array_equal(opened().photo_calib.factor(X, Y), 3.0)


def test_a_calibration_with_an_unknown_field_is_unsupported(afw, opened):
    add_photo_calib(afw, constant=False, field=afw.add_object("MysteryField", a=("J", [0])))
    exposure = opened()
    assert exposure.photo_calib is None
    assert dict(exposure.unsupported) == {"photo_calib": "PhotoCalib with MysteryField"}


def test_a_calibration_in_maggies_is_unsupported(afw, opened):
    add_photo_calib(afw, constant=True, version=0)
    assert dict(opened().unsupported) == {"photo_calib": "PhotoCalib of version 0"}


def test_the_calib_of_old_archives_is_read(afw, opened):
    calib = afw.add_object("Calib", **{"fluxmag0": ("D", [1e12]), "fluxmag0.err": ("D", [0.0])})
    afw.primary["PHOTOCALIB_ID"] = calib
    # AB magnitude 0 is 3.630780547701e12 nJy.
    assert opened().photo_calib.mean == pytest.approx(3.630780547701, rel=1e-12)


def test_an_unknown_field_leaves_the_other_aperture_corrections(afw, opened):
    mystery = afw.add_object("MysteryField", a=("J", [0]))
    add_ap_corr(afw, base_PsfFlux_instFlux=add_field(afw, [1.5]), base_KronFlux_instFlux=mystery)
    exposure = opened()
    assert list(exposure.ap_corr) == ["base_PsfFlux_instFlux"]
    assert dict(exposure.unsupported) == {}


def test_an_unknown_field_of_the_psf_flux_makes_the_correction_unsupported(afw, opened):
    mystery = afw.add_object("MysteryField", a=("J", [0]))
    add_ap_corr(afw, base_PsfFlux_instFlux=mystery, base_KronFlux_instFlux=add_field(afw, [1.5]))
    exposure = opened()
    assert list(exposure.ap_corr) == ["base_KronFlux_instFlux"]
    assert dict(exposure.unsupported) == {"ap_corr": "MysteryField"}


def test_a_map_of_more_corrections_than_there_are_fluxes_is_refused(afw, opened, monkeypatch):
    monkeypatch.setattr("forcedsql.readers.decoders.calibration._MAX_AP_CORRS", 1)
    field = add_field(afw, [1.0])
    add_ap_corr(afw, base_PsfFlux_instFlux=field, other=field)
    with pytest.raises(FileLimitError, match=r"rows of .*ApCorrMap.*: 2"):
        opened()
