import numpy as np
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.errors import UnsupportedError
from forcedsql.fields.bounded_field import ChebyshevField, ConstantField
from forcedsql.geometry import Box
from forcedsql.measure.driver import measure_positions
from tests.measure.exposures import make_exposure, sky

NAME = "base_PsfFlux_instFlux"


def measured(ap_corr, *, do_ap_corr=True, x=(60.0, 160.0)):
    exposure = make_exposure(ap_corr=ap_corr)
    return measure_positions(exposure, *sky(x, [100.0] * len(x)), MeasurementConfig(do_ap_corr=do_ap_corr))


def both(field):
    return {NAME: field, f"{NAME}Err": ConstantField(0.01)}


def test_flux_and_error_are_multiplied_and_the_rest_is_not():
    plain, corrected = measured(None), measured(both(ConstantField(0.98)))
    np.testing.assert_allclose(corrected["psfFlux"], 0.98 * plain["psfFlux"], rtol=1e-15)
    np.testing.assert_allclose(corrected["psfFluxErr"], 0.98 * plain["psfFluxErr"], rtol=1e-15)
    for name in ("psfFlux_chi2", "psfFlux_area", "ap12Flux"):
        np.testing.assert_array_equal(corrected[name], plain[name])
    assert corrected["psfFlux_apCorr"].tolist() == [0.98, 0.98]
    assert corrected["psfFlux_apCorrErr"].tolist() == [0.0, 0.0]


def test_no_map_corrects_nothing_and_flags_nothing():
    columns = measured(None)
    assert np.isnan(columns["psfFlux_apCorr"]).all()
    assert not columns["psfFlux_flag_apCorr"].any()
    assert not columns["psfFlux_flag"].any()


@pytest.mark.parametrize(
    "ap_corr", [{}, {NAME: ConstantField(0.9)}, {"base_GaussianFlux_instFlux": ConstantField(1)}]
)
def test_a_map_without_the_psf_flux_flags_the_correction_only(ap_corr):
    columns = measured(ap_corr)
    assert columns["psfFlux_flag_apCorr"].all()
    assert not columns["psfFlux_flag"].any()
    assert np.isnan(columns["psfFlux_apCorr"]).all()


@pytest.mark.parametrize("value", [-1.0, 0.0, np.nan, np.inf])
def test_a_useless_correction_leaves_the_flux_and_raises_both_flags(value):
    plain, columns = measured(None), measured(both(ConstantField(value)))
    np.testing.assert_array_equal(columns["psfFlux"], plain["psfFlux"])
    assert columns["psfFlux_flag_apCorr"].all()
    assert columns["psfFlux_flag"].all()
    assert np.isnan(columns["psfFlux_apCorr"]).all()


def test_a_correction_is_judged_source_by_source():
    slope = ChebyshevField(Box(0, 0, 220, 200), np.array([[0.0, 1.0]]))
    columns = measured(both(slope))
    assert columns["psfFlux_flag_apCorr"].tolist() == [True, False]


def test_without_the_option_there_are_no_columns_of_it():
    assert "psfFlux_apCorr" not in measured(both(ConstantField(0.5)), do_ap_corr=False)


def test_a_correction_of_an_unknown_class_is_refused_by_name():
    exposure = make_exposure(unsupported={"ap_corr": "OddField"})
    with pytest.raises(UnsupportedError, match="ap_corr is a OddField"):
        measure_positions(exposure, *sky([60.0], [60.0]), MeasurementConfig())
