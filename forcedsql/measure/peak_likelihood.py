"""base_PeakLikelihoodFlux: the flux from the value at the peak, for PSF-matched images."""

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.geometry import nearest_pixel
from forcedsql.measure.batch import INVALID_PSF, Batch, Columns
from forcedsql.measure.kernels.cutouts import cutouts, inside_image
from forcedsql.plugins import FLUX_ORDER, Plugin, PluginOption
from forcedsql.schema import Column, flag_column, flux_columns

NAME = "base_PeakLikelihoodFlux"


def peak_likelihood_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the peak likelihood flux."""
    source = "peakLikelihoodFlux"
    return (
        *flux_columns(source, NAME, "flux from the peak of a PSF-matched image"),
        flag_column(f"{source}_flag", f"{NAME}_flag", "the peak likelihood flux could not be measured"),
    )


def peak_likelihood_flux(batch: Batch, config: MeasurementConfig) -> Columns:
    """Multiply the image's value at the position by the effective area of the PSF.

    The value is interpolated with a Lanczos kernel of order `lanczosOrder`; the area is
    ``(sum m)^2 / sum(m^2)`` of the PSF centred on the nearest pixel (meas_base
    ``src/PeakLikelihoodFlux.cc``, which is only right for an image that begins at pixel 0, 0;
    here the image's origin is heeded).  On an image that was not convolved with its PSF the
    result is no flux.
    """
    order = config.plugin_option(NAME, "lanczosOrder")
    value, variance, inside = _value_at(batch, order)
    area = _effective_area(batch)
    good = inside & np.isfinite(area)
    return {
        "peakLikelihoodFlux": np.where(good, value * area, np.nan),
        "peakLikelihoodFluxErr": np.where(good, np.sqrt(variance) * area, np.nan),
        "peakLikelihoodFlux_flag": ~good,
        INVALID_PSF: ~np.isfinite(area),
    }


def _value_at(batch: Batch, order: int) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return image and variance at sub-pixel positions, and where the kernel is on the image."""
    x, y = batch.local_position
    (x0, taps_x), (y0, taps_y) = (_lanczos_taps(v, order) for v in (x, y))
    size = 2 * order
    image, noise = (
        cutouts(p, x0, y0, size, size).astype(np.float64) for p in (batch.planes.image, batch.planes.variance)
    )
    value = np.einsum("nij,ni,nj->n", image, taps_y, taps_x)
    variance = np.einsum("nij,ni,nj->n", noise, taps_y**2, taps_x**2)
    # The original hands both on as pixels, which are single precision.
    value, variance = (v.astype(np.float32).astype(np.float64) for v in (value, variance))
    return value, variance, inside_image(batch.planes.shape, x0, y0, size, size)


def _lanczos_taps(position: FloatArray, order: int) -> tuple[IntArray, FloatArray]:
    """Return the first pixel and the weights, (n, 2 order), that interpolate at positions."""
    pixel = nearest_pixel(position)
    fraction = position - pixel
    first = np.where(fraction < 0.0, -order, 1 - order)
    t = first[:, None] + np.arange(2 * order) - fraction[:, None]
    weights = np.sinc(t) * np.sinc(t / order)
    return pixel + first, weights / weights.sum(axis=1, keepdims=True)


def _effective_area(batch: Batch) -> FloatArray:
    """Return the effective area of the PSF at the nearest pixel, (n,) in pixels; NaN without a PSF."""
    if batch.exposure.psf is None:
        return np.full(len(batch), np.nan)
    x, y = (nearest_pixel(v).astype(np.float64) for v in (batch.x, batch.y))
    images = batch.exposure.psf.images(x, y)
    total, squares = images.values.sum(axis=(1, 2)), np.square(images.values).sum(axis=(1, 2))
    return np.where(images.valid, total**2 / squares, np.nan)


PLUGIN = Plugin(
    name=NAME,
    summary="flux from the peak value, for images convolved with their PSF",
    order=FLUX_ORDER,
    columns=peak_likelihood_columns,
    measure=peak_likelihood_flux,
    needs_psf=True,
    options=(
        PluginOption(name="lanczosOrder", default=4, meaning="order of the interpolating Lanczos kernel"),
    ),
)
