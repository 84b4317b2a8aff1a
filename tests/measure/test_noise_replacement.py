"""Noise replacement: statistically LSST's, deterministic, and blind to the order of positions."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.measure.driver import measure_positions
from forcedsql.measure.noise_replacement import noise_plane, uncovered_in_turn
from tests.measure.exposures import gaussian_star, make_exposure, sky
from tests.measure.test_reference import (
    DRAWN_SETS,
    GAUSSIAN_AND_KERNEL_SETS,
    WARPED_SETS,
    column,
    measured_and_expected,
)

SETS = sorted({*GAUSSIAN_AND_KERNEL_SETS, *WARPED_SETS, *DRAWN_SETS} - {"constant_scan"})
SHAPE = (300, 320)


def measured_at(exposure, x, y, **options):
    return measure_positions(exposure, *sky(x, y), MeasurementConfig(do_replace_with_noise=True, **options))


@pytest.mark.parametrize("name", SETS)
def test_rows_agree_with_lsst_within_the_noise(reference, name):
    measured, expected = measured_and_expected(
        reference / name, "expected_noiserep", do_replace_with_noise=True
    )
    untouched = pq.read_table(reference / name / "expected.parquet")
    assert measured.column_names == expected.column_names
    moved = 0
    for column_name in (n for n in expected.column_names if n.endswith("_flux") and n.startswith("base_")):
        ours, theirs = column(measured, column_name), column(expected, column_name)
        before = column(untouched, column_name.replace("_flux", "_instFlux"))
        sigma = column(expected, f"{column_name}Err")
        np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(theirs), err_msg=column_name)
        good = np.isfinite(theirs) & np.isfinite(sigma) & (sigma > 0)
        if not good.any():
            continue  # the aperture is wider than the image
        deviation = (ours - theirs)[good] / sigma[good]
        # What differs is the noise in other footprints, a part of the aperture's own.
        assert np.abs(deviation).max() < 4.0, column_name
        if any(f"Flux_{r}_0" in column_name for r in (3, 6, 9, 12)) or "PsfFlux" in column_name:
            # Larger apertures overlap so much that their deviations are one and the same.
            assert abs(np.median(deviation)) < 0.15, column_name
        unmoved = np.abs(theirs - before)[good] < 1e-9 * sigma[good]
        assert np.abs(deviation[unmoved]).max(initial=0.0) < 2e-3, column_name
        moved += np.count_nonzero(~unmoved)
    assert moved > 500


@pytest.mark.parametrize("name", SETS)
def test_flags_do_not_change(reference, name):
    measured, expected = measured_and_expected(
        reference / name, "expected_noiserep", do_replace_with_noise=True
    )
    for column_name in (n for n in expected.column_names if "flag" in n):
        np.testing.assert_array_equal(
            column(measured, column_name), column(expected, column_name), column_name
        )


def pair_of_stars():
    exposure = make_exposure(shape=SHAPE)
    exposure.image[:] += gaussian_star(SHAPE, 150.0, 150.0, 5e4, 1.8) + gaussian_star(
        SHAPE, 162.0, 150.0, 2e5, 1.8
    )
    return exposure


def test_a_listed_neighbour_is_hidden_and_an_unlisted_one_is_not():
    exposure = pair_of_stars()
    both, alone = measured_at(exposure, [150.0, 162.0], [150.0] * 2), measured_at(exposure, [150.0], [150.0])
    sigma = both["ap12FluxErr"][0]
    assert abs(both["ap12Flux"][0] - 5e4) < 0.01 * 2e5 + 5 * sigma
    assert alone["ap12Flux"][0] - 5e4 > 0.3 * 2e5


def test_equal_seeds_give_equal_fluxes_whatever_the_order():
    exposure = make_exposure(shape=SHAPE)
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0.0, 319.0, 150), rng.uniform(0.0, 299.0, 150)
    first, again = (measured_at(exposure, x, y) for _ in range(2))
    order = rng.permutation(150)
    shuffled = measured_at(exposure, x[order], y[order])
    other = measured_at(exposure, x, y, noise_seed=2)
    for name in ("psfFlux", "ap12Flux", "ap70FluxErr"):
        np.testing.assert_array_equal(first[name], again[name])
        np.testing.assert_array_equal(first[name][order], shuffled[name])
    assert (first["ap12Flux"] != other["ap12Flux"]).sum() > 50


def test_every_row_has_its_turn_and_sees_only_its_own_footprint():
    exposure = make_exposure(shape=SHAPE)
    exposure.image[:] = 1000.0
    rng = np.random.default_rng(4)
    x, y = rng.uniform(0.0, 319.0, 60), rng.uniform(0.0, 299.0, 60)
    config = MeasurementConfig(
        do_replace_with_noise=True, radii=(20.0,), noise_source="variance", noise_offset=-5e4
    )
    seen = []
    for rows, view in uncovered_in_turn(exposure, x, y, config):
        seen += rows.tolist()
        distance = np.hypot(x[rows, None] - x[rows], y[rows, None] - y[rows]) + 1e9 * np.eye(len(rows))
        assert distance.min() > 65.0
        for i in rows:
            assert view.image[int(y[i] + 0.5), int(x[i] + 0.5)] == 1000.0
        hidden = np.setdiff1d(np.arange(60), rows)
        apart = [i for i in hidden if np.hypot(x[rows] - x[i], y[rows] - y[i]).min() > 13.0]
        assert all(view.image[int(y[i] + 0.5), int(x[i] + 0.5)] < -4e4 for i in apart)
    assert sorted(seen) == list(range(60))
    assert (exposure.image == 1000.0).all()


@pytest.mark.parametrize(
    ("source", "width"), [("measure", 3.0), ("variance", 2.0), ("variance_median", 2.0), ("meta", 6.0)]
)
def test_the_noise_has_the_width_that_its_source_says(source, width):
    from forcedsql.exposure import ExposureInfo

    exposure = make_exposure(shape=SHAPE, noise=3.0, info=ExposureInfo(background_mean=36.0))
    exposure.variance[:] = 4.0
    exposure.variance[5, 5] = np.nan
    exposure.image[50:60, 50:60] = 1e6
    noise = noise_plane(exposure, MeasurementConfig(noise_source=source, noise_offset=10.0))
    assert noise.dtype == np.float32
    assert np.isfinite(noise).all()
    # 96,000 deviates: 0.7 % is three sigma of their width.
    assert noise.std() == pytest.approx(width, rel=0.02)
    assert noise.mean() == pytest.approx(10.0, abs=0.1)


@pytest.mark.parametrize(("variance", "width"), [(0.25, 0.5), (-4.0, 0.0), (np.nan, 0.0)])
def test_the_median_variance_may_be_small_and_is_never_below_zero(variance, width):
    exposure = make_exposure(shape=SHAPE)
    exposure.variance[:] = variance
    for source in ("variance", "variance_median"):
        noise = noise_plane(exposure, MeasurementConfig(noise_source=source))
        assert noise.std() == pytest.approx(width, rel=0.02)


def test_without_a_stated_background_meta_is_measured():
    exposure = make_exposure(shape=SHAPE, noise=3.0)
    plain, meta = (noise_plane(exposure, MeasurementConfig(noise_source=s)) for s in ("measure", "meta"))
    np.testing.assert_array_equal(plain, meta)


def test_undeblended_plugins_see_the_neighbours():
    exposure = pair_of_stars()
    columns = measured_at(exposure, [150.0, 162.0], [150.0] * 2, undeblended=("base_CircularApertureFlux",))
    plain = measure_positions(exposure, *sky([150.0, 162.0], [150.0] * 2), MeasurementConfig())
    np.testing.assert_array_equal(columns["undeblended_ap12Flux"], plain["ap12Flux"])
    assert (columns["undeblended_ap12Flux"] > columns["ap12Flux"] + 1e4).all()
