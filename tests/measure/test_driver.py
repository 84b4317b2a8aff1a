"""Every position gives one row, in order, whatever it is and whatever lies under it."""

import numpy as np
import pyarrow as pa
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError, MissingComponentError, OffImageError, TableError, UnsupportedError
from forcedsql.measure import measure
from forcedsql.measure.driver import flux_unit, measure_positions
from forcedsql.schema import measured_columns
from tests.measure.exposures import make_exposure, sky

CONFIG = MeasurementConfig()


def measure_at(exposure, x, y, **options):
    ra, dec = sky(x, y)
    return measure_positions(exposure, ra, dec, MeasurementConfig(**options))


HOSTILE = {
    "NaN": (np.nan, 0.1, "missing"),
    "both NaN": (np.nan, np.nan, "missing"),
    "infinite": (np.inf, 0.1, "missing"),
    "beyond the pole": (0.1, 95.0, "missing"),
    "just beyond the pole": (0.1, -90.001, "missing"),
    "the pole": (0.1, 90.0, "off"),
    "a million degrees": (1e6 + 0.1, 50.0, "off"),
    "the other side of the sky": (180.0, 0.1, "off"),
    "off by a pixel": (-0.0016, 0.1, "off"),
    "off by 1e9 pixels": (0.1, -89.0, "off"),
    "good": (0.1, 0.1, "good"),
    "good by 360 degrees more": (360.1, 0.1, "good"),
    "good by 360 degrees less": (-359.9, 0.1, "good"),
    "at RA 360": (359.9999, 0.05, "good"),
}


def test_hostile_positions_keep_their_rows_and_say_why():
    ra, dec = (np.array([row[i] for row in HOSTILE.values()]) for i in (0, 1))
    fate = np.array([row[2] for row in HOSTILE.values()])
    exposure = make_exposure(xy0=(-1, 0))
    columns = measure_positions(exposure, ra, dec, CONFIG)
    assert {len(values) for values in columns.values()} == {len(HOSTILE)}
    good, off, missing = fate == "good", fate == "off", fate == "missing"
    for name in ("psfFlux", "psfFluxErr", "ap03Flux", "ap12Flux", "ap12FluxErr", "psfFlux_apCorr"):
        assert np.isnan(columns[name][~good]).all(), name
    for name in ("psfFlux_flag", "ap03Flux_flag", "ap70Flux_flag"):
        assert columns[name][~good].all(), name
    np.testing.assert_array_equal(columns["pixelFlags_offimage"], off)
    np.testing.assert_array_equal(columns["pixelFlags_edge"], off)
    np.testing.assert_array_equal(columns["psfFlux_flag_noGoodPixels"], off)
    np.testing.assert_array_equal(columns["pixelFlags_flag"], missing)
    assert columns["centroid_flag"][missing].all()
    assert not columns["centroid_flag"][good].any()
    inner = good & (np.array(list(HOSTILE)) != "at RA 360")
    assert np.isfinite(columns["psfFlux"][good]).all()
    assert len(set(columns["psfFlux"][inner].round(6))) == 1
    assert not columns["invalidPsfFlag"].any()


def test_the_driver_gives_every_column_of_the_schema_in_its_type():
    columns = measure_at(make_exposure(), [50.0, -900.0], [60.0, 60.0])
    for column in measured_columns(CONFIG):
        assert columns[column.source].dtype == np.dtype(column.type.to_pandas_dtype()), column.source


def test_rows_keep_the_order_of_the_positions():
    exposure = make_exposure(shape=(400, 420))
    rng = np.random.default_rng(3)
    x, y = rng.uniform(0, 419, 500), rng.uniform(0, 399, 500)
    together = measure_at(exposure, x, y)
    np.testing.assert_allclose(together["x"], x, atol=1e-9)
    order = rng.permutation(500)
    shuffled = measure_at(exposure, x[order], y[order])
    alone = measure_at(exposure, x[7:8], y[7:8])
    for name, values in together.items():
        np.testing.assert_array_equal(shuffled[name], values[order], err_msg=name)
        np.testing.assert_array_equal(alone[name], values[7:8], err_msg=name)


def test_no_positions_give_an_empty_table_with_all_columns():
    empty = pa.table(
        {"id": pa.array([], pa.int64()), "ra": pa.array([], pa.float64()), "dec": pa.array([], pa.float64())}
    )
    table = measure(make_exposure(), empty)
    assert (table.num_rows, table.num_columns) == (0, 100)


