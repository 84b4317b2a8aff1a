"""What holds for every plugin, and what each one is for, on simulated truth."""

import dataclasses

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError
from forcedsql.fields.bounded_field import ConstantField
from forcedsql.fields.calibration import PhotoCalib
from forcedsql.measure.driver import measure_positions
from forcedsql.measure.local_calibration import cd_matrix, gnomonic
from forcedsql.plugins import BUILT_IN
from forcedsql.psf.analytic import SingleGaussianPsf
from forcedsql.schema import lsst_schema, measured_columns
from tests.measure.exposures import FlatWcs, gaussian_star, make_exposure, sky

ALL = tuple(BUILT_IN)
EVERYTHING = {
    "plugins": ALL,
    "slots": {"shape": "base_SdssShape", "modelFlux": "base_GaussianFlux"},
    "plugin_options": {"base_PeakLikelihoodFlux": {"lanczosOrder": 4}},
}
SHAPE = (300, 320)


class ShearedWcs(FlatWcs):
    """Right ascension grows with the row too."""

    def pixel_to_sky(self, x, y):
        return super().pixel_to_sky(x + 0.3 * y, y)


def measured_at(exposure, x, y, **options):
    return measure_positions(exposure, *sky(x, y), MeasurementConfig(**(EVERYTHING | options)))


def field_of_stars(*, xy0=(0, 0), seed=3, sigma=1.8, **parts):
    exposure = make_exposure(shape=SHAPE, xy0=xy0, **({"psf": SingleGaussianPsf(25, 25, sigma)} | parts))
    rng = np.random.default_rng(seed)
    x, y = (
        g.ravel() + rng.uniform(-3, 3, 25)
        for g in np.meshgrid(np.linspace(50, 250, 5), np.linspace(50, 250, 5))
    )
    flux = rng.uniform(2e4, 2e5, 25)
    for star in zip(x, y, flux, strict=True):
        exposure.image[:] += gaussian_star(SHAPE, *star, sigma)
    return exposure, x + xy0[0], y + xy0[1], flux


def test_every_plugin_gives_its_columns_in_their_types():
    exposure, x, y, _ = field_of_stars(photo_calib=PhotoCalib(2.0))
    config = MeasurementConfig(**EVERYTHING)
    columns = measured_at(exposure, np.append(x, -900.0), np.append(y, 10.0))
    assert set(columns) == {c.source for c in measured_columns(config)}
    for column in measured_columns(config):
        assert columns[column.source].dtype == np.dtype(column.type.to_pandas_dtype()), column.source


def test_a_row_does_not_depend_on_the_others():
    exposure, x, y, _ = field_of_stars()
    rng = np.random.default_rng(8)
    x, y = np.append(x, rng.uniform(0, 319, 60)), np.append(y, rng.uniform(0, 299, 60))
    together = measured_at(exposure, x, y)
    order = rng.permutation(len(x))
    shuffled, alone = measured_at(exposure, x[order], y[order]), measured_at(exposure, x[5:6], y[5:6])
    for name, values in together.items():
        np.testing.assert_array_equal(shuffled[name], values[order], err_msg=name)
        np.testing.assert_array_equal(alone[name], values[5:6], err_msg=name)


def test_fluxes_do_not_depend_on_the_origin_of_the_pixels():
    here, there = field_of_stars(), field_of_stars(xy0=(512, -256))
    at_zero, moved = (measured_at(e, x, y) for e, x, y, _ in (here, there))
    for name in (
        "peakLikelihoodFlux",
        "gaussianFlux",
        "sky",
        "compensatedTophatFlux_12",
        "scaledApertureFlux",
    ):
        np.testing.assert_allclose(moved[name], at_zero[name], rtol=1e-4, err_msg=name)
    np.testing.assert_allclose(moved["sdssCentroid_x"] - 512, at_zero["sdssCentroid_x"], atol=1e-4)


