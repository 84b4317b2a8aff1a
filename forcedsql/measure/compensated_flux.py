"""base_CompensatedGaussianFlux and base_CompensatedTophatFlux: fluxes that a flat sky cannot change."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from forcedsql.arrays import AnyArray, BoolArray, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.geometry import nearest_pixel
from forcedsql.measure.aperture_flux import circle_fluxes
from forcedsql.measure.batch import Batch, Columns
from forcedsql.measure.kernels.cutouts import batches, cutouts
from forcedsql.plugins import FLUX_ORDER, Plugin, PluginOption
from forcedsql.schema import Column, flag_column, flux_columns, value_column

GAUSSIAN, TOPHAT = "base_CompensatedGaussianFlux", "base_CompensatedTophatFlux"

_ENCLOSED = 0.995
"""Quantile of the outer Gaussian at which the square of pixels ends."""


def gaussian_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of every compensated Gaussian, flags last."""
    widths = config.plugin_option(GAUSSIAN, "kernel_widths")
    values = [c for w in widths for c in _value_columns(GAUSSIAN, w, f"compensated Gaussian of {w} pixels")]
    return (*values, *(c for w in widths for c in _flag_columns(GAUSSIAN, w)))


def tophat_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of every compensated top-hat, flags last."""
    radii = config.plugin_option(TOPHAT, "apertures")
    values = [
        c for r in radii for c in _value_columns(TOPHAT, r, f"circle of {r} pixels less its ring's sky")
    ]
    return (*values, *(c for r in radii for c in _flag_columns(TOPHAT, r)))


def _source(plugin: str, size: int) -> str:
    return f"{plugin.removeprefix('base_')[0].lower()}{plugin.removeprefix('base_')[1:]}_{size}"


def _value_columns(plugin: str, size: int, words: str) -> list[Column]:
    source, lsst = _source(plugin, size), f"{plugin}_{size}"
    return [
        *flux_columns(source, lsst, f"flux in a {words}"),
        value_column(
            f"{source}_mask_bits",
            f"{lsst}_mask_bits",
            f"mask bits under the {words}, as numbered in the file",
            type_=pa.int32(),
            ucd="meta.code",
        ),
    ]


def _flag_columns(plugin: str, size: int) -> list[Column]:
    source, lsst = _source(plugin, size), f"{plugin}_{size}"
    return [
        flag_column(
            f"{source}_flag", f"{lsst}_flag", f"the compensated flux of size {size} was not measured"
        ),
        flag_column(
            f"{source}_flag_bounds",
            f"{lsst}_flag_bounds",
            f"the pixels of the compensated flux of size {size} reach over the edge of the image",
        ),
    ]


def compensated_gaussian_flux(batch: Batch, config: MeasurementConfig) -> Columns:
    """Weight the pixels by a Gaussian less a wider one of the same volume.

    With ``g(s) = exp(-d^2 / 2 s^2)`` the weight is ``w = g(s) - g(t s) / t^2``, the flux
    ``2 (t^2 + 1) / (t^2 - 1) sum(w I)`` and its variance ``4 pi s^2 (t^2 + 1) / t^2`` times
    the mean variance weighted by w^2 (meas_base ``_calcCompensatedGaussian.cc``).
    """
    t = config.plugin_option(GAUSSIAN, "t")
    columns: Columns = {}
    for width in config.plugin_option(GAUSSIAN, "kernel_widths"):
        half = int(np.ceil(float(ndtri(_ENCLOSED)) * width * t))
        source = _source(GAUSSIAN, width)
        fits = _fits(batch, half)
        flux, variance = np.full(len(batch), np.nan), np.full(len(batch), np.nan)
        for rows, image, noise, dx, dy in _stamps(batch, half, np.flatnonzero(fits)):
            weight = _gaussian(dx, dy, width) - _gaussian(dx, dy, width * t) / t**2
            flux[rows] = (weight * image).sum(axis=(1, 2))
            squared = weight * weight
            variance[rows] = (squared * noise).sum(axis=(1, 2)) / squared.sum(axis=(1, 2))
        columns |= {
            source: flux * 2.0 * (t * t + 1.0) / (t * t - 1.0),
            f"{source}Err": np.sqrt(variance * 4.0 * np.pi * width**2 * (t * t + 1.0) / (t * t)),
        }
        columns |= _mask_and_flags(batch, source, half, fits)
    return columns


def compensated_tophat_flux(batch: Batch, config: MeasurementConfig) -> Columns:
    """Take the mean of a ring off the flux in a circle.

    With fluxes a0, a1, a2 inside the circle and the ring's two edges the flux is
    ``a0 - (a2 - a1) / (outer_scale^2 - inner_scale^2)`` (meas_base
    ``_compensatedTophat.py``); the variance adds up likewise.
    """
    inner = config.plugin_option(TOPHAT, "inner_scale")
    outer = config.plugin_option(TOPHAT, "outer_scale")
    scale = 1.0 / (outer**2 - inner**2)
    columns: Columns = {}
    for radius in config.plugin_option(TOPHAT, "apertures"):
        half, source = int(np.ceil(outer * radius)), _source(TOPHAT, radius)
        fits = _fits(batch, half)
        radii = (float(radius), inner * radius, outer * radius)
        flux, variance = circle_fluxes(batch, radii, config)
        ring, ring_variance = (v[:, 2] - v[:, 1] for v in (flux, variance))
        error = np.sqrt(variance[:, 0] + scale**2 * ring_variance)
        columns |= {
            source: np.where(fits, flux[:, 0] - scale * ring, np.nan),
            f"{source}Err": np.where(fits, error, np.nan),
        }
        columns |= _mask_and_flags(batch, source, half, fits)
    return columns


def _fits(batch: Batch, half: int) -> BoolArray:
    """Tell, (n,) bool, for which positions a square of 2 half + 1 pixels lies inside the image."""
    # LSST asks the nearest pixel's square, and cuts the one of the pixel below the position.
    fits = np.ones(len(batch), np.bool_)
    columns, rows = batch.planes.shape[::-1]
    for position, size in zip(batch.local_position, (columns, rows), strict=True):
        for pixel in (nearest_pixel(position), np.floor(position).astype(np.int64)):
            fits &= (pixel >= half) & (pixel < size - half)
    return fits


def _stamps(
    batch: Batch, half: int, rows: IntArray
) -> Iterator[tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]]:
    """Yield rows, their image and variance squares, and columns and rows from each position."""
    x, y = batch.local_position
    size = 2 * half + 1
    for some, x0, y0 in _squares(batch, half, rows):
        image, noise = (
            cutouts(p, x0, y0, size, size).astype(np.float64)
            for p in (batch.planes.image, batch.planes.variance)
        )
        dx = (x0 - x[some])[:, None] + np.arange(size)
        dy = (y0 - y[some])[:, None] + np.arange(size)
        yield some, image, noise, dx[:, None, :], dy[:, :, None]


def _squares(batch: Batch, half: int, rows: IntArray) -> Iterator[tuple[IntArray, IntArray, IntArray]]:
    """Yield rows, and the local first column and row of their squares of 2 half + 1 pixels a side."""
    x, y = batch.local_position
    for part in batches(len(rows), (2 * half + 1) ** 2):
        some = rows[part]
        yield some, np.floor(x[some]).astype(np.int64) - half, np.floor(y[some]).astype(np.int64) - half


def _gaussian(dx: FloatArray, dy: FloatArray, sigma: float) -> FloatArray:
    # The original keeps the factors along x in single precision.
    along_x = np.exp(-(dx**2) / (2.0 * sigma**2)).astype(np.float32)
    return np.asarray(np.exp(-(dy**2) / (2.0 * sigma**2)) * along_x)


def _mask_and_flags(batch: Batch, source: str, half: int, fits: BoolArray) -> Columns:
    bits: AnyArray = np.zeros(len(batch), np.int32)
    size = 2 * half + 1
    for some, x0, y0 in _squares(batch, half, np.flatnonzero(fits)):
        bits[some] = np.bitwise_or.reduce(cutouts(batch.planes.mask, x0, y0, size, size), axis=(1, 2))
    return {f"{source}_mask_bits": bits, f"{source}_flag": ~fits, f"{source}_flag_bounds": ~fits}


GAUSSIAN_PLUGIN = Plugin(
    name=GAUSSIAN,
    summary="flux under a Gaussian of zero total weight",
    order=FLUX_ORDER,
    columns=gaussian_columns,
    measure=compensated_gaussian_flux,
    options=(
        PluginOption(name="kernel_widths", default=(3, 5), meaning="sigmas of the Gaussians in pixels"),
        PluginOption(name="t", default=2.0, meaning="sigma of the outer Gaussian in units of the inner"),
    ),
)

TOPHAT_PLUGIN = Plugin(
    name=TOPHAT,
    summary="flux inside a circle less the mean of its ring",
    order=FLUX_ORDER,
    columns=tophat_columns,
    measure=compensated_tophat_flux,
    options=(
        PluginOption(name="apertures", default=(12,), meaning="radii of the circles in pixels"),
        PluginOption(
            name="inner_scale", default=1.0, meaning="inner edge of the ring in units of the circle"
        ),
        PluginOption(
            name="outer_scale", default=1.7, meaning="outer edge of the ring in units of the circle"
        ),
    ),
)
