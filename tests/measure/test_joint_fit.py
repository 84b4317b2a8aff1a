"""Joint fits: equal to dense least squares, to base_PsfFlux where nothing overlaps, and to the truth."""

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial import cKDTree
from scipy.stats import binned_statistic

from forcedsql.config import MeasurementConfig
from forcedsql.errors import ConfigError, TableError, UnsupportedError
from forcedsql.measure import blend_groups
from forcedsql.measure.driver import measure_positions
from forcedsql.measure.joint_fit import fit_jointly
from tests.measure.crowded import SampledGaussian, crowded_exposure, dense_fit, draw
from tests.measure.exposures import PLANES, make_exposure, moffat_star, sky

SHAPE = (60, 70)
SIGMA = 1.8
FWHM = SIGMA * np.sqrt(8 * np.log(2))


def blended_field(count=12, seed=5, shape=SHAPE, **parts):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(8, shape[1] - 8, count), rng.uniform(8, shape[0] - 8, count)
    flux = 10 ** rng.uniform(2, 5, count)
    return crowded_exposure(shape=shape, x=x, y=y, flux=flux, seed=seed, **parts), x, y, flux


class TestAgainstDenseLeastSquares:
    """1e-10 of the error (and of the flux) is what rounding leaves in the arithmetic of so few stars."""

    def check(self, exposure, x, y, **options):
        dense = {"background": options.get("background", False)}
        bits = sum(1 << PLANES[p] for p in options.get("bad_mask_planes", ()))
        flux, error = dense_fit(exposure, x, y, bad_bits=bits, **dense)
        fit = fit_jointly(exposure, x, y, **options)
        n = len(x)
        np.testing.assert_allclose(fit.flux, flux[:n], rtol=1e-10, atol=1e-10 * error[:n].max())
        np.testing.assert_allclose(fit.error, error[:n], rtol=1e-10)
        return fit, flux, error

    def test_one_group(self):
        exposure, x, y, _ = blended_field()
        fit, *_ = self.check(exposure, x, y)
        assert (fit.blend_id == 0).all()
        assert (fit.blend_size == 12).all()

    def test_over_the_edges_and_with_another_origin(self):
        exposure, x, y, _ = blended_field(xy0=(100, -50))
        x, y = x.copy() + 100, y.copy() - 50
        x[:3], y[3:5] = 101.2, -49.7
        fit, *_ = self.check(exposure, x, y)
        assert fit.faults.edge[:5].all()

    def test_with_masked_and_missing_pixels(self):
        exposure, x, y, _ = blended_field()
        exposure.mask[20:30, 20:40] = 1 << PLANES["SAT"]
        exposure.image[35, 10:50] = np.nan
        exposure.variance[40:42, 30] = np.inf
        fit, *_ = self.check(exposure, x, y, bad_mask_planes=("SAT",))
        assert fit.faults.bad_pixels.any()
        assert (fit.npixels < 625).any()

    def test_with_a_background(self):
        exposure, x, y, _ = blended_field()
        exposure.image[:] += 7.5
        exposure.image[30, 30] = np.nan
        fit, flux, error = self.check(exposure, x, y, background=True)
        np.testing.assert_allclose(fit.background, flux[-1], rtol=1e-10)
        np.testing.assert_allclose(fit.background_error, error[-1], rtol=1e-10)
        assert abs(fit.background[0] - 7.5) < 5 * fit.background_error[0]

    @pytest.mark.parametrize("background", [False, True])
    def test_a_group_cut_into_strips(self, background):
        # 260 stars along a strip of sky: more than one block, eliminated one after the other.
        exposure, x, y, _ = blended_field(260, shape=(50, 400))
        fit, *_ = self.check(exposure, x, y, background=background)
        assert fit.blend_size[0] > 128

    def test_a_group_taller_than_wide(self):
        exposure, x, y, _ = blended_field(260, shape=(400, 50))
        self.check(exposure, x, y)

    def test_stamps_of_several_sizes(self):
        from forcedsql.psf.protocol import PsfImages

        class Varying(SampledGaussian):
            def images(self, x, y):
                images = super().images(x, y)
                side = np.where(x < 30, 25, 15)
                inside = np.arange(25) < side[:, None]
                values = images.values * (inside[:, :, None] & inside[:, None, :])
                return PsfImages(values, images.x0, images.y0, side, side, images.valid)

        exposure, x, y, _ = blended_field(psf=Varying())
        fit, *_ = self.check(exposure, x, y)
        assert set(fit.npixels) >= {225, 625}