def test_hostile_pixels_are_flags_and_never_errors():
    exposure, *_ = field_of_stars()
    rng = np.random.default_rng(9)
    bad = rng.integers(0, 300, (2, 400))
    exposure.image[bad[0, :100], bad[1, :100]] = np.nan
    exposure.image[bad[0, 100:200], bad[1, 100:200]] = np.inf
    exposure.variance[bad[0, 200:300], bad[1, 200:300]] = np.nan
    exposure.variance[bad[0, 300:], bad[1, 300:]] = -1.0
    exposure.mask[200:, 200:] = -1
    everywhere = rng.uniform(-0.5, 319.4, 300), rng.uniform(-0.5, 299.4, 300)
    columns = measured_at(exposure, *everywhere)
    assert {len(v) for v in columns.values()} == {300}
    for flux in ("gaussianFlux", "sky", "scaledApertureFlux", "peakLikelihoodFlux"):
        assert np.isfinite(columns[flux]).any(), flux


def test_off_the_image_everything_is_flagged():
    columns = measured_at(make_exposure(), [-500.0, np.nan], [100.0, 100.0])
    for name, values in columns.items():
        if name.endswith("_flag") and name not in ("centroid_flag", "pixelFlags_flag"):
            assert values.all(), name
        elif values.dtype.kind == "f" and name not in ("x", "y"):
            assert np.isnan(values).all(), name


def test_without_a_psf_what_needs_one_is_flagged_and_the_rest_measured():
    exposure, x, y, _ = field_of_stars(psf=None)
    columns = measured_at(exposure, x, y)
    for name in (
        "localBackground_flag",
        "scaledApertureFlux_flag",
        "sdssCentroid_flag",
        "peakLikelihoodFlux_flag",
    ):
        assert columns[name].all(), name
    assert columns["localBackground_flag_noPsf"].all()
    assert columns["shape_flag_psf"].all()
    assert not columns["shape_flag"].any()
    assert np.isfinite(columns["gaussianFlux"]).all()
    assert columns["invalidPsfFlag"].all()


def test_stars_are_as_wide_and_bright_as_they_were_drawn():
    exposure, x, y, flux = field_of_stars(noise=0.01)
    columns = measured_at(exposure, x, y, do_ap_corr=False)
    # The weight is taken at pixel centres, which adds 1e-3 to the moments of a sampled Gaussian.
    np.testing.assert_allclose(columns["ixx"], 1.8**2, rtol=3e-3)
    np.testing.assert_allclose(columns["iyy"], 1.8**2, rtol=3e-3)
    np.testing.assert_allclose(columns["ixy"], 0.0, atol=0.01)
    np.testing.assert_allclose(columns["ixxPSF"], 1.8**2, rtol=3e-3)
    np.testing.assert_allclose(columns["gaussianFlux"], flux, rtol=3e-3)
    np.testing.assert_allclose(columns["shapeFlux"], flux, rtol=3e-3)
    np.testing.assert_allclose(columns["scaledApertureFlux"], flux, rtol=1e-3)
    np.testing.assert_allclose(columns["sdssCentroid_x"], x, atol=2e-3)
    np.testing.assert_allclose(columns["sdssCentroid_y"], y, atol=2e-3)
    assert (columns["sizeExtendedness"] < 1e-3).all()


def test_errors_are_the_scatter_of_what_is_measured():
    sigma, noise, flux = 1.8, 3.0, 3e4
    star = gaussian_star((41, 41), 20.3, 19.8, flux, sigma)
    found = {name: [] for name in ("ixx", "shapeFlux", "compensatedGaussianFlux_3", "sdssCentroid_x")}
    for seed in range(120):
        exposure = make_exposure(shape=(41, 41), seed=seed, noise=noise, psf=SingleGaussianPsf(17, 17, sigma))
        exposure.image[:] += star
        columns = measured_at(exposure, [20.3], [19.8])
        for name, values in found.items():
            values.append(columns[name][0])
    errors = {"ixx": "shape_xxErr", "sdssCentroid_x": "sdssCentroid_xErr"}
    for name, values in found.items():
        error = columns[errors.get(name, f"{name}Err")][0]
        # 120 trials know the scatter to 6.5 %; three of those.  The errors are Gaussian theory,
        # good to a few per cent.
        assert np.std(values) == pytest.approx(error, rel=0.25), name


