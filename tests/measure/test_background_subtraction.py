"""subtract_background: stars on a sky that nobody subtracted."""

import sys

import numpy as np
import pytest

from forcedsql.config import MeasurementConfig
from forcedsql.database.cache import OTHER_BYTES, size_of
from forcedsql.errors import ConfigError
from forcedsql.measure.driver import measure_positions, provenance
from tests.measure.exposures import PLANES, gaussian_star, make_exposure, sky

SHAPE = (700, 720)
SIGMA = 1.8
FLUX = 4e3
"""Bright enough to matter, and faint enough that the PSF model's own 1e-3 do not."""
RADII = (3.0, 6.0, 12.0)


def sloping_sky(shape):
    row, column = np.indices(shape)
    return 2500.0 + 0.3 * column - 0.2 * row


def field(*, level=None, noise=10.0, seed=4, stars=True, spacing=56):
    """Stars of one flux on a grid, on a sky, and where they are."""
    exposure = make_exposure(shape=SHAPE, seed=seed, noise=noise)
    exposure.image[:] += sloping_sky(SHAPE) if level is None else level
    rng = np.random.default_rng(seed + 1)
    x, y = (
        v.ravel()
        for v in np.meshgrid(np.arange(45, 670, spacing), np.arange(45, 650, spacing), indexing="xy")
    )
    x, y = x + rng.uniform(-0.5, 0.5, x.size), y + rng.uniform(-0.5, 0.5, x.size)
    for position in zip(x, y, strict=True) if stars else ():
        place = np.s_[
            int(position[1]) - 14 : int(position[1]) + 15, int(position[0]) - 14 : int(position[0]) + 15
        ]
        corner = place[1].start, place[0].start
        exposure.image[place] += gaussian_star(
            (29, 29), position[0] - corner[0], position[1] - corner[1], FLUX, SIGMA
        )
    return exposure, x, y


def measured(exposure, x, y, method, **options):
    config = MeasurementConfig(subtract_background=method, radii=RADII, **options)
    return measure_positions(exposure, *sky(x, y), config)


@pytest.mark.parametrize("method", ["local", "mesh"])
def test_stars_keep_their_flux_on_a_bright_sky(method):
    exposure, x, y = field()
    image = exposure.image.copy()
    columns = measured(exposure, x, y, method, sinc_shift="exact")
    np.testing.assert_array_equal(exposure.image, image)
    inside = 1.0 - np.exp(-(12.0**2) / (2 * SIGMA**2))
    for name, truth in (("psfFlux", FLUX), ("ap12Flux", FLUX * inside)):
        pull = (columns[name] - truth) / columns[f"{name}Err"]
        print(method, name, f"mean pull {pull.mean():.3f}, width {pull.std():.3f}, n {len(pull)}")
        # The mesh follows the slope, and the light of the stars, only as far as its cells can.
        bound = 4 / np.sqrt(len(pull)) if method == "local" else 1.5
        assert abs(pull.mean()) < bound
    without = measured(exposure, x, y, "none", sinc_shift="exact")
    assert np.median(without["psfFlux"]) > 2 * FLUX


@pytest.mark.parametrize("method", ["sinc", "exact", "center"])
def test_errors_with_a_local_background_are_the_scatter(method):
    """Pulls of blank sky: N = 900 independent places, so 4 / sqrt(2 N) = 0.094 on their width."""
    exposure = make_exposure(shape=(1300, 1300), noise=10.0, seed=8)
    exposure.image[:] += 3000.0
    grid = np.arange(35.0, 1265.0, 41.0)
    x, y = (v.ravel() + 0.3 for v in np.meshgrid(grid, grid))
    config = MeasurementConfig(
        subtract_background="local",
        radii=(3.0, 12.0),
        aperture_method=method,
        sinc_shift="exact",
        plugin_options={"base_LocalBackground": {"annulusOuter": 11.0}},
    )
    columns = measure_positions(exposure, *sky(x, y), config)
    for name in ("psfFlux", "ap03Flux", "ap12Flux"):
        pull = columns[name] / columns[f"{name}Err"]
        print(method, name, f"mean {pull.mean():.3f}, width {pull.std():.3f}, n {len(pull)}")
        assert abs(pull.mean()) < 4 / np.sqrt(len(pull))
        assert abs(pull.std() - 1) < 4 / np.sqrt(2 * len(pull))


