"""Stars and galaxies told apart by what other plugins have measured."""

import numpy as np
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch
from forcedsql.measure.classification import extendedness
from forcedsql.measure.exposure_planes import planes_of
from forcedsql.measure.kernels import default_kernel
from forcedsql.measure.slot_values import shape_slot
from tests.measure.exposures import make_exposure

PLUGINS = (
    *MeasurementConfig().plugins,
    "base_GaussianFlux",
    "base_SdssShape",
    "base_ClassificationExtendedness",
)
SLOTS = {"shape": "base_SdssShape", "modelFlux": "base_GaussianFlux"}


def config_with(slots=SLOTS, **options):
    return MeasurementConfig(
        plugins=PLUGINS, slots=slots, plugin_options={"base_ClassificationExtendedness": options}
    )


def batch_with(**measured):
    exposure, place = make_exposure(), np.full(len(next(iter(measured.values()))), 100.0)
    columns = {name: np.asarray(values) for name, values in measured.items()}
    return Batch(exposure, planes_of(exposure), default_kernel(), place, place, None, None, columns)


def classified(config, model, psf, *, model_error=4.0, psf_error=2.0, flags=(False, False)):
    n = len(model)
    batch = batch_with(
        gaussianFlux=np.array(model, float),
        gaussianFluxErr=np.full(n, model_error),
        gaussianFlux_flag=np.full(n, flags[0]),
        psfFlux=np.array(psf, float),
        psfFluxErr=np.full(n, psf_error),
        psfFlux_flag=np.full(n, flags[1]),
    )
    return extendedness(batch, config)


@pytest.mark.parametrize(
    ("options", "border"),
    [
        ({}, 95.0),
        ({"fluxRatio": 0.5}, 50.0),
        ({"modelErrFactor": 3.0}, 95.0 + 12.0),
        ({"psfErrFactor": 3.0}, 95.0 - 6.0),
        ({"modelErrFactor": 0.5, "psfErrFactor": 2.0}, 95.0 + 2.0 - 4.0),
    ],
)
def test_a_star_has_a_psf_flux_above_the_border_that_the_options_draw(options, border):
    psf = [border - 0.1, border + 0.1]
    got = classified(config_with(**options), [100.0, 100.0], psf)
    assert got["extendedness"].tolist() == [1.0, 0.0]
    assert not got["extendedness_flag"].any()


def test_on_the_border_is_a_galaxy():
    got = classified(config_with(fluxRatio=0.5), [100.0], [50.0])
    assert got["extendedness"].tolist() == [1.0]


def test_an_error_that_does_not_count_may_be_missing():
    got = classified(config_with(), [100.0], [99.0], model_error=np.nan, psf_error=np.nan)
    assert got["extendedness"].tolist() == [0.0]
    for option in ("modelErrFactor", "psfErrFactor"):
        got = classified(config_with(**{option: 1.0}), [100.0], [99.0], model_error=np.nan, psf_error=np.nan)
        assert got["extendedness_flag"].tolist() == [True]


@pytest.mark.parametrize("flags", [(True, False), (False, True)])
def test_a_flagged_flux_gives_no_class(flags):
    got = classified(config_with(), [100.0], [99.0], flags=flags)
    assert np.isnan(got["extendedness"]).all()
    assert got["extendedness_flag"].all()


def test_without_a_model_flux_there_is_no_class_and_no_flag():
    got = classified(config_with(slots={"shape": "base_SdssShape"}), [100.0], [99.0])
    assert np.isnan(got["extendedness"]).all()
    assert not got["extendedness_flag"].any()


def test_a_shape_slot_has_the_moments_and_the_flag_of_its_plugin():
    batch = batch_with(
        ixx=[4.0], iyy=[9.0], ixy=[1.0], shape_flag=[True], ixxPSF=[2.0], iyyPSF=[3.0], ixyPSF=[0.5]
    )
    shape, psf = shape_slot(batch, config_with()), shape_slot(batch, config_with(), "psfShape")
    assert (shape.moments.tolist(), shape.flag.tolist()) == ([[4.0, 9.0, 1.0]], [True])
    # The PSF's moments have no flag of their own.
    assert (psf.moments.tolist(), psf.flag.tolist()) == ([[2.0, 3.0, 0.5]], [False])
    nothing = shape_slot(batch_with(psfFlux=[1.0]), config_with())
    assert np.isnan(nothing.moments).all()
