"""A real drift-scan field (SDSS run 6377) against the fluxes that LSST published for it.

The bounds are those of the data set's README: the background of the two reductions differs
by some 0.2 counts per pixel, and the PSF models are not the same.
"""

from dataclasses import dataclass

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from forcedsql.config import MeasurementConfig
from forcedsql.exposure import Exposure
from forcedsql.measure.driver import measure_positions
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import FixedKernel, LinearCombinationKernel
from forcedsql.wcs import FitsWcs

BANDS = ("r", "i")


@dataclass(frozen=True)
class DriftScanPolynomial:
    """Coefficient of one eigenimage: a polynomial of (row + 0.5) / 1000 and (column + 0.5) / 1000."""

    terms: np.ndarray

    def evaluate(self, x, y):
        return np.polynomial.polynomial.polyval2d(1e-3 * (y + 0.5), 1e-3 * (x + 0.5), self.terms)


def karhunen_loeve_psf(hdu) -> KernelPsf:
    middle = (hdu.data.shape[2] // 2, hdu.data.shape[1] // 2)
    basis = [FixedKernel(image.astype(np.float64), middle) for image in hdu.data]
    functions = [
        DriftScanPolynomial(np.array([[hdu.header[f"C{k}_{i}{j}"] for j in range(3)] for i in range(3)]))
        for k in range(len(basis))
    ]
    return KernelPsf(LinearCombinationKernel(basis, functions=functions))


@pytest.fixture(scope="module", params=BANDS)
def field(request, shared):
    """(exposure, published sources of its band as a table)."""
    folder = shared / "data" / "sdss_lsstdemo_6377"
    with fits.open(folder / "prepared" / f"sdss-006377-{request.param}4-0399.fits.gz") as hdus:
        planes = {k[3:]: v for k, v in hdus["MASK"].header.items() if k.startswith("MP_")}
        exposure = Exposure(
            image=hdus["IMAGE"].data.astype(np.float32),
            variance=hdus["VARIANCE"].data.astype(np.float32),
            mask=hdus["MASK"].data.astype(np.int32),
            mask_planes=planes,
            wcs=FitsWcs(hdus["IMAGE"].header, (0, 0)),
            psf=karhunen_loeve_psf(hdus["PSF_KL"]),
            unit="adu",
        )
    sources = Table.read(folder / "lsst_stack_sources.csv", format="ascii.csv", guess=False)
    return exposure, sources[sources["filter"] == request.param]


def floats(column):
    return np.ma.filled(np.ma.asarray(column, dtype=float), np.nan)


def truths(column):
    return np.array([str(value) == "True" for value in column])


def scatter(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


@pytest.fixture(scope="module")
def measured(field):
    """(measured columns, published sources, which of them are clean and isolated)."""
    exposure, sources = field
    columns = measure_positions(
        exposure, floats(sources["coord_ra"]), floats(sources["coord_dec"]), MeasurementConfig()
    )
    x, y = columns["x"], columns["y"]
    flagged = truths(sources["base_SdssCentroid_flag"])
    for name in ("edge", "saturated", "interpolated"):
        flagged |= truths(sources[f"base_PixelFlags_flag_{name}"])
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    np.fill_diagonal(distance, np.inf)
    return columns, sources, ~flagged & (distance.min(axis=1) > 25)


def test_positions_fall_on_the_published_centroids(measured):
    columns, sources, _ = measured
    good = ~truths(sources["base_SdssCentroid_flag"])
    away = np.hypot(
        columns["x"] - floats(sources["base_SdssCentroid_x"]),
        columns["y"] - floats(sources["base_SdssCentroid_y"]),
    )
    assert np.nanmax(away[good]) < 0.01


@pytest.mark.parametrize(("signal_to_noise", "bias", "spread"), [(50, 0.003, 0.005), (200, 0.0015, 0.005)])
def test_six_pixel_apertures_agree_with_lsst(measured, signal_to_noise, bias, spread):
    columns, sources, clean = measured
    flux, error = (floats(sources[f"base_CircularApertureFlux_6_0_instFlux{s}"]) for s in ("", "Err"))
    bright = clean & (flux > signal_to_noise * error)
    ratio = columns["ap06Flux"][bright] / flux[bright]
    print(f"S/N > {signal_to_noise}: n={bright.sum()} median {np.median(ratio):.5f} mad {scatter(ratio):.5f}")
    assert bright.sum() >= 9
    assert abs(np.median(ratio) - 1) < bias
    assert scatter(ratio) < spread
    errors = columns["ap06FluxErr"][bright] / error[bright]
    assert abs(np.median(errors) - 1) < 0.12


def test_psf_fluxes_of_stars_agree_with_lsst_to_the_difference_of_the_models(measured):
    columns, sources, clean = measured
    flux, error = (floats(sources[f"base_PsfFlux_instFlux{s}"]) for s in ("", "Err"))
    stars = clean & (flux > 30 * error) & (floats(sources["base_ClassificationExtendedness_value"]) == 0)
    stars &= ~columns["psfFlux_flag"]
    ratio = columns["psfFlux"][stars] / flux[stars]
    print(f"PSF: n={stars.sum()} median {np.median(ratio):.4f} mad {scatter(ratio):.4f}")
    assert stars.sum() > 40
    assert abs(np.median(ratio) - 1) < 0.02
    assert scatter(ratio) < 0.04


def test_every_position_has_its_row(measured):
    columns, sources, _ = measured
    assert {len(values) for values in columns.values()} == {len(sources)}