def test_the_local_background_is_area_times_sky():
    exposure, x, y = field()
    plain = measured(exposure, x, y, "none", plugins=(*MeasurementConfig().plugins, "base_LocalBackground"))
    local = measured(exposure, x, y, "local")
    np.testing.assert_array_equal(local["sky"], plain["sky"])
    subtracted = plain["psfFlux"] - local["psfFlux"]
    np.testing.assert_allclose(subtracted, plain["sky"] * plain["psfFlux_area"], rtol=1e-6)
    error = np.sqrt(
        plain["psfFluxErr"] ** 2 + (plain["psfFlux_area"] * plain["skyErr"]) ** 2 / local["sky_npixels"]
    )
    np.testing.assert_allclose(local["psfFluxErr"], error, rtol=1e-7)
    # Above 10 pixels a circle's area is the number of pixel centres in it.
    area = (plain["ap12Flux"] - local["ap12Flux"]) / plain["sky"]
    np.testing.assert_allclose(area, np.rint(area), atol=1e-6)
    assert np.all(np.abs(area - np.pi * 144) < 15)


def test_chi2_is_that_of_star_and_sky_together():
    exposure, x, y = field(level=3000.0)
    exposure.mask[:, ::7] = 1 << PLANES["SAT"]
    columns = measured(exposure, x, y, "local", bad_mask_planes=("SAT",))
    reduced = columns["psfFlux_chi2"] / columns["psfFlux_npixels"]
    print(f"chi2 per pixel: {reduced.mean():.3f}")
    # 132 boxes of some 530 pixels each: 4 sqrt(2 / 70,000).
    assert abs(reduced.mean() - 1.0) < 0.022
    assert columns["psfFlux_npixels"].max() < 625


def test_no_background_is_a_flag_and_nan_and_never_the_bare_flux():
    exposure, x, y = field(level=3000.0)
    exposure.mask[:, :] = 1 << PLANES["BAD"]
    columns = measured(exposure, x[:3], y[:3], "local")
    for name in ("psfFlux", "ap03Flux", "ap12Flux"):
        assert np.isnan(columns[name]).all()
        assert columns[f"{name}_flag"].all()
    assert columns["localBackground_flag_noGoodPixels"].all()


def test_without_a_psf_the_ring_may_be_given_in_pixels():
    exposure, x, y = field(level=3000.0)
    bare = make_exposure(shape=SHAPE, image=exposure.image, psf=None)
    flagged = measured(bare, x, y, "local")
    assert flagged["ap06Flux_flag"].all()
    given = measured(bare, x, y, "local", plugin_options={"base_LocalBackground.sigmaWithoutPsf": SIGMA})
    expected = measured(exposure, x, y, "local")
    # A pixel or two of the ring depend on the last digits of its radius.
    np.testing.assert_allclose(
        given["ap06Flux"], expected["ap06Flux"], atol=0.02 * expected["ap06FluxErr"].max()
    )
    assert not given["ap06Flux_flag"].any()
    assert given["psfFlux_flag"].all()


def test_the_mesh_is_made_once_and_named_in_the_provenance():
    exposure, x, y = field()
    config = MeasurementConfig(subtract_background="mesh", mesh_size=32, radii=(3.0,))
    before = size_of(exposure)
    together = measure_positions(exposure, *sky(x, y), config)
    assert size_of(exposure) == before + exposure.image.nbytes == exposure.nbytes * 4 // 3 + OTHER_BYTES
    for rows in (slice(0, 5), slice(5, None)):
        some = measure_positions(exposure, *sky(x[rows], y[rows]), config)
        np.testing.assert_array_equal(some["psfFlux"], together["psfFlux"][rows])
    assert size_of(exposure) == before + exposure.image.nbytes
    facts = provenance(exposure, config)
    assert facts["background"].startswith("mesh of 32 pixels, median of 3 cells, sep ")
    assert "subtract_background" in facts["config"]


