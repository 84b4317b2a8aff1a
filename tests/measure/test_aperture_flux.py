"""Aperture fluxes of noiseless stars against the analytic integral and against photutils."""

import numpy as np
import pytest
from photutils.aperture import CircularAperture, aperture_photometry

from forcedsql.config import MeasurementConfig
from forcedsql.measure.aperture_flux import placement
from forcedsql.measure.driver import measure_positions
from forcedsql.schema import aperture_source_prefix
from tests.measure.exposures import gaussian_star, make_exposure, moffat_star, sky

SHAPE = (221, 221)
RADII = (3.0, 4.5, 6.0, 9.0)
PHASES = [(0.0, 0.0), (0.5, -0.5), (0.25, 0.4), (-0.3, 0.1), (-0.499, 0.499), (0.123, -0.456)]


def gaussian_inside(radius, sigma):
    return 1 - np.exp(-(radius**2) / (2 * sigma**2))


def moffat_inside(radius, fwhm, beta):
    alpha_squared = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)
    return 1 - (1 + radius**2 / alpha_squared) ** (1 - beta)


# Narrower Moffat stars than 5 pixels FWHM are not band-limited: their samples do not hold the integral.
STARS = {
    "gaussian 1.5": (gaussian_star, gaussian_inside, (1.5,)),
    "gaussian 2.5": (gaussian_star, gaussian_inside, (2.5,)),
    "moffat 5, 2.5": (moffat_star, moffat_inside, (5.0, 2.5)),
    "moffat 5, 4.765": (moffat_star, moffat_inside, (5.0, 4.765)),
    "moffat 8, 3": (moffat_star, moffat_inside, (8.0, 3.0)),
}


def ratios_to_truth(star, phase, shift):
    """Measured over analytic flux, per radius."""
    draw, inside, shape = STARS[star]
    x, y = 110 + phase[0], 110 + phase[1]
    exposure = make_exposure(shape=SHAPE, image=draw(SHAPE, x, y, 1e4, *shape).astype(np.float32), psf=None)
    config = MeasurementConfig(radii=RADII, sinc_shift=shift)
    columns = measure_positions(exposure, *sky([x], [y]), config)
    return np.array([columns[aperture_source_prefix(r)][0] / (1e4 * inside(r, *shape)) for r in RADII])


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("star", STARS)
def test_exact_sinc_apertures_equal_the_analytic_integral(star, phase):
    np.testing.assert_allclose(ratios_to_truth(star, phase, "exact"), 1.0, rtol=0, atol=1e-5)


def test_the_lanczos_mode_keeps_the_bias_of_the_original():
    bias = {
        star: max(abs(ratios_to_truth(star, phase, "lanczos5") - 1)[0] for phase in PHASES) for star in STARS
    }
    print("largest bias of the lanczos5 mode at r = 3:", {k: f"{v:.4f}" for k, v in bias.items()})
    # The border of its coefficients does not move with the star: percents at r = 3, the more
    # the wider the star, and Lanczos ripples only from 4.5 on.
    assert 0.005 < bias["gaussian 1.5"] < 0.02
    assert max(bias.values()) < 0.05
    wide = [abs(ratios_to_truth("gaussian 1.5", phase, "lanczos5") - 1)[1:].max() for phase in PHASES]
    assert max(wide) < 2e-3


def test_large_apertures_equal_photutils_on_pixel_centres():
    exposure = make_exposure(shape=SHAPE, seed=5)
    rng = np.random.default_rng(6)
    x, y = rng.uniform(72, 148, 30), rng.uniform(72, 148, 30)
    columns = measure_positions(exposure, *sky(x, y), MeasurementConfig())
    # The driver's own positions: the last bits decide which pixel centres are inside.
    where = np.column_stack([columns["x"], columns["y"]])
    for radius in (12.0, 17.0, 25.0, 35.0, 50.0, 70.0):
        table = aperture_photometry(
            exposure.image.astype(np.float64),
            CircularAperture(where, radius),
            error=np.sqrt(exposure.variance.astype(np.float64)),
            method="center",
        )
        prefix = aperture_source_prefix(radius)
        np.testing.assert_allclose(columns[prefix], table["aperture_sum"], rtol=1e-10, atol=1e-8)
        np.testing.assert_allclose(columns[f"{prefix}Err"], table["aperture_sum_err"], rtol=1e-12)