def test_a_position_alone_has_the_numbers_of_base_psf_flux():
    rng = np.random.default_rng(4)
    exposure = make_exposure(shape=(400, 400))
    grid = 30.0 + 40.0 * np.arange(9)
    x, y = (v.ravel() + rng.uniform(-0.5, 0.5, 81) for v in np.meshgrid(grid, grid))
    x[0] = 4.2
    ra, dec = sky(x, y)
    single = measure_positions(exposure, ra, dec, MeasurementConfig(do_ap_corr=False))
    fit = fit_jointly(exposure, single["x"], single["y"])
    assert (fit.blend_size == 1).all()
    np.testing.assert_array_equal(fit.flux, single["psfFlux"])
    # Squared and rooted again: the last bit may differ.
    np.testing.assert_allclose(fit.error, single["psfFluxErr"], rtol=4e-16)
    np.testing.assert_array_equal(fit.npixels, single["psfFlux_npixels"])
    np.testing.assert_array_equal(fit.faults.edge, single["psfFlux_flag_edge"])


def nearest_separation(x, y):
    places = np.stack([x, y], axis=1)
    return cKDTree(places).query(places, k=2)[0][:, 1]


@pytest.fixture(scope="module")
def dense_field():
    """One star per ten PSF areas (4 pi sigma^2), 8 magnitudes, none closer than 0.7 FWHM."""
    rng = np.random.default_rng(11)
    side, count = 2600, 17_600
    x, y = rng.uniform(0, side - 1, (2, count))
    flux = 3e5 * 10 ** (-0.4 * rng.uniform(0, 8, count))
    close = cKDTree(np.stack([x, y], axis=1)).query_pairs(0.7 * FWHM, output_type="ndarray")
    kept = np.ones(count, bool)
    kept[close[:, 1]] = False
    x, y, flux = x[kept], y[kept], flux[kept]
    assert len(x) / side**2 > 0.1 / (4 * np.pi * SIGMA**2)
    return crowded_exposure(shape=(side, side), x=x, y=y, flux=flux, seed=3), x, y, flux


def test_pulls_in_a_crowded_field_are_those_of_the_noise_at_every_separation(dense_field):
    exposure, x, y, truth = dense_field
    fit = fit_jointly(exposure, x, y)
    assert np.isfinite(fit.flux).all()
    ra, dec = sky(x, y)
    plugins = ("base_TransformedCentroidFromCoord", "base_PsfFlux")
    single = measure_positions(exposure, ra, dec, MeasurementConfig(plugins=plugins))
    pulls = {
        "joint": (fit.flux - truth) / fit.error,
        "single": (single["psfFlux"] - truth) / single["psfFluxErr"],
    }
    bins = np.array([0.7, 0.85, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, np.inf])
    separation = nearest_separation(x, y) / FWHM
    print("\nseparation/FWHM      N   joint pull: mean  width   single pull: mean  width   median dF/F")
    for low, high in pairwise(bins):
        rows = (separation >= low) & (separation < high)
        n, pull, alone = rows.sum(), pulls["joint"][rows], pulls["single"][rows]
        bias = np.median((single["psfFlux"] - truth)[rows] / truth[rows])
        print(
            f"{low:6.2f} - {high:4.2f} {n:8d} {pull.mean():14.3f} {pull.std():7.3f}"
            f" {alone.mean():14.1f} {alone.std():8.1f} {bias:13.4f}"
        )
        assert n > 400
        assert abs(pull.mean()) < 4 / np.sqrt(n)
        assert abs(pull.std() - 1) < 0.1
    close = separation < 1.5
    assert pulls["single"][close].mean() > 10