def test_a_flat_sky_changes_no_compensated_flux_and_is_the_local_background():
    exposure, x, y, _ = field_of_stars()
    before = measured_at(exposure, x, y)
    after = measured_at(dataclasses.replace(exposure, image=exposure.image + np.float32(100.0)), x, y)
    for name in ("compensatedGaussianFlux_3", "compensatedGaussianFlux_5"):
        # The weight is cut off at 2.6 sigma of the outer Gaussian, which leaves some 3 pixels of sky.
        width = float(name[-1])
        assert np.abs(after[name] - before[name]).max() < 0.03 * 100.0 * 4 * np.pi * width**2
    ring = after["compensatedTophatFlux_12"] - before["compensatedTophatFlux_12"]
    # Counting pixel centres, a circle of 12 pixels differs from its area by up to 3.2 %, and
    # enters once for itself and 0.53 times as the hole of the ring.
    assert np.abs(ring).max() < 0.05 * 100.0 * np.pi * 144
    assert np.abs(ring).max() > 0.0
    np.testing.assert_allclose(after["sky"] - before["sky"], 100.0, atol=0.01)
    np.testing.assert_allclose(after["skyErr"], 3.0, rtol=0.15)


def test_the_variance_is_the_median_around_the_source():
    exposure, x, y, _ = field_of_stars()
    exposure.variance[:] = np.arange(SHAPE[1], dtype=np.float32)
    columns = measured_at(exposure, x, y)
    np.testing.assert_allclose(columns["variance_value"], x, atol=1.0)
    exposure.mask[:] = 2
    masked = measured_at(exposure, x, y)
    assert masked["variance_flag_emptyFootprint"].all()
    assert np.isnan(masked["variance_value"]).all()


def test_the_local_calibration_is_the_exposure_s():
    columns = measured_at(make_exposure(photo_calib=PhotoCalib(2.5, 0.1)), [100.0], [100.0])
    assert (columns["localPhotoCalib"][0], columns["localPhotoCalibErr"][0]) == (2.5, 0.1)
    without = measured_at(make_exposure(), [100.0], [100.0])
    assert without["localPhotoCalib_flag"].all()
    assert np.isnan(without["localPhotoCalib"]).all()


def test_the_local_projection_is_the_derivative_of_the_tangent_plane():
    # The last one is a tenth of a degree from the pole, where one pixel turns the axes by 1e-3.
    x, y = np.array([100.0, 40.0, 70.0]), np.array([-30_000.0, 100.0, 89_900.0])
    matrix = cd_matrix(FlatWcs(), x, y)
    step, dec = np.radians(1e-3), np.radians(y / 1000.0)
    np.testing.assert_allclose(matrix[:, 0, 0], step * np.cos(dec), rtol=1e-9)
    np.testing.assert_allclose(matrix[:, 1, 1], step, rtol=1e-9)
    np.testing.assert_allclose(matrix[:, [0, 1], [1, 0]], 0.0, atol=1e-12)
    sheared = cd_matrix(ShearedWcs(), x, y)
    np.testing.assert_allclose(sheared[:, 0, 1], 0.3 * step * np.cos(dec), rtol=1e-9)
    np.testing.assert_allclose(sheared[:, 1, 0], 0.0, atol=1e-12)
    columns = measured_at(
        make_exposure(), [100.0], [100.0], plugin_options={"base_Jacobian": {"pixelScale": 3.6}}
    )
    np.testing.assert_allclose(columns["jacobian_value"], np.cos(np.radians(0.1)), rtol=1e-9)