def test_errors_are_the_scatter_of_the_noise():
    """Fluxes of blank sky scatter by their errors: N = 900, so 4 / sqrt(2 N) on the width."""
    exposure = make_exposure(shape=(1000, 1000), noise=5.0, seed=8)
    grid = np.arange(20.0, 980.0, 32.0)
    x, y = (v.ravel() + 0.37 for v in np.meshgrid(grid, grid))
    columns = measure_positions(exposure, *sky(x, y), MeasurementConfig(sinc_shift="exact", radii=(3, 6, 12)))
    for prefix in ("ap03Flux", "ap06Flux", "ap12Flux", "psfFlux"):
        pull = columns[prefix] / columns[f"{prefix}Err"]
        assert abs(np.mean(pull)) < 4 / np.sqrt(len(pull)), prefix
        assert abs(np.std(pull) - 1) < 4 / np.sqrt(2 * len(pull)), prefix


@pytest.mark.parametrize(
    ("offset", "truncated"), [(2.51, False), (2.01, True), (2.5001, False), (2.4999, True)]
)
def test_a_circle_over_the_edge_is_truncated(offset, truncated):
    exposure = make_exposure()
    columns = measure_positions(exposure, *sky([offset], [100.0]), MeasurementConfig())
    assert columns["ap03Flux_flag_apertureTruncated"].tolist() == [truncated]
    assert columns["ap03Flux_flag_sincCoeffsTruncated"].tolist() == [True]
    assert np.isnan(columns["ap03Flux"][0]) == truncated


def test_lanczos_coefficients_are_placed_as_in_afw():
    """Through single precision, and not at all by whole pixels within one pixel of the parent origin."""
    x = np.array([0.7, -0.7, 0.999, 1.0, 0.4, 1.2, 0.4, 20.5, -20.5])
    y = np.array([0.6, 0.999, -0.6, 0.4, 1.0, 0.3, 1.4, 30.49, -30.51])
    placed = placement(x, y, "lanczos5")
    assert placed.x.tolist() == [0, 0, 0, 1, 0, 1, 0, 21, -20]
    assert placed.y.tolist() == [0, 0, 0, 0, 1, 0, 1, 30, -31]
    # Single precision moves a position of 20 pixels by up to 1e-6.
    np.testing.assert_allclose(placed.x + placed.fraction_x, x, rtol=0, atol=1e-6)
    np.testing.assert_allclose(placed.y + placed.fraction_y, y, rtol=0, atol=1e-6)
    assert (placed.x + placed.fraction_x == x.astype(np.float32)).all()


def test_exact_coefficients_are_placed_on_the_nearest_pixel():
    x = np.array([0.7, -0.5, 1e7 + 0.123456789])
    placed = placement(x, -x, "exact")
    assert placed.x.tolist() == [1, 0, 10_000_000]
    assert placed.y.tolist() == [-1, 1, -10_000_000]
    np.testing.assert_array_equal(placed.x + placed.fraction_x, x)
    np.testing.assert_array_equal(placed.y + placed.fraction_y, -x)


@pytest.mark.parametrize("xy0", [(0, 0), (-300, 700)])
def test_a_compensated_tophat_of_small_circles_is_the_star_less_its_wings(xy0):
    """All three circles weighted by sinc coefficients, on a flat sky that cancels."""
    x, y, sigma = 110.3, 109.6, 2.0
    image = gaussian_star(SHAPE, x, y, 1e4, sigma) + 50.0
    exposure = make_exposure(shape=SHAPE, xy0=xy0, image=image.astype(np.float32), psf=None)
    config = MeasurementConfig(
        plugins=("base_TransformedCentroidFromCoord", "base_CompensatedTophatFlux"),
        plugin_options={"base_CompensatedTophatFlux": {"apertures": (4,), "outer_scale": 2.0}},
        sinc_shift="exact",
    )
    columns = measure_positions(exposure, *sky([x + xy0[0]], [y + xy0[1]]), config)
    circle, ring = gaussian_inside(4, sigma), gaussian_inside(8, sigma) - gaussian_inside(4, sigma)
    assert columns["compensatedTophatFlux_4"][0] == pytest.approx(1e4 * (circle - ring / 3), rel=1e-4)
    # Squares of band-limited weights add up to the area less what the rim shares out.
    assert 0.8 < columns["compensatedTophatFlux_4Err"][0] / (3.0 * np.sqrt(16 * np.pi)) < 1.15