def test_the_mesh_leaves_out_nan_masked_pixels_and_images_without_sky():
    exposure, x, y = field(stars=False)
    exposure.image[200:300, 200:300] = np.nan
    exposure.image[:64, :64] = 1e6
    exposure.mask[:64, :64] = 1 << PLANES["SAT"]
    columns = measured(exposure, x, y, "mesh")
    kept = np.isfinite(columns["ap12Flux"]) & ~((x < 100) & (y < 100))
    assert kept.sum() > 100
    assert np.abs(columns["ap12Flux"][kept] / columns["ap12FluxErr"][kept]).max() < 8
    exposure = make_exposure(shape=(50, 60))
    exposure.image[:] = np.nan
    assert np.isnan(measured(exposure, [30.0], [20.0], "mesh")["psfFlux"]).all()


def test_a_missing_sep_is_told_with_its_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "sep", None)
    exposure, x, y = field(stars=False)
    with pytest.raises(ConfigError, match=r"needs the package sep; install it with pip install 'forcedsql\["):
        measured(exposure, x, y, "mesh")


def test_a_joint_fit_has_a_background_of_its_own():
    exposure, x, y = field()
    with pytest.raises(ConfigError, match="set deblend_background=true"):
        measured(exposure, x, y, "local", deblend="joint")
    columns = measured(exposure, x, y, "mesh", deblend="joint")
    assert abs(np.median(columns["psfFlux_joint"]) / FLUX - 1) < 0.01


def test_undeblended_fluxes_lose_the_background_too():
    exposure, x, y = field()
    columns = measured(exposure, x, y, "local", undeblended=("base_PsfFlux",))
    np.testing.assert_array_equal(columns["undeblended_psfFlux"], columns["psfFlux"])


def test_the_numbers_of_the_mesh_have_ranges():
    for options, text in (
        ({"mesh_size": 4}, "mesh_size: 4 is not"),
        ({"mesh_filter": 0}, "mesh_filter: 0 is"),
    ):
        with pytest.raises(ConfigError, match=text):
            MeasurementConfig(**options)


def test_chi2_over_the_edge_counts_the_pixels_that_exist():
    exposure = make_exposure(shape=(300, 310), noise=10.0, seed=6)
    exposure.image[:] += 3000.0
    rng = np.random.default_rng(7)
    x, y = np.tile([1.0, 308.0], 60), rng.uniform(40, 260, 120)
    columns = measured(exposure, x, y, "local")
    assert (columns["psfFlux_npixels"] < 400).all()
    reduced = columns["psfFlux_chi2"] / columns["psfFlux_npixels"]
    # Boxes overlap, and hold 220 * 14 pixels on each side: 4 sqrt(2 / 6,000).
    assert abs(reduced.mean() - 1.0) < 0.08


def test_a_fit_without_a_pixel_has_no_chi2():
    exposure, x, y = field(level=3000.0)
    exposure.mask[:] = 1 << PLANES["SAT"]
    for method in ("none", "local"):
        columns = measured(exposure, x[:1], y[:1], method, bad_mask_planes=("SAT",))
        assert columns["psfFlux_npixels"].tolist() == [0]
        assert np.isnan(columns["psfFlux_chi2"]).all()


def test_apertures_alone_lose_the_background_too():
    exposure, x, y = field(level=3000.0)
    apertures = ("base_TransformedCentroidFromCoord", "base_CircularApertureFlux")
    some = measured(exposure, x[:9], y[:9], "local", plugins=apertures)
    every = measured(exposure, x[:9], y[:9], "local")
    assert "psfFlux" not in some
    np.testing.assert_array_equal(some["ap06Flux"], every["ap06Flux"])
