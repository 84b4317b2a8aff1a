"""The lsst.images reader on whole files: real ones, and larger ones that are measured."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

import forcedsql
from forcedsql.config import MeasurementConfig
from forcedsql.errors import ReadError
from forcedsql.readers import archive_classes, open_exposure
from tests.readers import lsst_images_file as layout
from tests.readers.lsst_images.small_files import small_file
from tests.readers.lsst_images_file import PSF_FLUX

REAL = ("visit_image_dp1", "visit_image_dp2", "visit_image_gaussian", "cell_coadd_dp2")
SIDE = 300
SIGMA = 2.0


@pytest.fixture(scope="module")
def real(shared):
    """Opens a file of the public package and what the package itself evaluates on it."""

    def opened(name):
        folder = shared / "data" / "lsst_images"
        return open_exposure(folder / f"{name}.fits"), np.load(folder / f"{name}_values.npz")

    return opened


@pytest.mark.parametrize("name", REAL)
def test_sky_positions_are_those_of_the_package(real, name):
    exposure, values = real(name)
    x, y = exposure.wcs.sky_to_pixel(values["ra"], values["dec"])
    # The values are the package's sky positions of these pixels; its inverses are good to 1e-9.
    np.testing.assert_allclose([x, y], [values["x"], values["y"]], atol=1e-6)
    ra, dec = exposure.wcs.pixel_to_sky(values["x"], values["y"])
    np.testing.assert_allclose([ra, dec], [values["ra"], values["dec"]], atol=1e-12)


@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("kind", ["kernel", "stellar"])
def test_psf_images_are_those_of_the_package(real, name, kind):
    exposure, values = real(name)
    evaluate = exposure.psf.kernel_images if kind == "kernel" else exposure.psf.images
    images = evaluate(values["x"], values["y"])
    compared = 0
    for k in range(len(values["x"])):
        key = f"{k}_compute_{kind}_image"
        if key in values:
            np.testing.assert_allclose(images.values[k], values[key], atol=1e-9)
            assert (images.y0[k], images.x0[k]) == tuple(values[f"{key}_yx0"])
            compared += 1
    # The package cannot move cell PSFs, nor evaluate them where the cell is missing.
    assert compared == (12 if name != "cell_coadd_dp2" else 8 * (kind == "kernel"))


@pytest.mark.parametrize("name", REAL)
def test_aperture_corrections_are_those_of_the_package(real, name):
    exposure, values = real(name)
    names = [key.removeprefix("apcorr_") for key in values if key.startswith("apcorr_")]
    assert set(names) == set(exposure.ap_corr or ())
    for flux in names:
        ours = exposure.ap_corr[flux].evaluate(values["x"], values["y"])
        np.testing.assert_allclose(ours, values[f"apcorr_{flux}"], rtol=1e-12)


def test_a_real_visit_image_says_what_it_is(real):
    info = real("visit_image_dp2")[0].info
    assert (info.visit, info.detector, info.band) == (2025052300201, 118, "i")
    assert info.dataset_type == "visit_image"
    assert (info.physical_filter, info.exposure_time) == ("i_39", 30.0010924339294)
    # 2025-05-24, from the day of observation that the visit's number holds.
    assert info.mjd == pytest.approx(60819.0682124, abs=1e-7)


def test_a_real_coadd_says_what_it_is_and_keeps_infinite_variance(real):
    exposure, _ = real("cell_coadd_dp2")
    assert (exposure.info.tract, exposure.info.patch, exposure.info.band) == (9813, "43", "r")
    assert exposure.info.visit is None
    assert exposure.info.dataset_type == "cell_coadd"
    no_data = (exposure.mask >> exposure.mask_planes["NO_DATA"]) & 1 == 1
    assert np.isinf(exposure.variance[no_data]).all()
    assert np.count_nonzero(no_data) == 36


def star_positions(count=16, *, xy0=(0, 0), margin=40, seed=1):
    """A grid of positions, each moved by a fraction of a pixel."""
    steps = np.linspace(margin, SIDE - margin, int(np.sqrt(count)))
    x, y = (axis.ravel() for axis in np.meshgrid(steps, steps))
    moved = np.random.default_rng(seed).uniform(-0.5, 0.5, (2, x.size))
    return x + moved[0] + xy0[0], y + moved[1] + xy0[1]


def image_of_stars(x, y, flux, profile, *, shape=(SIDE, SIDE), xy0=(0, 0)):
    """The sum of profiles, functions of (dx, dy, x, y) that are 1 in sum."""
    row, column = np.indices(shape)
    column, row = column + xy0[0], row + xy0[1]
    return sum(f * profile(column - a, row - b, a, b) for a, b, f in zip(x, y, flux, strict=True))


def gaussian(dx, dy, x, y, sigma=SIGMA):
    return np.exp(-0.5 * (dx**2 + dy**2) / sigma**2) / (2 * np.pi * sigma**2)


def measured(path, x, y, **options):
    exposure = open_exposure(path)
    ra, dec = exposure.wcs.pixel_to_sky(x, y)
    positions = pa.table({"id": np.arange(len(x)), "ra": ra, "dec": dec})
    table = forcedsql.measure(exposure, positions, config=MeasurementConfig(**options), columns="source")
    return {name: table[name].to_numpy() for name in table.column_names}


def test_stars_on_a_visit_image_with_a_gaussian_psf_have_their_fluxes(tmp_path):
    xy0 = (700, -50)
    x, y = star_positions(xy0=xy0)
    flux = np.linspace(500.0, 9000.0, x.size)
    image = image_of_stars(x, y, flux, gaussian, xy0=xy0)
    bounds = layout.box(*xy0, SIDE, SIDE)
    ap_corr = {
        PSF_FLUX: layout.chebyshev(bounds, [[1.05, 0.02], [-0.01, 0.0]]),
        f"{PSF_FLUX}Err": layout.chebyshev(bounds, [[0.0]]),
    }
    file = layout.visit_image(image, np.full(image.shape, 4.0), xy0=xy0, ap_corr=ap_corr)
    got = measured(file.write(tmp_path / "visit.fits"), x, y)
    correction = 1.05 + 0.02 * (2 * (x - xy0[0] - 149.5) / SIDE) - 0.01 * (2 * (y - xy0[1] - 149.5) / SIDE)
    # Pixels are single precision, and the wings beyond the stamp hold 1e-12 of the flux.
    np.testing.assert_allclose(got["psfFlux"], flux * correction, rtol=1e-6)
    # The error of a fit to pixels of one variance: sigma_pixel / sqrt(sum of squares of the PSF).
    np.testing.assert_allclose(got["psfFluxErr"], 2.0 * np.sqrt(4 * np.pi) * SIGMA * correction, rtol=1e-6)
    assert not got["psfFlux_flag"].any()


def test_fluxes_on_a_noisy_visit_image_are_unbiased(tmp_path):
    x, y = star_positions(100, margin=25)
    flux = np.full(x.size, 800.0)
    noise = np.random.default_rng(11).normal(0.0, 3.0, (SIDE, SIDE))
    file = layout.visit_image(image_of_stars(x, y, flux, gaussian) + noise, np.full(noise.shape, 9.0))
    got = measured(file.write(tmp_path / "visit.fits"), x, y, do_ap_corr=False)
    pull = (got["psfFlux"] - flux) / got["psfFluxErr"]
    # 100 stars: the mean scatters by 0.1, the standard deviation by 0.07.
    assert abs(pull.mean()) < 0.35
    assert 0.75 < pull.std() < 1.25


def varying_profile(dx, dy, x, y):
    """A Gaussian whose width grows along x: its value and slope in x at x = 0."""
    value = gaussian(dx, dy, x, y)
    return value + 1e-3 * x * value * ((dx**2 + dy**2) / SIGMA**2 - 2)


@pytest.mark.parametrize("keys", [("x", "y"), ("u", "v")])
def test_stars_on_a_visit_image_with_a_piff_psf_have_their_fluxes(tmp_path, keys):
    x, y = star_positions()
    flux = np.linspace(500.0, 9000.0, x.size)
    file = layout.visit_image(*[image_of_stars(x, y, flux, varying_profile)] * 2)
    file.images["VARIANCE"] = np.ones((SIDE, SIDE), np.float32)
    v, u = np.mgrid[:27, :27] - 13.0
    points = gaussian(u, v, 0, 0)
    per_key = 1e-3 / (layout.PIXEL_SCALE if keys == ("u", "v") else 1.0)
    # Terms in the order 1, second key, first key (Piff piff/basis_interp.py).
    solution = (
        np.stack([points, 0 * points, per_key * points * ((u**2 + v**2) / SIGMA**2 - 2)]).reshape(3, -1).T
    )
    file.tree["psf"] = layout.piff_psf(file, solution, stamp_size=25, order=1, keys=keys)
    got = measured(file.write(tmp_path / "visit.fits"), x, y, do_ap_corr=False)
    # GalSim's Lanczos-11 ripples: Gaussians of 2 pixels come out to 1e-4 of their flux per axis.
    np.testing.assert_allclose(got["psfFlux"], flux, rtol=5e-4)
    assert not got["psfFlux_flag"].any()
    assert not got["invalidPsfFlag"].any()


CELL, CELLS, FIRST, MISSING = (100, 110), (2, 3), (3, 5), (4, 6)


def coadd_file(noise=0.0):
    """A coadd of 2 x 3 cells, one of them missing; its stars and their fluxes."""
    rng = np.random.default_rng(7)
    height, width = CELLS[0] * CELL[0], CELLS[1] * CELL[1]
    xy0 = (FIRST[1] * CELL[1], FIRST[0] * CELL[0])
    image, variance = np.zeros((height, width)), np.full((height, width), max(noise, 1.0) ** 2)
    mask, psf = np.zeros((height, width), int), np.full((*CELLS, 25, 25), np.nan)
    table = {"cell_i": [], "cell_j": [], PSF_FLUX: [], f"{PSF_FLUX}Err": []}
    stars = []
    for i, j in np.ndindex(CELLS):
        cell, sigma = (FIRST[0] + i, FIRST[1] + j), 1.7 + 0.15 * (3 * i + j)
        part = np.s_[i * CELL[0] : (i + 1) * CELL[0], j * CELL[1] : (j + 1) * CELL[1]]
        # The first star is on the centre of a pixel, where the PSF is not moved.
        x, y = np.array([[28.0, 70.3], [30.0, 68.6]]) + np.array([[cell[1] * CELL[1]], [cell[0] * CELL[0]]])
        if cell == MISSING:
            variance[part], mask[part] = np.inf, 1
            stars += [(a, b, np.nan) for a, b in zip(x, y, strict=True)]
            continue
        v, u = np.mgrid[:25, :25] - 12.0
        psf[i, j] = gaussian(u, v, 0, 0, sigma) / gaussian(u, v, 0, 0, sigma).sum()
        flux, correction = rng.uniform(1000, 5000, 2), 1.0 + 0.01 * (3 * i + j)
        profile = partial(gaussian, sigma=sigma)
        image += image_of_stars(x, y, flux, profile, shape=image.shape, xy0=xy0)
        for column, value in zip(table, (*cell, correction, 0.0), strict=True):
            table[column].append(value)
        stars += list(zip(x, y, flux * correction, strict=True))
    image = np.where(mask == 1, np.nan, image + rng.normal(0.0, noise, image.shape))
    bounds = layout.cell_bounds(cell=CELL, cells=CELLS, first=FIRST, missing=[MISSING])
    file = layout.cell_coadd(image, variance, mask, psf, bounds=bounds, ap_corr=table)
    return file, *np.array(stars).T


def test_stars_on_a_coadd_of_cells_have_their_fluxes_and_none_where_the_cell_is_missing(tmp_path):
    file, x, y, flux = coadd_file()
    path = file.write(tmp_path / "coadd.fits")
    got = measured(path, x, y)
    there = np.isfinite(flux)
    assert np.count_nonzero(~there) == 2
    centred = np.arange(x.size) % 2 == 0
    # Single precision pixels, and wings beyond the stamp that hold 1e-6 of the flux.
    np.testing.assert_allclose(got["psfFlux"][there & centred], flux[there & centred], rtol=5e-6)
    # Lanczos-5, by which LSST moves PSFs, ripples: some 7e-4 of a flux.
    np.testing.assert_allclose(got["psfFlux"][there & ~centred], flux[there & ~centred], rtol=1.5e-3)
    assert not got["psfFlux_flag"][there].any()
    assert not got["invalidPsfFlag"][there].any()
    assert got["invalidPsfFlag"][~there].all()
    assert got["psfFlux_flag"][~there].all()
    assert np.isnan(got["psfFlux"][~there]).all()
    assert open_exposure(path).info.patch == "43"


def test_pixels_without_data_spoil_a_psf_flux_unless_they_are_left_out(tmp_path):
    file, *_ = coadd_file(noise=2.0)
    path = file.write(tmp_path / "coadd.fits")
    # Five pixels to the right of the missing cell: the PSF reaches into it.
    x, y = np.array([(MISSING[1] + 1) * CELL[1] + 5.0]), np.array([(MISSING[0] + 0.5) * CELL[0]])
    spoilt = measured(path, x, y)
    assert np.isnan(spoilt["psfFlux"][0])
    assert spoilt["psfFlux_flag"][0]
    assert spoilt["pixelFlags_nodata"][0]
    left_out = measured(path, x, y, bad_mask_planes=("NO_DATA",))
    assert np.isfinite(left_out["psfFlux"][0])
    assert 0.0 < left_out["psfFluxErr"][0] < np.inf
    assert not left_out["psfFlux_flag"][0]
    assert left_out["psfFlux_npixels"][0] < 25 * 25


def test_mask_planes_raise_the_flags_of_their_afw_names(tmp_path):
    x, y = star_positions()
    mask = np.zeros((SIDE, SIDE), int)
    flags = {
        "BAD": "bad",
        "SATURATED": "saturated",
        "INTERPOLATED": "interpolated",
        "COSMIC_RAY": "cr",
        "DETECTION_EDGE": "edge",
        "SUSPECT": "suspect",
        "NO_DATA": "nodata",
    }
    for k, name in enumerate(flags):
        mask[int(y[k] + 0.5), int(x[k] + 0.5)] = 1 << layout.VISIT_PLANES.index(name)
    file = layout.visit_image(np.ones((SIDE, SIDE)), np.ones((SIDE, SIDE)), mask)
    got = measured(file.write(tmp_path / "visit.fits"), x, y, do_ap_corr=False)
    for k, flag in enumerate(flags.values()):
        raised = [other for other in flags.values() if got[f"pixelFlags_{other}Center"][k]]
        assert raised == [flag]


def test_an_image_without_variance_is_no_exposure(tmp_path):
    file = small_file("visit")
    file.tree = {**layout.schema("color_image"), "image": file.tree["image"]}
    with pytest.raises(ReadError, match="it holds a color_image, which has no mask"):
        open_exposure(file.write(tmp_path / "color.fits"))


def test_newer_layouts_and_schemas_are_refused(tmp_path):
    file = small_file("visit")
    file.primary["FMTVER"] = 2
    with pytest.raises(ReadError, match="layout 2; forcedsql reads up to 1"):
        open_exposure(file.write(tmp_path / "layout.fits"))
    file = small_file("visit")
    file.tree["min_read_version"] = 2
    with pytest.raises(ReadError, match="visit_image of version 2"):
        open_exposure(file.write(tmp_path / "schema.fits"))


def test_a_component_of_a_newer_schema_is_named_and_the_rest_is_read(tmp_path):
    file = small_file("visit")
    file.tree["psf"]["min_read_version"] = 3
    exposure = open_exposure(file.write(tmp_path / "visit.fits"))
    assert exposure.psf is None
    assert exposure.unsupported == {"psf": "piff_psf of version 3"}
    assert exposure.wcs is not None


def test_planes_at_different_places_are_refused(tmp_path):
    file = small_file("visit")
    file.tree["variance"]["yx0"] = [0, 1]
    with pytest.raises(ReadError, match="planes start at"):
        open_exposure(file.write(tmp_path / "visit.fits"))


def test_the_schemas_of_a_file_are_listed_with_what_is_read(tmp_path):
    path = small_file("coadd").write(tmp_path / "coadd.fits")
    known = {part.name: part.known for part in archive_classes(path)}
    assert known["cell_psf"]
    assert known["cell_coadd"]
    visit = {part.name: part for part in archive_classes(small_file("visit").write(tmp_path / "visit.fits"))}
    assert visit["detector"].known
    assert not visit["observation_summary_stats"].known
    assert not any(name.strip() == "" for name in visit)
    assert visit["chebyshev_field"].count == 2


def test_a_part_with_an_odd_schema_is_not_listed_and_does_no_harm(tmp_path):
    file = small_file("visit")
    file.tree["detector"]["schema_url"] = 5
    file.tree["summary_stats"]["schema_url"] = "https://images.lsst.io/schemas/a\nb-1.0.0"
    path = file.write(tmp_path / "visit.fits")
    assert open_exposure(path).psf is not None
    assert not {"detector", "a\nb"} & {part.name for part in archive_classes(path)}
