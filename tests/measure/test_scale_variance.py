"""The variance factor: LSST's own on its exposures, and the truth on simulated noise."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError
from forcedsql.measure import measure
from forcedsql.measure.background import background_image
from forcedsql.measure.driver import measure_positions
from forcedsql.measure.scale_variance import scale_variance, variance_factor
from tests.measure.exposures import make_exposure, sky
from tests.measure.test_reference import (
    DRAWN_SETS,
    GAUSSIAN_AND_KERNEL_SETS,
    WARPED_SETS,
    assert_tables_agree,
    cached_exposure,
    measured_and_expected,
    tolerance_of,
)

SETS = sorted({*GAUSSIAN_AND_KERNEL_SETS, *WARPED_SETS, *DRAWN_SETS} - {"constant_scan"})

FACTOR_TOLERANCE = {"coaddpsf_mixed": 3e-4, "doublegauss_noise": 1e-6, "singlegauss_tan": 1e-6}
"""One pixel more or less in a clipped cell; the other sets agree to rounding."""


@pytest.mark.parametrize("name", SETS)
def test_the_factor_is_lsst_s(reference, name):
    expected = json.loads((reference / name / "scalevar.json").read_text())["VARIANCE_SCALE"]
    factor = variance_factor(cached_exposure(reference / name / "exposure.fits"))
    assert factor == pytest.approx(expected, rel=FACTOR_TOLERANCE.get(name, 1e-9))


@pytest.mark.parametrize("name", SETS)
def test_the_table_with_scaled_variances_is_reproduced(reference, name):
    measured, expected = measured_and_expected(reference / name, "expected_scalevar", do_scale_variance=True)
    # LSST takes a background off the image and puts it back, which moves fluxes by 1e-6 sigma;
    # errors and chi2 go with the factor.
    factor = FACTOR_TOLERANCE.get(name, 1e-6)
    tolerance = type(tolerance_of(name))(
        flux=max(5e-6, tolerance_of(name).flux), error=factor, chi2=max(5e-5, factor)
    )
    names = [n for n in expected.column_names if "CircularAperture" not in n]
    assert_tables_agree(measured.select(names), expected.select(names), tolerance=tolerance)


def test_noise_that_is_wider_than_the_variance_says_is_found_on_a_sloping_sky():
    rng = np.random.default_rng(5)
    exposure = make_exposure(shape=(600, 620), noise=1.0)
    row, column = np.indices(exposure.image.shape)
    exposure.image[:] = rng.normal(0.0, 1.7, exposure.image.shape) + 100.0 + 0.1 * row - 0.05 * column
    # Uncertainty of the width from 372,000 pixels: 0.2 % of the variance; the definition has
    # 0.74 for 0.7413, which is -0.35 %.
    assert variance_factor(exposure) == pytest.approx(1.7**2, rel=0.01)


def test_the_exposure_keeps_its_variance_and_the_factor_is_told():
    exposure = make_exposure(shape=(200, 220), noise=3.0)
    exposure.variance[:] = 4.5
    before = exposure.variance.copy()
    scaled = scale_variance(exposure)
    np.testing.assert_array_equal(exposure.variance, before)
    np.testing.assert_allclose(scaled.exposure.variance, 4.5 * scaled.factor, rtol=1e-6)
    assert scale_variance(exposure) is scaled
    config = MeasurementConfig(do_scale_variance=True)
    plain, corrected = (
        measure_positions(exposure, *sky([100.0], [100.0]), c) for c in (MeasurementConfig(), config)
    )
    ratio = corrected["psfFluxErr"] / plain["psfFluxErr"]
    np.testing.assert_allclose(ratio, np.sqrt(scaled.factor), rtol=1e-6)
    np.testing.assert_array_equal(corrected["psfFlux"], plain["psfFlux"])


def test_the_factor_is_recorded_with_the_table(reference):
    folder = reference / "kernelpsf_even"
    exposure = cached_exposure(folder / "exposure.fits")
    positions = pq.read_table(folder / "positions.parquet").slice(0, 3)
    table = measure(exposure, positions, config=MeasurementConfig(do_scale_variance=True))
    assert float(table.schema.metadata[b"forcedsql.VARIANCE_SCALE"]) == variance_factor(exposure)
    assert b"forcedsql.VARIANCE_SCALE" not in measure(exposure, positions).schema.metadata


def test_a_variance_that_cannot_be_right_is_refused():
    exposure = make_exposure(noise=3.0)
    exposure.variance[:] = 0.01
    with pytest.raises(ConfigError, match=r"do_scale_variance: the variance would be multiplied by 9\d\d"):
        scale_variance(exposure)


@pytest.mark.parametrize(("factor", "believed"), [(9.5, True), (10.5, False)])
def test_a_factor_of_ten_is_the_largest_that_is_believed(factor, believed):
    exposure = make_exposure(shape=(300, 320), noise=3.0)
    exposure.variance[:] *= variance_factor(exposure) / factor
    if believed:
        assert variance_factor(exposure) == pytest.approx(factor, rel=1e-5)
    else:
        with pytest.raises(ConfigError, match=r"multiplied by 10\.5, and no more than 10 is believable"):
            variance_factor(exposure)


def test_an_exposure_without_good_pixels_keeps_its_variance():
    exposure = make_exposure()
    exposure.mask[:] = 1
    assert variance_factor(exposure) == 1.0


def test_planes_that_the_exposure_lacks_leave_nothing_out():
    exposure = make_exposure(noise=3.0, mask_planes={"SAT": 4})
    whole = variance_factor(exposure)
    exposure.mask[:] = 1 << 3
    assert variance_factor(exposure) == whole
    exposure.image[:100] = 1e4
    exposure.mask[:100] = 1 << 4
    # 22,000 pixels of sky: 0.7 percent, and the definition's own -0.35.
    assert variance_factor(exposure) == pytest.approx(1.0, rel=0.04)


def test_a_background_follows_a_parabola_and_leaves_sources_and_masked_pixels_alone():
    row, column = np.indices((330, 350)) / 350.0
    truth = 50.0 + 20.0 * row - 30.0 * column + 40.0 * row * column + 25.0 * column**2
    image = (truth + np.random.default_rng(1).normal(0.0, 0.1, truth.shape)).astype(np.float32)
    image[100:104, 200:204] = 1e5
    image[7, 9] = np.nan
    bad = np.zeros(truth.shape, np.bool_)
    bad[200:240] = True
    image[200:240] = 1e4
    found = background_image(image, bad, bin_size=32)
    # A cell whose lower half is masked has its mean off its centre: up to 16 pixels of the slope.
    error = np.abs(found - truth)
    assert error.max() < 1.0
    # Elsewhere: the noise of a cell's mean, 0.1 / 32, and what the clip takes off the slope.
    assert error[:150].max() < 0.1
    assert np.isfinite(found).all()


@pytest.mark.parametrize("shape", [(5, 7), (40, 200), (100, 33)])
def test_a_background_of_few_cells_is_smooth_too(shape):
    image = np.full(shape, 3.5, np.float32)
    np.testing.assert_allclose(
        background_image(image, np.zeros(shape, np.bool_), bin_size=32), 3.5, rtol=1e-6
    )