def test_the_tangent_plane_touches_the_sky_and_stretches_away_from_it():
    """Far from the point of contact too: rho = tan(distance), at the position angle of the sky."""
    rng = np.random.default_rng(4)
    here = SkyCoord(rng.uniform(0, 360, 50), rng.uniform(-85, 85, 50), unit="deg")
    angle, distance = rng.uniform(0, 360, 50), rng.uniform(0, 60, 50)
    there = here.directional_offset_by(angle * u.deg, distance * u.deg)
    east, north = gnomonic(there.ra.rad, there.dec.rad, here.ra.rad, here.dec.rad)
    radius = np.tan(np.radians(distance))
    np.testing.assert_allclose(east, radius * np.sin(np.radians(angle)), rtol=0, atol=1e-13)
    np.testing.assert_allclose(north, radius * np.cos(np.radians(angle)), rtol=0, atol=1e-13)


def test_galaxies_are_told_from_stars():
    stars, x, y, _ = field_of_stars()
    galaxies, gx, gy, _ = field_of_stars(sigma=3.0, psf=SingleGaussianPsf(25, 25, 1.8))
    options = {"do_run_catalog_calculation": True}
    options["plugins"] = tuple(p for p in ALL if p not in MeasurementConfig().catalog_calculation)
    star, galaxy = (measured_at(*field, **options) for field in ((stars, x, y), (galaxies, gx, gy)))
    assert (star["extendedness"] == 0.0).all()
    assert (galaxy["extendedness"] == 1.0).all()
    assert (galaxy["sizeExtendedness"] > 0.9).all()
    assert (star["footprintArea_value"] > 60).all()


def test_the_aperture_correction_of_each_flux_is_its_own():
    fields = {
        f"{name}_{part}": ConstantField(value)
        for name, value in (("base_PsfFlux", 0.98), ("base_GaussianFlux", 1.1))
        for part in ("instFlux", "instFluxErr")
    }
    exposure, x, y, _ = field_of_stars(ap_corr=fields)
    columns, plain = measured_at(exposure, x, y), measured_at(exposure, x, y, do_ap_corr=False)
    np.testing.assert_allclose(columns["gaussianFlux"], 1.1 * plain["gaussianFlux"], rtol=1e-14)
    np.testing.assert_allclose(columns["psfFluxErr"], 0.98 * plain["psfFluxErr"], rtol=1e-14)
    assert (columns["gaussianFlux_apCorr"] == 1.1).all()


def test_a_calibration_multiplies_what_is_proportional_to_flux_and_nothing_else():
    exposure, x, y, _ = field_of_stars(photo_calib=PhotoCalib(2.0))
    njy, own = measured_at(exposure, x, y), measured_at(exposure, x, y, calibrate="never")
    for column in measured_columns(MeasurementConfig(**EVERYTHING)):
        factor = 2.0 if column.is_flux else 1.0
        expected = own[column.source] * factor if column.is_flux else own[column.source]
        np.testing.assert_allclose(njy[column.source], expected, rtol=1e-6, err_msg=column.source)


def test_a_mask_plane_that_the_exposure_lacks_is_refused_unless_it_is_a_standard_one():
    exposure = make_exposure(mask_planes={"BAD": 0})
    assert np.isfinite(measured_at(exposure, [100.0], [100.0])["sky"]).all()
    with pytest.raises(
        ConfigError, match=r"base_Variance\.mask: the exposure has no mask plane 'STREAK'; it has BAD"
    ):
        measured_at(exposure, [100.0], [100.0], plugin_options={"base_Variance": {"mask": ("STREAK",)}})


def test_the_gaussian_flux_repeats_the_flags_of_its_shape_under_lsst_s_name():
    names = lsst_schema(MeasurementConfig(**EVERYTHING), "nJy").names
    assert {"base_GaussianFlux_flag_badShape", "base_GaussianFlux_flag_badShape_unweighted"} <= set(names)