def test_pulls_do_not_depend_on_the_flux(dense_field):
    exposure, x, y, truth = dense_field
    fit = fit_jointly(exposure, x, y)
    pull = (fit.flux - truth) / fit.error
    edges = np.quantile(truth, np.linspace(0, 1, 9))
    count, mean, width = (
        binned_statistic(truth, pull, statistic, edges).statistic for statistic in ("count", "mean", "std")
    )
    assert (np.abs(mean) < 4 / np.sqrt(count)).all()
    assert (np.abs(width - 1) < 0.1).all()


def test_errors_are_the_scatter_over_realisations_with_and_without_a_background():
    x, y, flux = np.array([30.0, 32.1, 36.0]), np.array([30.0, 31.0, 26.5]), np.array([4e4, 3e3, 500.0])
    for background in (False, True):
        fits = [
            fit_jointly(
                crowded_exposure(shape=SHAPE, x=x, y=y, flux=flux, seed=seed), x, y, background=background
            )
            for seed in range(400)
        ]
        scatter = np.std([fit.flux for fit in fits], axis=0)
        # A standard deviation of 400 draws is good to 3.5 percent.
        np.testing.assert_allclose(scatter, fits[0].error, rtol=0.14)


def test_equal_to_photutils_grouped_fit_at_fixed_positions():
    psf = pytest.importorskip("photutils.psf")
    from astropy.table import Table

    # Every fitting box covers the whole image: photutils counts a pixel once per box that holds it,
    # so that only then are its weights those of least squares over the pixels.
    side, shape = 41, (21, 20)
    rng = np.random.default_rng(8)
    x, y = rng.uniform(3, 17, 6), rng.uniform(3, 17, 6)
    flux = 10 ** rng.uniform(2.5, 4, 6)
    exposure = crowded_exposure(shape=shape, x=x, y=y, flux=flux, side=side)
    model = psf.CircularGaussianPSF(fwhm=FWHM)
    model.x_0.fixed = model.y_0.fixed = True
    table = psf.PSFPhotometry(model, (side, side), grouper=psf.SourceGrouper(100.0), aperture_radius=4)(
        exposure.image.astype(float), init_params=Table({"x": x, "y": y, "flux": flux})
    )
    fit = fit_jointly(exposure, x, y)
    assert (fit.blend_size == 6).all()
    np.testing.assert_allclose(fit.flux, table["flux_fit"], rtol=1e-6, atol=1e-6 * fit.error.max())


class TestNeighbours:
    def test_they_are_fitted_and_not_reported(self):
        exposure, x, y, _ = blended_field()
        together = fit_jointly(exposure, x, y)
        fit = fit_jointly(exposure, x[:4], y[:4], neighbours=(x[4:], y[4:]))
        np.testing.assert_allclose(fit.flux, together.flux[:4], rtol=1e-12)
        np.testing.assert_allclose(fit.error, together.error[:4], rtol=1e-12)
        assert fit.blend_size.tolist() == [12] * 4
        assert fit.blend_id.tolist() == [0] * 4

    def test_a_neighbour_at_a_position_is_that_position(self):
        exposure, x, y, _ = blended_field()
        fit = fit_jointly(exposure, x[:4], y[:4], neighbours=(x + 0.03, y))
        np.testing.assert_allclose(fit.flux, fit_jointly(exposure, x, y).flux[:4], rtol=0.05)
        assert fit.blend_size.tolist() == [12] * 4
        assert not fit.degenerate.any()

    def test_a_star_just_off_the_image_is_taken_into_account(self):
        x, y, flux = np.array([3.0, -3.0]), np.array([30.0, 31.0]), np.array([1e3, 1e5])
        exposure = crowded_exposure(shape=SHAPE, x=x, y=y, flux=flux)
        fit = fit_jointly(exposure, x, y)
        assert fit.on_image.tolist() == [True, False]
        assert np.isnan(fit.flux[1])
        assert fit.blend_id.tolist() == [0, -1]
        assert fit.blend_size.tolist() == [2, 0]
        assert abs(fit.flux[0] - 1e3) < 4 * fit.error[0]
        alone = fit_jointly(exposure, x[:1], y[:1])
        assert alone.flux[0] - 1e3 > 20 * alone.error[0]

    def test_missing_neighbours_are_none(self):
        exposure, x, y, _ = blended_field()
        fit = fit_jointly(exposure, x, y, neighbours=(np.array([np.nan, 30.0]), np.array([30.0, np.inf])))
        np.testing.assert_array_equal(fit.flux, fit_jointly(exposure, x, y).flux)


