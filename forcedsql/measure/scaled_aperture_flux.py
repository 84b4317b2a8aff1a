"""base_ScaledApertureFlux: the flux inside a circle whose radius follows the PSF."""

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.aperture_flux import circle_box, fits_image, placement, sinc_sums
from forcedsql.measure.batch import INVALID_PSF, Batch, Columns
from forcedsql.measure.sinc import sinc_aperture
from forcedsql.plugins import FLUX_ORDER, Plugin, PluginOption
from forcedsql.schema import Column, flag_column, flux_columns

NAME = "base_ScaledApertureFlux"

_FWHM = 2.0 * np.sqrt(2.0 * np.log(2.0))
"""Full width at half maximum of a Gaussian over its sigma."""

_BINS_PER_PIXEL, _NODES = 8, 6
"""Bins of the radius, and radii at which the sums of a bin are taken."""

_LARGEST_RADIUS = 64.0
"""Pixels beyond which an aperture is flagged: its coefficients would be 255 pixels wide."""


def scaled_aperture_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the PSF-scaled aperture."""
    source = "scaledApertureFlux"
    return (
        *flux_columns(source, NAME, "flux inside a circle that is scaled with the PSF"),
        flag_column(f"{source}_flag", f"{NAME}_flag", "the PSF-scaled aperture could not be measured"),
        flag_column(
            f"{source}_flag_apertureTruncated",
            f"{NAME}_flag_apertureTruncated",
            "the PSF-scaled aperture reaches over the edge of the image",
        ),
        flag_column(
            f"{source}_flag_sincCoeffsTruncated",
            f"{NAME}_flag_sincCoeffsTruncated",
            "the weights of the PSF-scaled aperture reach over the edge of the image",
        ),
    )


def scaled_aperture_flux(batch: Batch, config: MeasurementConfig) -> Columns:
    """Sum the pixels in a circle of `scale` times the PSF's full width at half maximum.

    The width is that of a Gaussian with the determinant radius of the PSF at the position;
    the weights are sinc coefficients whatever the radius (meas_base
    ``src/ScaledApertureFlux.cc``).
    """
    n = len(batch)
    radius = batch.psf_radius * _FWHM * config.plugin_option(NAME, "scale")
    usable = (radius > 0.0) & (radius <= _LARGEST_RADIUS)
    flux, variance = np.full(n, np.nan), np.full(n, np.nan)
    clipped, truncated = np.zeros(n, np.bool_), ~usable
    # Bins are closed above, as the radii of one coefficient image's size are.
    bins = np.where(usable, np.ceil(np.where(usable, radius, 1.0) * _BINS_PER_PIXEL), 0).astype(np.int64)
    for bin_ in np.unique(bins[usable]):
        rows = np.flatnonzero(usable & (bins == bin_))
        flux[rows], variance[rows], half = _sums_of_bin(batch, config, rows, radius[rows], int(bin_))
        clipped[rows], truncated[rows] = _truncation(batch, config, rows, radius[rows], half)
    return {
        "scaledApertureFlux": np.where(truncated, np.nan, flux),
        "scaledApertureFluxErr": np.where(truncated, np.nan, np.sqrt(variance)),
        "scaledApertureFlux_flag": truncated,
        "scaledApertureFlux_flag_apertureTruncated": truncated & usable,
        "scaledApertureFlux_flag_sincCoeffsTruncated": clipped,
        INVALID_PSF: ~np.isfinite(batch.psf_radius),
    }


def _sums_of_bin(
    batch: Batch, config: MeasurementConfig, rows: IntArray, radius: FloatArray, bin_: int
) -> tuple[FloatArray, FloatArray, int]:
    """Return flux, variance and the half width of the coefficients, for radii of one bin.

    Both sums are smooth functions of the radius: they are taken at the Chebyshev nodes of
    the bin, and interpolated to 1e-8 of the coefficients.
    """
    low = (bin_ - 1) / _BINS_PER_PIXEL
    cosines = np.cos(np.pi * (np.arange(_NODES) + 0.5) / _NODES)
    nodes = low + (1.0 + cosines) / (2.0 * _BINS_PER_PIXEL)
    apertures = [sinc_aperture(float(node), config.sinc_shift) for node in nodes]
    sums = sinc_sums(batch, apertures, placement(batch.x[rows], batch.y[rows], config.sinc_shift))
    at = 2.0 * (radius - low) * _BINS_PER_PIXEL - 1.0
    weights = _interpolation_weights(cosines, at)
    flux, variance = (np.einsum("nk,nk->n", weights, values) for values in sums)
    return flux, variance, apertures[0].width // 2


def _interpolation_weights(nodes: FloatArray, at: FloatArray) -> FloatArray:
    """Return the Lagrange weights, (n, k), of k nodes for n abscissae."""
    weights = np.ones((len(at), len(nodes)))
    for k, node in enumerate(nodes):
        for other in np.delete(nodes, k):
            weights[:, k] *= (at - other) / (node - other)
    return weights


def _truncation(
    batch: Batch, config: MeasurementConfig, rows: IntArray, radius: FloatArray, half: int
) -> tuple[BoolArray, BoolArray]:
    """Tell which coefficients reach over the edge, and which circles do."""
    x, y = batch.x[rows], batch.y[rows]
    clipped = ~fits_image(batch, *placement(x, y, config.sinc_shift).box(half))
    return clipped, clipped & ~fits_image(batch, *circle_box(x, y, radius))


PLUGIN = Plugin(
    name=NAME,
    summary="flux inside a circle whose radius follows the PSF",
    order=FLUX_ORDER,
    columns=scaled_aperture_columns,
    measure=scaled_aperture_flux,
    needs_psf=True,
    options=(
        PluginOption(
            name="scale", default=3.14, meaning="radius in units of the PSF's width at half maximum"
        ),
    ),
)