def test_an_edge_pixel_is_on_the_image_and_half_a_pixel_further_is_not():
    exposure = make_exposure(xy0=(10, 20))
    x = np.array([9.5, 9.4999, 229.4999, 229.5])
    columns = measure_at(exposure, x, np.full(4, 100.0))
    assert columns["pixelFlags_offimage"].tolist() == [False, True, False, True]
    assert columns["psfFlux_flag_edge"].all()
    assert columns["psfFlux_npixels"].tolist() == [13 * 25, 0, 13 * 25, 0]


def test_off_image_raise_refuses_and_names_the_row():
    with pytest.raises(OffImageError, match=r"position 2 of 3 is off the image: pixel \(-5.00, 10.00\)"):
        measure_at(make_exposure(), [5.0, -5.0, -6.0], [10.0, 10.0, 10.0], off_image="raise")


def test_nan_and_masked_pixels_are_flags_not_errors():
    exposure = make_exposure()
    exposure.image[100, 100] = np.nan
    exposure.mask[100, 100] = 1 << 8
    exposure.variance[150, 50] = -1e6
    exposure.mask[20:60, 20:60] = (1 << 0) | (1 << 1)
    columns = measure_at(exposure, [100.0, 112.0, 130.0, 50.0, 40.0], [100.0, 100.0, 100.0, 150.0, 40.0])
    assert np.isnan(columns["psfFlux"]).tolist() == [True, True, False, True, False]
    assert columns["psfFlux_flag"].tolist() == [True, True, False, True, False]
    assert columns["psfFlux_npixels"].tolist() == [625] * 5
    assert columns["pixelFlags_nodataCenter"].tolist() == [True, False, False, False, False]
    assert columns["pixelFlags_badCenterAll"].tolist() == [False] * 4 + [True]
    assert np.isnan(columns["ap12Flux"]).tolist() == [True, True, False, False, False]
    assert np.isnan(columns["ap12FluxErr"]).tolist() == [False, False, False, True, False]
    assert not columns["ap12Flux_flag"].any()


def test_the_sign_bit_of_the_mask_is_a_plane_like_any_other():
    exposure = make_exposure(mask_planes={"SAT": 31})
    exposure.mask[100, 100] = np.int32(-(2**31))
    columns = measure_at(exposure, [100.0], [100.0], bad_mask_planes=("SAT",))
    assert columns["pixelFlags_saturatedCenter"].tolist() == [True]
    assert columns["psfFlux_npixels"].tolist() == [624]


def test_a_stamp_without_a_good_pixel_says_so():
    exposure = make_exposure()
    exposure.mask[:] = 1 << PLANE_SAT
    columns = measure_at(exposure, [100.0], [100.0], bad_mask_planes=("SAT",))
    assert columns["psfFlux_flag_noGoodPixels"].tolist() == [True]
    assert columns["psfFlux_flag"].tolist() == [True]
    assert columns["psfFlux_npixels"].tolist() == [0]
    assert np.isnan(columns["psfFlux_area"]).all()


PLANE_SAT = 1


def test_without_a_psf_the_apertures_are_measured_and_the_psf_columns_flagged():
    columns = measure_at(make_exposure(psf=None), [100.0], [100.0])
    assert columns["invalidPsfFlag"].tolist() == columns["psfFlux_flag"].tolist() == [True]
    assert columns["pixelFlags_flag"].tolist() == [False]
    for name in ("ap03Flux", "ap12Flux", "ap12FluxErr"):
        assert np.isfinite(columns[name]).all()
    for name in ("psfFlux", "psfFluxErr", "psfFlux_apCorr"):
        assert np.isnan(columns[name]).all()


def test_without_a_psf_pixel_flags_look_at_a_circle_of_the_footprint_scaling():
    exposure = make_exposure(psf=None)
    exposure.mask[100, 105] = 1 << PLANE_SAT
    for x, scaling, flagged in (
        (100.01, 5.0, True),
        (99.99, 5.0, False),
        (103.0, 3.0, True),
        (101.0, 3.0, False),
    ):
        columns = measure_at(exposure, [x], [100.0], psf_footprint_scaling=scaling)
        assert columns["pixelFlags_saturated"].tolist() == [flagged], (x, scaling)
        assert not columns["pixelFlags_saturatedCenter"].any()


