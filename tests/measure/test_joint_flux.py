"""``deblend="joint"``: the joint fit's columns in the tables of a measurement."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError
from forcedsql.fields.bounded_field import ChebyshevField
from forcedsql.fields.calibration import PhotoCalib
from forcedsql.measure import measure, measure_positions, residual_image
from forcedsql.schema import joint_columns, lsst_schema, measured_columns, source_schema
from tests.measure.crowded import crowded_exposure
from tests.measure.exposures import sky

JOINT = MeasurementConfig(deblend="joint")
X, Y, FLUX = np.array([30.0, 33.0, 100.0]), np.array([30.0, 31.0, 60.0]), np.array([1e4, 1e3, 2e3])


def pair_and_one(**parts):
    return crowded_exposure(shape=(120, 140), x=X, y=Y, flux=FLUX, **parts)


def table(x=X, y=Y):
    ra, dec = sky(x, y)
    return pa.table({"id": np.arange(len(x)), "ra": ra, "dec": dec})


def correction(exposure, value=1.02):
    box = exposure.bbox
    field = ChebyshevField(box, np.array([[value, 0.01], [0.02, 0.0]]))
    return {"base_PsfFlux_instFlux": field, "base_PsfFlux_instFluxErr": field}


def with_parts(exposure, **parts):
    from dataclasses import replace

    return replace(exposure, **parts)


def test_the_columns_are_there_only_when_asked_for():
    assert not [c for c in measured_columns(MeasurementConfig()) if "joint" in c.source]
    names = {c.source for c in joint_columns(JOINT)}
    assert {"psfFlux_joint", "psfFlux_jointErr", "psfFlux_joint_blendId", "psfFlux_joint_blendSize"} <= names
    assert names <= set(source_schema(JOINT, "nJy").names)
    assert "forcedsql_JointPsfFlux_flux" in lsst_schema(JOINT, "nJy").names
    assert "psfFlux_joint_background" not in names


def test_blended_stars_have_their_own_light_and_a_lone_one_its_psf_flux():
    got = measure(pair_and_one(), table(), config=JOINT, columns="source")
    joint, error = got["psfFlux_joint"].to_numpy(), got["psfFlux_jointErr"].to_numpy()
    assert (np.abs(joint - FLUX) < 4 * error).all()
    assert got["psfFlux"][1].as_py() > FLUX[1] + 20 * error[1]
    assert joint[2] == got["psfFlux"][2].as_py()
    assert got["psfFlux_joint_blendId"].to_pylist() == [0, 0, 2]
    assert got["psfFlux_joint_blendSize"].to_pylist() == [2, 2, 1]
    assert not any(got["psfFlux_joint_flag"].to_pylist())


def test_fluxes_are_corrected_and_calibrated_as_psf_fluxes_are():
    plain = pair_and_one()
    exposure = with_parts(plain, unit="adu", photo_calib=PhotoCalib(3.0), ap_corr=correction(plain))
    raw = measure(plain, table(), config=JOINT, columns="source")
    got = measure(exposure, table(), config=JOINT, columns="source")
    for name in ("psfFlux_joint", "psfFlux_jointErr"):
        factor = got[name].to_numpy() / raw[name].to_numpy()
        single = got[name.replace("_joint", "")].to_numpy() / raw[name.replace("_joint", "")].to_numpy()
        np.testing.assert_allclose(factor, single, rtol=1e-14)
    assert got["psfFlux_joint_apCorr"].equals(got["psfFlux_apCorr"])
    assert got.schema.field("psfFlux_joint").metadata[b"unit"] == b"nJy"


def test_a_correction_that_is_not_positive_is_flagged():
    plain = pair_and_one()
    got = measure(with_parts(plain, ap_corr=correction(plain, -1.0)), table(), config=JOINT, columns="source")
    assert all(got["psfFlux_joint_flag_apCorr"].to_pylist())
    assert all(got["psfFlux_joint_flag"].to_pylist())
    assert np.isfinite(got["psfFlux_joint"].to_numpy()).all()


def test_every_row_is_kept_and_says_why():
    x = np.array([30.0, np.nan, -500.0, 3.0, 30.0])
    got = measure(pair_and_one(), table(x, np.full(5, 30.0)), config=JOINT, columns="source")

    def rows(name):
        return got[f"psfFlux_joint{name}"].to_pylist()

    assert np.isfinite(got["psfFlux_joint"].to_numpy()).tolist() == [False, False, False, True, False]
    assert rows("_flag") == [True] * 5
    assert rows("_flag_degenerate") == [True, False, False, False, True]
    assert rows("_flag_edge") == [False, False, True, True, False]
    assert rows("_flag_noGoodPixels") == [False, False, True, False, False]
    assert rows("_blendId") == [0, -1, -1, 3, 0]
    for column in measured_columns(JOINT):
        assert got.schema.field(column.source).type == column.type


def test_a_background_has_its_columns():
    exposure = pair_and_one()
    exposure.image[:] += 20.0
    config = MeasurementConfig(deblend="joint", deblend_background=True)
    got = measure(exposure, table(), config=config, columns="source")
    pull = (got["psfFlux_joint_background"].to_numpy() - 20.0) / got["psfFlux_joint_backgroundErr"].to_numpy()
    assert (np.abs(pull) < 4).all()
    assert (np.abs(got["psfFlux_joint"].to_numpy() - FLUX) < 4 * got["psfFlux_jointErr"].to_numpy()).all()


def test_neighbours_of_a_second_table_are_taken_into_account():
    exposure = pair_and_one()
    together = measure(exposure, table(), config=JOINT, columns="source")
    got = measure(exposure, table(X[1:2], Y[1:2]), config=JOINT, columns="source", neighbours=table())
    assert got.num_rows == 1
    np.testing.assert_allclose(
        got["psfFlux_joint"][0].as_py(), together["psfFlux_joint"][1].as_py(), rtol=1e-12
    )
    assert got["psfFlux_joint_blendSize"].to_pylist() == [2]
    with pytest.raises(ConfigError, match="set deblend=joint"):
        measure(exposure, table(), neighbours=table())


def test_the_other_columns_are_as_without_a_joint_fit():
    exposure = pair_and_one()
    ra, dec = sky(X, Y)
    plain = measure_positions(exposure, ra, dec, MeasurementConfig())
    joint = measure_positions(exposure, ra, dec, JOINT)
    for name, values in plain.items():
        np.testing.assert_array_equal(joint[name], values, err_msg=name)


def test_no_positions_give_an_empty_table_with_all_columns():
    none = table(np.empty(0), np.empty(0))
    assert measure(pair_and_one(), none, config=JOINT, columns="source").num_rows == 0


def test_the_residual_image_is_the_noise():
    exposure = pair_and_one()
    pull = residual_image(exposure, table()) / np.sqrt(exposure.variance)
    assert abs(pull.std() - 1) < 0.03
    shared_out = residual_image(exposure, table(X[:1], Y[:1]), neighbours=table())
    np.testing.assert_allclose(shared_out, residual_image(exposure, table()), atol=1e-3)


def test_deblend_is_a_choice():
    with pytest.raises(ConfigError, match="deblend: 'scarlet' is not one of none, joint"):
        MeasurementConfig(deblend="scarlet")
    assert MeasurementConfig().with_settings(["deblend=joint"]) == JOINT


def test_without_an_aperture_correction_fluxes_are_the_fit_s():
    plain = pair_and_one()
    exposure = with_parts(plain, ap_corr=correction(plain))
    config = MeasurementConfig(deblend="joint", do_ap_corr=False)
    got, corrected = (measure(exposure, table(), config=c, columns="source") for c in (config, JOINT))
    raw = measure(plain, table(), config=JOINT, columns="source")
    assert got["psfFlux_joint"].equals(raw["psfFlux_joint"])
    assert not got["psfFlux_joint"].equals(corrected["psfFlux_joint"])
    assert "psfFlux_joint_apCorr" not in got.column_names
