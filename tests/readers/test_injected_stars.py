"""Stars drawn from formulas, measured with each kind of PSF file: no bias, and true errors.

The images are sums of Gaussians (or a Moffat profile) evaluated at pixel centres, never drawn by
a PSF model, so that what a model gets wrong shows as a bias of the fluxes.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.config import MeasurementConfig
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.psfex import PsfexPsf
from forcedsql.readers.psf_spec import open_psf
from tests.measure.exposures import make_exposure, sky
from tests.readers.psfex_writer import write_psf

SIDE = 142
COUNT = SIDE * SIDE
SIGMAS = (1.2, 1.4, 1.6, 1.3)
CONFIG = MeasurementConfig(plugins=("base_TransformedCentroidFromCoord", "base_PsfFlux"), do_ap_corr=False)


def gaussian(distance, sigma):
    return np.exp(-0.5 * (distance / sigma) ** 2) / (np.sqrt(2 * np.pi) * sigma)


def gaussian_image(side, sigma, centre=None):
    x, y = (side // 2, side // 2) if centre is None else centre
    pixel = np.arange(side)
    return gaussian(pixel[:, None] - y, sigma) * gaussian(pixel - x, sigma)


@dataclass(frozen=True)
class Case:
    """A PSF specification, and what it says a star looks like.

    Its light is the sum of round Gaussians of `sigmas` by ``weights(x, y)``, (n, k); without them
    it is ``profile(dx, dy)``.  A cell of the image holds one star and its whole PSF.
    """

    spec: str
    cell: int = 17
    sigmas: tuple = (1.4,)
    weights: object = None
    profile: object = None

    def light(self, x, y):
        """The light of stars of flux 1, each on its own cell, (n, cell, cell)."""
        pixel = np.arange(self.cell)
        first_x, first_y = (np.floor(v / self.cell)[:, None] * self.cell for v in (x, y))
        dx, dy = first_x + pixel - x[:, None], first_y + pixel - y[:, None]
        if self.profile is not None:
            return self.profile(dx[:, None, :], dy[:, :, None])
        weights = np.ones((len(x), 1)) if self.weights is None else self.weights(x, y)
        return sum(
            weights[:, k, None, None] * gaussian(dy, sigma)[:, :, None] * gaussian(dx, sigma)[:, None, :]
            for k, sigma in enumerate(self.sigmas)
        )

    @property
    def width(self):
        return SIDE * self.cell


def gaussian_case(_):
    return Case(f"gaussian:{1.4 * 2.354820045}")


def moffat_case(_):
    fwhm, beta = 2.2, 4.0
    alpha2 = (fwhm / 2) ** 2 / (2 ** (1 / beta) - 1)

    def profile(dx, dy):
        return (beta - 1) / (np.pi * alpha2) * (1 + (dx**2 + dy**2) / alpha2) ** -beta

    return Case(f"moffat:{fwhm},{beta}", cell=19, profile=profile)


def stamp_case(folder):
    fits.PrimaryHDU(gaussian_image(15, 1.4, (7.3, 6.8))).writeto(folder / "stamp.fits")
    return Case(f"{folder}/stamp.fits[center_x=7.3,center_y=6.8]")


def oversampled_stamp_case(folder):
    fits.PrimaryHDU(gaussian_image(45, 4.2)).writeto(folder / "stamp.fits")
    return Case(f"stamp:{folder}/stamp.fits[oversampling=3]")


def grid_case(folder):
    case = Case(f"{folder}/grid.fits", sigmas=SIGMAS, weights=lambda x, y: corners(x, y, case.width))
    hdu = fits.PrimaryHDU(np.array([gaussian_image(61, 4 * sigma) for sigma in SIGMAS]))
    for name in ("NXPSFS", "NYPSFS"):
        hdu.header[name] = 2
    for name in ("IPSFX", "JPSFY"):
        hdu.header[f"{name}01"], hdu.header[f"{name}02"] = 1, case.width + 1
    hdu.writeto(folder / "grid.fits")
    return case


def corners(x, y, width):
    u, v = x / width, y / width
    return np.stack([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v], axis=1)


def psfex_case(folder):
    case = Case(
        f"{folder}/stars.psf", cell=19, sigmas=SIGMAS[:3], weights=lambda x, y: plane(x, y, case.width)
    )
    base, *others = (gaussian_image(33, 2 * sigma) for sigma in SIGMAS[:3])
    components = np.array([base, *(0.4 * (other - base) for other in others)], np.float32)
    middle, size = (case.width / 2, case.width / 2), (float(case.width), float(case.width))
    write_psf(folder / "stars.psf", PsfexPsf(components, 1, middle, size, 0.5))
    return case


def plane(x, y, width):
    second, third = 0.4 * (x / width - 0.5), 0.4 * (y / width - 0.5)
    return np.stack([1.0 - second - third, second, third], axis=1)


def sdss_case(folder):
    case = Case(f"{folder}/psField.fit[band=r]", sigmas=SIGMAS[:2], weights=rows_and_columns)
    coefficients = np.zeros((2, 5, 5))
    coefficients[0, :2, :2], coefficients[1, :2, :2] = [[1.0, -0.1], [-0.2, 0.0]], [[0.0, 0.1], [0.2, 0.0]]
    pixels = np.empty(2, dtype=object)
    pixels[:] = [gaussian_image(15, sigma).astype(np.float32).ravel() for sigma in SIGMAS[:2]]
    columns = [
        fits.Column(name, "1J", array=np.full(2, value))
        for name, value in {"nrow_b": 2, "ncol_b": 2, "RNROW": 15, "RNCOL": 15}.items()
    ]
    columns += [
        fits.Column("c", "25E", dim="(5,5)", array=coefficients),
        fits.Column("RROWS", "PE()", array=pixels),
    ]
    primary = fits.PrimaryHDU()
    primary.header["FILTERS"] = "r"
    fits.HDUList([primary, fits.BinTableHDU.from_columns(columns)]).writeto(folder / "psField.fit")
    return case


def rows_and_columns(x, y):
    second = 0.2e-3 * (y + 0.5) + 0.1e-3 * (x + 0.5)
    return np.stack([1.0 - second, second], axis=1)


CASES = (gaussian_case, moffat_case, stamp_case, oversampled_stamp_case, grid_case, psfex_case, sdss_case)


@pytest.mark.parametrize("make_case", CASES, ids=lambda make: make.__name__.removesuffix("_case"))
def test_pulls_of_injected_stars_have_mean_0_and_width_1(make_case, tmp_path):
    case = make_case(tmp_path)
    rng = np.random.default_rng(2024)
    row, column = np.divmod(np.arange(COUNT), SIDE)
    x, y = (case.cell * at + case.cell // 2 + rng.uniform(-0.5, 0.5, COUNT) for at in (column, row))
    flux = rng.uniform(20.0, 100.0, COUNT)
    cells = flux[:, None, None] * case.light(x, y)
    light = cells.reshape(SIDE, SIDE, case.cell, case.cell).transpose(0, 2, 1, 3).reshape(case.width, -1)
    variance = (1.0 + light / 4.0).astype(np.float32)
    image = light + np.sqrt(variance) * rng.standard_normal(light.shape, np.float32)
    exposure = make_exposure(
        shape=light.shape,
        image=image.astype(np.float32),
        variance=variance,
        psf=open_psf(case.spec, shape=light.shape),
    )
    measured = measure_positions(exposure, *sky(x, y), CONFIG)
    assert not measured["psfFlux_flag"].any()
    pull = (measured["psfFlux"] - flux) / measured["psfFluxErr"]
    print(f"{case.spec}: {COUNT} stars, mean pull {pull.mean():+.4f}, width {pull.std():.4f}")
    assert abs(pull.mean()) < 4 / np.sqrt(COUNT)
    assert abs(pull.std() - 1) < 4 / np.sqrt(2 * COUNT)