def test_a_psf_of_an_unknown_class_is_refused_only_where_it_is_needed():
    exposure = make_exposure(psf=None, unsupported={"psf": "StrangePsf"})
    with pytest.raises(UnsupportedError, match="psf is a StrangePsf"):
        measure_at(exposure, [100.0], [100.0])
    apertures = ("base_TransformedCentroidFromCoord", "base_CircularApertureFlux")
    assert np.isfinite(measure_at(exposure, [100.0], [100.0], plugins=apertures)["ap12Flux"]).all()


def test_an_exposure_without_a_projection_is_refused():
    with pytest.raises(MissingComponentError, match="no sky projection"):
        measure_at(make_exposure(wcs=None), [100.0], [100.0])


def test_a_configured_mask_plane_must_exist():
    for option in ("bad_mask_planes", "masks_footprint", "masks_center"):
        with pytest.raises(
            ConfigError, match=f"{option}: the exposure has no mask plane 'STREAK'; it has BAD"
        ):
            measure_at(make_exposure(), [100.0], [100.0], **{option: ("STREAK",)})


def test_an_exposure_smaller_than_the_psf_is_measured_over_its_edges():
    columns = measure_at(make_exposure(shape=(20, 20)), [10.0], [10.0])
    assert columns["psfFlux_npixels"].tolist() == [400]
    assert columns["psfFlux_flag_edge"].tolist() == [True]
    assert np.isfinite(columns["psfFlux"]).all()


@pytest.mark.parametrize(
    ("unit", "calibrated", "expected"),
    [("nJy", False, "nJy"), ("adu", False, "adu"), ("", False, "ct"), ("adu", True, "nJy")],
)
def test_the_unit_of_the_fluxes_is_said(unit, calibrated, expected):
    from forcedsql.fields.calibration import PhotoCalib

    exposure = make_exposure(unit=unit, photo_calib=PhotoCalib(2.0) if calibrated else None)
    assert flux_unit(exposure, CONFIG) == expected
    assert flux_unit(exposure, MeasurementConfig(calibrate="never")) == (unit or "ct")


def test_source_style_has_degrees_and_the_ids_as_given():
    positions = pa.table({"name": ["a", "b"], "ra": [0.05, 0.06], "dec": [0.05, None]})
    table = measure(make_exposure(), positions, columns="source", id_column="name")
    assert table["id"].to_pylist() == ["a", "b"]
    assert table["ra"].to_pylist() == [0.05, 0.06]
    assert table["centroid_flag"].to_pylist() == [False, True]
    with pytest.raises(TableError, match="columns='dp1' is not one of lsst, source"):
        measure(make_exposure(), positions, columns="dp1")


def test_duplicate_ids_are_two_rows():
    positions = pa.table({"id": [5, 5], "ra": [0.05, 0.06], "dec": [0.05, 0.05]})
    assert measure(make_exposure(), positions)["objectId"].to_pylist() == [5, 5]


def test_the_exposure_is_not_changed():
    exposure = make_exposure()
    before = [plane.copy() for plane in (exposure.image, exposure.variance, exposure.mask)]
    measure_at(exposure, [100.0], [100.0])
    for plane, copy in zip((exposure.image, exposure.variance, exposure.mask), before, strict=True):
        np.testing.assert_array_equal(plane, copy)


def test_the_table_says_how_it_was_measured():
    positions = pa.table({"ra": [0.1], "dec": [0.1]})
    exposure = make_exposure(noise=3.0)
    plain = measure(exposure, positions).schema.metadata
    assert set(plain) == {b"forcedsql.config", b"forcedsql.config_digest"}
    config = MeasurementConfig(do_scale_variance=True, do_replace_with_noise=True, noise_seed=77)
    facts = measure(exposure, positions, config=config).schema.metadata
    assert facts[b"forcedsql.noise_seed"] == b"77"
    # 44,000 pixels of noise: 0.7 percent, and the definition's own -0.35.
    assert float(facts[b"forcedsql.VARIANCE_SCALE"]) == pytest.approx(1.0, abs=0.03)
    assert facts[b"forcedsql.config_digest"] != plain[b"forcedsql.config_digest"]