class TestFaults:
    def test_every_position_keeps_its_row_and_says_why(self):
        exposure, *_ = blended_field(psf=SampledGaussian(fails_below_x=12.0))
        exposure.mask[:, 50:] = 1 << PLANES["BAD"]
        x = np.array([np.nan, 30.0, -200.0, 10.0, 65.0, 30.5])
        fit = fit_jointly(exposure, x, np.full(6, 30.0), bad_mask_planes=("BAD",))
        assert np.isfinite(fit.flux).tolist() == [False, True, False, False, False, True]
        assert fit.on_image.tolist() == [False, True, False, True, True, True]
        assert fit.faults.invalid_psf.tolist() == [False, False, False, True, False, False]
        assert fit.faults.no_good_pixels.tolist() == [False, False, False, False, True, False]
        assert fit.blend_id.tolist() == [-1, 1, -1, -1, -1, 1]
        assert np.isnan(fit.error[~np.isfinite(fit.flux)]).all()

    def test_a_nan_pixel_is_left_out_and_spoils_no_other_star(self):
        exposure, x, y, flux = blended_field()
        column, row = round(x[0]), round(y[0])
        clean = fit_jointly(exposure, x, y)
        exposure.image[row, column] = np.nan
        fit = fit_jointly(exposure, x, y)
        assert fit.faults.bad_pixels[0]
        assert np.isfinite(fit.flux).all()
        assert (np.abs(fit.flux - flux) < 5 * fit.error).all()
        far = np.hypot(x - x[0], y - y[0]) > 25
        np.testing.assert_allclose(fit.flux[far], clean.flux[far], atol=0.05 * clean.error.max())

    def test_one_usable_pixel_is_enough_and_none_is_not(self):
        exposure = crowded_exposure(shape=SHAPE, x=[30.0], y=[25.0], flux=[1e4], seed=3)
        exposure.mask[:] = 1 << PLANES["SAT"]
        x, y = np.array([30.0]), np.array([25.0])
        fit = fit_jointly(exposure, x, y, bad_mask_planes=("SAT",))
        assert fit.faults.no_good_pixels.tolist() == [True]
        assert np.isnan(fit.flux).all()
        exposure.mask[25, 30] = 0
        fit = fit_jointly(exposure, x, y, bad_mask_planes=("SAT",))
        peak = 1 / (2 * np.pi * SIGMA**2)
        assert fit.npixels.tolist() == [1]
        np.testing.assert_allclose(fit.flux, exposure.image[25, 30] / peak, rtol=1e-6)
        np.testing.assert_allclose(fit.error, np.sqrt(exposure.variance[25, 30]) / peak, rtol=1e-6)

    def test_without_a_psf_nothing_is_fitted(self):
        fit = fit_jointly(make_exposure(psf=None), np.array([50.0]), np.array([50.0]))
        assert np.isnan(fit.flux).all()
        assert fit.faults.invalid_psf.all()

    def test_a_psf_of_an_unknown_class_is_refused(self):
        exposure = make_exposure(psf=None, unsupported={"psf": "StrangePsf"})
        with pytest.raises(UnsupportedError, match="StrangePsf"):
            fit_jointly(exposure, np.array([50.0]), np.array([50.0]))

    def test_a_mask_plane_must_exist(self):
        with pytest.raises(ConfigError, match="bad_mask_planes: the exposure has no mask plane 'STREAK'"):
            fit_jointly(make_exposure(), np.array([50.0]), np.array([50.0]), bad_mask_planes=("STREAK",))

    @pytest.mark.parametrize("background", [False, True])
    def test_nothing_but_missing_positions(self, background):
        missing = np.array([np.nan, np.inf, -1e12])
        fit = fit_jointly(make_exposure(), missing, np.full(3, 50.0), background=background, residual=True)
        assert np.isnan(fit.flux).all()
        assert not fit.on_image.any()
        assert fit.blend_size.tolist() == [0, 0, 0]

    @pytest.mark.parametrize("background", [False, True])
    def test_no_positions(self, background):
        none = np.empty(0)
        fit = fit_jointly(make_exposure(), none, none, background=background, residual=True)
        assert len(fit.flux) == 0
        np.testing.assert_array_equal(fit.residual, make_exposure().image)

    def test_too_many_overlaps_are_refused_before_memory_runs_out(self, monkeypatch):
        monkeypatch.setattr(blend_groups, "MAX_PAIRS", 20)
        exposure, x, y, _ = blended_field()
        with pytest.raises(TableError, match=r"12 positions would have \d+ overlapping pairs"):
            fit_jointly(exposure, x, y)


