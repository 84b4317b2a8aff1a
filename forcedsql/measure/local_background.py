"""base_LocalBackground: the sky in a ring around a position."""

import numpy as np
import pyarrow as pa

from forcedsql.arrays import Float32Array, FloatArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import INVALID_PSF, Batch, Columns, plane_bits
from forcedsql.measure.reach import whole_pixels
from forcedsql.measure.spans import Groups, clipped_moments, ellipse_spans
from forcedsql.plugins import FLUX_ORDER, LOCAL_BACKGROUND, Plugin, PluginOption
from forcedsql.schema import FLUX, Column, flag_column, value_column

NAME = LOCAL_BACKGROUND


def local_background_columns(config: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the local background; ``sky`` is DP1's name of it.

    Where the background is subtracted there is one more than in LSST: the number of pixels,
    which the error of the subtraction needs.
    """
    number = value_column(
        "sky_npixels",
        f"{NAME}_npixels",
        "pixels in the ring after clipping",
        type_=pa.int32(),
        unit="pix",
        ucd="meta.number;instr.pixel",
    )
    return (
        value_column(
            "sky",
            f"{NAME}_flux",
            "flux per pixel in a ring around the position",
            unit=FLUX,
            ucd="instr.skyLevel",
        ),
        value_column(
            "skyErr",
            f"{NAME}_fluxErr",
            "standard deviation of the pixels in the ring",
            unit=FLUX,
            ucd="stat.stdev;instr.skyLevel",
        ),
        flag_column("localBackground_flag", f"{NAME}_flag", "the local background could not be measured"),
        flag_column(
            "localBackground_flag_noGoodPixels", f"{NAME}_flag_noGoodPixels", "no good pixel in the ring"
        ),
        flag_column("localBackground_flag_noPsf", f"{NAME}_flag_noPsf", "the exposure has no PSF"),
        *((number,) if config.subtract_background == "local" else ()),
    )


def local_background(batch: Batch, config: MeasurementConfig) -> Columns:
    """Average the pixels of a ring, outliers clipped.

    The ring lies between `annulusInner` and `annulusOuter` times the determinant radius of
    the PSF there; pixels with a mask plane of `badMaskPlanes` are left out.  The error is the
    scatter of the pixels, not that of their mean (meas_base ``src/LocalBackground.cc``).
    """
    n = len(batch)
    mean, sigma, number = np.full(n, np.nan), np.full(n, np.nan), np.zeros(n, np.int64)
    good = np.zeros(n, np.bool_)
    radius = _radius(batch, config)
    known = np.isfinite(radius)
    if known.any():
        owner, values = _ring_pixels(batch, config, radius)
        good = np.bincount(owner, minlength=n) > 0
        finite = np.isfinite(values)
        mean, sigma, number = clipped_moments(
            Groups.of(owner[finite], values[finite], n),
            sigmas=config.plugin_option(NAME, "bgRej"),
            iterations=config.plugin_option(NAME, "bgIter"),
        )
    columns: Columns = {
        "sky": np.where(good, mean, np.nan),
        "skyErr": np.where(good, sigma, np.nan),
        "localBackground_flag": ~good,
        "localBackground_flag_noGoodPixels": ~good & known,
        "localBackground_flag_noPsf": np.full(n, batch.psf_shapes is None),
        INVALID_PSF: ~np.isfinite(batch.psf_radius),
    }
    if config.subtract_background == "local":
        columns["sky_npixels"] = number.astype(np.int32)
    return columns


def local_background_reach(batch: Batch, config: MeasurementConfig) -> int:
    """Return how many rows and columns the rings of a batch reach."""
    largest = np.nanmax(_radius(batch, config), initial=0.0)
    return whole_pixels(float(largest) * config.plugin_option(NAME, "annulusOuter"), batch)


def _radius(batch: Batch, config: MeasurementConfig) -> Float32Array:
    """Return the unit of the rings' radii, (n,) in pixels; NaN where there is none."""
    radius = batch.psf_radius.astype(np.float32)
    given = np.float32(config.plugin_option(NAME, "sigmaWithoutPsf"))
    return np.where(np.isnan(radius) & (given > 0.0), given, radius)


def _ring_pixels(
    batch: Batch, config: MeasurementConfig, radius: Float32Array
) -> tuple[IntArray, FloatArray]:
    """Return (owner, value) of the unmasked pixels of every ring, (k,) each."""
    planes = config.plugin_option(NAME, "badMaskPlanes")
    bad = plane_bits(batch.exposure, batch.known_planes(planes), option=f"{NAME}.badMaskPlanes")
    inner, outer = (
        (np.float32(config.plugin_option(NAME, f"annulus{edge}")) * radius).astype(np.float64)
        for edge in ("Inner", "Outer")
    )
    x, y = batch.local_position
    owners, values = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    zero = np.zeros(len(batch))
    disc = ellipse_spans(x, y, np.stack([outer**2, outer**2, zero], axis=1), batch.planes.shape)
    for owner, row, column in disc.blocks():
        dx, dy = column - x[owner], row - y[owner]
        kept = dx * dx > inner[owner] ** 2 - dy * dy
        kept &= (batch.planes.mask[row, column] & np.int32(bad)) == 0
        owners.append(owner[kept])
        values.append(batch.planes.image[row[kept], column[kept]])
    return np.concatenate(owners), np.concatenate(values)


PLUGIN = Plugin(
    name=NAME,
    summary="sky level in a ring around the position",
    order=FLUX_ORDER,
    columns=local_background_columns,
    measure=local_background,
    needs_psf=True,
    reach=local_background_reach,
    options=(
        PluginOption(name="annulusInner", default=7.0, meaning="inner radius of the ring in PSF sigmas"),
        PluginOption(name="annulusOuter", default=15.0, meaning="outer radius of the ring in PSF sigmas"),
        PluginOption(
            name="badMaskPlanes", default=("BAD", "SAT", "NO_DATA"), meaning="mask planes that are left out"
        ),
        PluginOption(name="bgRej", default=3.0, meaning="clipping threshold in standard deviations"),
        PluginOption(name="bgIter", default=3, meaning="number of clipping passes"),
        PluginOption(
            name="sigmaWithoutPsf",
            default=0.0,
            meaning="PSF sigma in pixels to take where there is no PSF; 0 flags such positions",
        ),
    ),
)
