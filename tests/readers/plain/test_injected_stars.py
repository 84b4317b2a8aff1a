"""Stars of known flux in simulated plain images, read with every kind of error image.

20,164 stars on a grid, each with its own sub-pixel phase and a flux of 10 to 50 times its error.
Pulls (measured less true flux over the stated error) must have mean 0 and width 1 to within
4 standard deviations of their estimates.
"""

import numpy as np
import pytest
from astropy import units
from astropy.io import fits

from forcedsql.config import MeasurementConfig
from forcedsql.measure.driver import flux_unit, measure_positions
from forcedsql.open_options import OpenOptions
from forcedsql.readers import open_exposure

SIDE, CELL = 142, 16
FWHM = 3.0
SKY_SIGMA, GAIN, ZEROPOINT = 10.0, 4.0, 27.0
CONFIG = MeasurementConfig(plugins=("base_TransformedCentroidFromCoord", "base_PsfFlux"), do_ap_corr=False)


class Field:
    """One image of stars, and its truth."""

    def __init__(self, seed: int, *, uniform: bool) -> None:
        rng = np.random.default_rng(seed)
        sigma = FWHM / np.sqrt(8 * np.log(2))
        area = 4 * np.pi * sigma**2
        self.flux = SKY_SIGMA * np.sqrt(area) * np.exp(rng.uniform(np.log(10), np.log(50), (SIDE, SIDE)))
        phase = rng.uniform(-0.5, 0.5, (2, SIDE, SIDE)) + (CELL - 1) / 2
        along_y, along_x = (np.exp(-((np.arange(CELL) - p[..., None]) ** 2) / (2 * sigma**2)) for p in phase)
        cells = (
            (self.flux / (2 * np.pi * sigma**2))[..., None, None] * along_y[..., None] * along_x[:, :, None]
        )
        stars = cells.transpose(0, 2, 1, 3).reshape(SIDE * CELL, SIDE * CELL)
        start = CELL * np.arange(SIDE)
        self.y, self.x = phase[0] + start[:, None], phase[1] + start
        depth = 1.0 if uniform else np.linspace(1.0, 2.0, SIDE * CELL)
        self.sky_variance = np.broadcast_to(SKY_SIGMA**2 * depth, stars.shape)
        self.variance = self.sky_variance + stars / GAIN
        self.image = stars + rng.normal(size=stars.shape) * np.sqrt(self.variance)

    def header(self) -> fits.Header:
        header = fits.Header()
        middle = SIDE * CELL / 2
        for axis, (kind, centre) in enumerate((("RA---TAN", 30.0), ("DEC--TAN", -20.0)), start=1):
            header[f"CTYPE{axis}"], header[f"CRVAL{axis}"], header[f"CRPIX{axis}"] = kind, centre, middle
            header[f"CD{axis}_{axis}"] = 5e-5
        header["BUNIT"] = "adu"
        return header


@pytest.fixture(scope="module")
def varying():
    return Field(1, uniform=False)


@pytest.fixture(scope="module")
def flat():
    return Field(2, uniform=True)


def pulls(field, error, path, **options):
    hdus = [fits.PrimaryHDU(field.image.astype(np.float32), field.header())]
    if error is not None:
        hdus.append(fits.ImageHDU(np.asarray(error, np.float32), name="NOISE"))
        options["error"] = "[NOISE]"
    fits.HDUList(hdus).writeto(path)
    settings = OpenOptions(psf=f"gaussian:{FWHM}", zeropoint=ZEROPOINT, **options)
    exposure = open_exposure(path, options=settings)
    assert flux_unit(exposure, CONFIG) == "nJy"
    ra, dec = exposure.wcs.pixel_to_sky(field.x.ravel(), field.y.ravel())
    columns = measure_positions(exposure, ra, dec, CONFIG)
    assert not columns["psfFlux_flag"].any()
    true = field.flux.ravel() * (ZEROPOINT * units.ABmag).to_value(units.nJy)
    return (columns["psfFlux"] - true) / columns["psfFluxErr"]


def check(found, label):
    count = len(found)
    print(f"{label}: N={count} mean pull {found.mean():+.4f} width {found.std():.4f}")
    assert count >= 20_000
    assert abs(found.mean()) < 4 / np.sqrt(count)
    assert abs(found.std() - 1) < 4 / np.sqrt(2 * count)


@pytest.mark.parametrize("kind", ["variance", "invvar", "rms"])
def test_stars_are_recovered_with_an_error_image(varying, tmp_path, kind):
    variance = varying.variance
    error = {"variance": variance, "invvar": 1 / variance, "rms": np.sqrt(variance)}[kind]
    check(pulls(varying, error, tmp_path / "image.fits", error_kind=kind), kind)


def test_stars_are_recovered_with_a_relative_weight_and_the_gain(varying, tmp_path):
    weight = 17.0 / varying.sky_variance
    check(pulls(varying, weight, tmp_path / "image.fits", error_kind="weight", gain=GAIN), "weight")


def test_stars_are_recovered_from_the_noise_of_the_image_and_the_gain(flat, tmp_path):
    check(pulls(flat, None, tmp_path / "image.fits", gain=GAIN), "none")


def test_without_the_gain_errors_of_bright_stars_are_too_small(flat, tmp_path):
    """The check would see it: half of these stars have photon noise that counts."""
    found = pulls(flat, None, tmp_path / "image.fits")
    assert found.std() > 1 + 8 / np.sqrt(2 * len(found))