class TestDegenerate:
    """Fluxes that the data do not determine are flagged; the others do not notice."""

    def test_a_position_given_twice(self):
        exposure, x, y, _ = blended_field()
        want = fit_jointly(exposure, x, y)
        twice = np.append(x, x[3]), np.append(y, y[3])
        fit = fit_jointly(exposure, *twice)
        assert np.flatnonzero(fit.degenerate).tolist() == [3, 12]
        assert np.isnan(fit.flux[[3, 12]]).all()
        rest = np.delete(np.arange(12), 3)
        np.testing.assert_allclose(fit.flux[rest], want.flux[rest], rtol=1e-12)
        np.testing.assert_allclose(fit.error[rest], want.error[rest], rtol=1e-12)
        assert (fit.blend_size == 12).all()

    @pytest.mark.parametrize("count", [12, 300])
    def test_positions_a_hair_apart(self, count):
        shape = SHAPE if count == 12 else (60, 500)
        exposure, x, y, _ = blended_field(count, shape=shape)
        want = fit_jointly(exposure, x, y)
        copies = np.append(x, [x[3] + 1e-6, x[7], x[7]]), np.append(y, [y[3], y[7] - 1e-6, y[7] + 1e-6])
        fit = fit_jointly(exposure, *copies)
        assert np.flatnonzero(fit.degenerate).tolist() == [3, 7, count, count + 1, count + 2]
        rest = np.delete(np.arange(count), [3, 7])
        # The one that is fitted is 1e-6 pixels from the star: a dipole of 1e-6 of its flux is left.
        assert (np.abs(fit.flux[rest] - want.flux[rest]) < 1e-3 * want.error[rest]).all()
        np.testing.assert_allclose(fit.error[rest], want.error[rest], rtol=1e-4)

    def test_close_positions_that_are_determined_have_the_errors_they_deserve(self):
        x, y = np.array([30.0, 30.05]), np.array([30.0, 30.0])
        exposure = crowded_exposure(shape=SHAPE, x=x, y=y, flux=np.array([1e4, 1e4]))
        fit = fit_jointly(exposure, x, y)
        _, error = dense_fit(exposure, x, y)
        assert not fit.degenerate.any()
        np.testing.assert_allclose(fit.error, error, rtol=1e-8)
        assert fit.error[0] > 10 * fit_jointly(exposure, x[:1], y[:1]).error[0]

    def test_more_stars_than_pixels(self):
        exposure, *_ = blended_field()
        exposure.mask[:] = 1 << PLANES["BAD"]
        exposure.mask[30, 30:32] = 0
        x, y = np.array([30.0, 31.0, 29.5]), np.array([30.0, 29.0, 31.0])
        fit = fit_jointly(exposure, x, y, bad_mask_planes=("BAD",))
        assert fit.degenerate.all()
        assert np.isnan(fit.flux).all()

    def test_a_background_that_cannot_be_told_from_the_stars(self):
        exposure, *_ = blended_field()
        exposure.mask[:] = 1 << PLANES["BAD"]
        exposure.mask[30, 30] = 0
        fit = fit_jointly(
            exposure, np.array([30.0]), np.array([30.0]), bad_mask_planes=("BAD",), background=True
        )
        assert fit.degenerate.all()
        assert np.isnan(fit.flux).all()


class TestResidual:
    def test_it_is_the_noise(self):
        exposure, x, y, _ = blended_field(30, shape=(120, 130))
        fit = fit_jointly(exposure, x, y, residual=True)
        pull = fit.residual / np.sqrt(exposure.variance)
        # 15,600 pixels and 30 fluxes: the width is good to 0.6 percent.
        assert abs(pull.std() - 1) < 0.03
        model = draw((120, 130), x, y, fit.flux)
        np.testing.assert_allclose(exposure.image - fit.residual, model, atol=1e-2)
        assert fit.residual.dtype == np.float32
        assert fit_jointly(exposure, x, y).residual is None

    def test_a_position_given_twice_is_subtracted_once(self):
        exposure, x, y, _ = blended_field()
        want = fit_jointly(exposure, x, y, residual=True).residual
        fit = fit_jointly(exposure, np.append(x, x[0]), np.append(y, y[0]), residual=True)
        np.testing.assert_allclose(fit.residual, want, atol=1e-3)

    def test_the_background_is_subtracted_under_the_stamps(self):
        exposure, x, y, _ = blended_field()
        exposure.image[:] += 50.0
        fit = fit_jointly(exposure, x[:3], y[:3], background=True, residual=True)
        far = np.ones(SHAPE, bool)
        for at_x, at_y in zip(x[:3].round().astype(int), y[:3].round().astype(int), strict=True):
            far[max(at_y - 13, 0) : at_y + 14, max(at_x - 13, 0) : at_x + 14] = False
        np.testing.assert_array_equal(fit.residual[far], exposure.image[far])
        lone = np.array([35.0]), np.array([30.0])
        exposure = crowded_exposure(shape=SHAPE, x=lone[0], y=lone[1], flux=[1e4], seed=5)
        exposure.image[:] += 50.0
        fit = fit_jointly(exposure, *lone, background=True, residual=True)
        # The mean of 625 pixels of noise 3 or a little more.
        assert abs(fit.residual[18:43, 23:48].mean()) < 4 * 4 / 25

    def test_the_exposure_is_not_changed(self):
        exposure, x, y, _ = blended_field()
        before = exposure.image.copy()
        fit_jointly(exposure, x, y, residual=True)
        np.testing.assert_array_equal(exposure.image, before)


def test_rows_keep_the_order_of_the_positions():
    exposure, x, y, _ = blended_field(300, shape=(200, 300))
    order = np.random.default_rng(0).permutation(300)
    fit, shuffled = fit_jointly(exposure, x, y), fit_jointly(exposure, x[order], y[order])
    np.testing.assert_array_equal(shuffled.flux, fit.flux[order])
    np.testing.assert_array_equal(shuffled.error, fit.error[order])
    np.testing.assert_array_equal(shuffled.blend_size, fit.blend_size[order])


def test_a_psf_with_wings_keeps_a_bright_star_out_of_its_neighbour():
    from forcedsql.psf.kernel import KernelPsf
    from forcedsql.psf.kernels import FixedKernel

    shape = (101, 101)
    stars = moffat_star(shape, 50, 50, 1e6, 4.5, 3.0) + moffat_star(shape, 62, 50, 1e3, 4.5, 3.0)
    exposure = make_exposure(
        shape=shape, psf=KernelPsf(FixedKernel(moffat_star((41, 41), 20, 20, 1, 4.5, 3), (20, 20)))
    )
    exposure.image[:] += stars.astype(np.float32)
    fit = fit_jointly(exposure, np.array([50.0, 62.0]), np.array([50.0, 50.0]))
    single = fit_jointly(exposure, np.array([62.0]), np.array([50.0]))
    assert abs(single.flux[0] - 1e3) > 1e3
    # What is left are the wings beyond the PSF image, which no fit of it can know.
    assert abs(fit.flux[1] - 1e3) < 0.1 * abs(single.flux[0] - 1e3)
