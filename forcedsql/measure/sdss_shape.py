"""base_SdssShape: adaptive moments of the source at each position, and of the PSF there."""

import numpy as np
import pyarrow as pa

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.adaptive import AdaptiveFit, Moments
from forcedsql.measure.batch import Batch, Columns
from forcedsql.plugins import SHAPE_ORDER, Plugin, PluginOption
from forcedsql.psf.adaptive_iteration import Limits
from forcedsql.schema import FLUX, Column, flag_column, flux_columns, value_column

NAME = "base_SdssShape"

_AXES = ("xx", "yy", "xy")
_FLAGS = (
    ("flag", "the adaptive moments could not be measured well"),
    ("flag_unweightedBad", "neither weighted nor plain moments exist"),
    ("flag_unweighted", "the weighted moments did not converge; these are plain ones"),
    ("flag_shift", "the weighted centroid is too far from the position"),
    ("flag_maxIter", "the adaptive moments took too many iterations"),
    ("flag_psf", "the moments of the PSF could not be measured"),
)


def shape_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the shape; ``ixx`` and ``ixxPSF`` are DP1's names of the moments."""
    return (
        *_moment_columns(),
        *(
            value_column(
                f"shape_{a}",
                f"{NAME}_{a}",
                f"{word} of the centroid under the adaptive weight, in parent pixels",
                unit="pix",
                ucd=f"pos.cartesian.{a};instr.det",
            )
            for a, word in (("x", "column"), ("y", "row"))
        ),
        *flux_columns("shapeFlux", NAME, "flux of the Gaussian that has the adaptive moments"),
        *_psf_and_covariance_columns(),
        *(flag_column(f"shape_{suffix}", f"{NAME}_{suffix}", meaning) for suffix, meaning in _FLAGS),
    )


def _moment_columns() -> list[Column]:
    moments = [
        value_column(
            f"i{a}", f"{NAME}_{a}", f"adaptive second moment {a}", unit="pix2", ucd="src.morph.param"
        )
        for a in _AXES
    ]
    errors = [
        value_column(
            f"shape_{a}Err",
            f"{NAME}_{a}Err",
            f"1-sigma error of the adaptive second moment {a}",
            type_=pa.float32(),
            unit="pix2",
            ucd="stat.error;src.morph.param",
        )
        for a in _AXES
    ]
    return moments + errors


def _psf_and_covariance_columns() -> list[Column]:
    psf_moments = [
        value_column(
            f"i{a}PSF",
            f"{NAME}_psf_{a}",
            f"adaptive second moment {a} of the PSF",
            unit="pix2",
            ucd="instr.det.psf",
        )
        for a in _AXES
    ]
    covariances = [
        value_column(
            f"shapeFlux_{a}_Cov",
            f"{NAME}_flux_{a}_Cov",
            f"covariance of the Gaussian's flux and its moment {a}",
            type_=pa.float32(),
            unit=f"pix2 {FLUX}",
            ucd="stat.covariance",
        )
        for a in _AXES
    ]
    return psf_moments + covariances


def sdss_shape(batch: Batch, config: MeasurementConfig) -> Columns:
    """Measure adaptive moments about each position; see `forcedsql.measure.adaptive`.

    The errors come from the Fisher matrix of a Gaussian's four parameters, with the variance
    of the central pixel (meas_base ``src/SdssShape.cc``).  The PSF's moments are those at the
    weighted centroid, or at the position where there is none.
    """
    x, y = batch.local_position
    shift = float(np.clip(config.plugin_option(NAME, "maxShift"), 2.0, 10.0))
    moments = AdaptiveFit(batch.planes, x, y, _limits(config), shift).run()
    xx, xy, yy = moments.covariance.T
    scale = 2.0 * np.pi * np.sqrt(xx * yy - xy * xy)
    x0, y0 = batch.exposure.xy0
    psf, no_psf = _psf_moments(batch, moments.x + x0, moments.y + y0)
    values: dict[str, FloatArray] = {
        "ixx": xx,
        "iyy": yy,
        "ixy": xy,
        "shape_x": moments.x + x0,
        "shape_y": moments.y + y0,
        "shapeFlux": moments.amplitude * scale,
    }
    columns: Columns = values | {f"i{a}PSF": psf[:, i] for i, a in enumerate(_AXES)}
    columns |= _errors(batch, moments, scale)
    return columns | {
        "shape_flag": moments.bad | moments.unweighted | moments.shifted,
        "shape_flag_unweightedBad": moments.bad,
        "shape_flag_unweighted": moments.unweighted,
        "shape_flag_shift": moments.shifted,
        "shape_flag_maxIter": moments.exhausted,
        "shape_flag_psf": no_psf,
    }


def _limits(config: MeasurementConfig) -> Limits:
    return Limits(
        iterations=config.plugin_option(NAME, "maxIter"),
        ellipticity=config.plugin_option(NAME, "tol1"),
        size=config.plugin_option(NAME, "tol2"),
    )


def _psf_moments(batch: Batch, x: FloatArray, y: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the PSF's xx, yy, xy at positions, (n, 3), and where there is none, (n,) bool."""
    if batch.exposure.psf is None:
        return np.full((len(batch), 3), np.nan), np.ones(len(batch), np.bool_)
    lost = ~(np.isfinite(x) & np.isfinite(y))
    shapes = batch.exposure.psf.shapes(np.where(lost, batch.x, x), np.where(lost, batch.y, y))
    return shapes, np.asarray(np.isnan(shapes).any(axis=1))


def _errors(batch: Batch, moments: Moments, scale: FloatArray) -> Columns:
    """Return errors and covariances of flux and moments; NaN where the moments are not weighted."""
    column, row = batch.local_pixel
    variance = batch.planes.variance[row, column].astype(np.float64)
    fisher, good = _fisher_matrix(moments, variance)
    covariance = np.full((len(batch), 4, 4), np.nan)
    covariance[good] = np.linalg.inv(fisher[good])
    sigma = np.sqrt(np.diagonal(covariance, axis1=1, axis2=2))
    columns: Columns = {"shapeFluxErr": sigma[:, 0] * scale}
    for index, axis in enumerate(_AXES, start=1):
        columns[f"shape_{axis}Err"] = sigma[:, index].astype(np.float32)
        columns[f"shapeFlux_{axis}_Cov"] = (covariance[:, 0, index].astype(np.float32) * scale).astype(
            np.float32
        )
    return columns


def _fisher_matrix(moments: Moments, variance: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return the Fisher matrix of amplitude and moments, (n, 4, 4), and where it exists.

    Moments that are not weighted have no amplitude, and so no matrix.
    The amplitude and the moments, and products of two moments, are single precision, as in the original.
    """
    a = moments.amplitude.astype(np.float32).astype(np.float64)
    xx, xy, yy = moments.covariance.astype(np.float32).T
    d = (xx * yy - xy * xy).astype(np.float64)
    good = (d > np.finfo(np.float64).eps) & (variance > 0.0) & np.isfinite(a)
    f = np.pi * np.sqrt(d) / variance
    first, second = f * a / (4.0 * d), 3.0 * f * a * a / (16.0 * d * d)
    mixed = second * (xy * xy + d / 3.0)
    fisher = np.empty((len(a), 4, 4))
    upper = {
        (0, 0): f,
        (0, 1): first * yy,
        (0, 2): first * xx,
        (0, 3): -first * (2.0 * xy),
        (1, 1): second * yy * yy,
        (2, 2): second * xx * xx,
        (3, 3): 4.0 * mixed,
        (1, 2): mixed,
        (1, 3): second * (-2.0 * yy * xy),
        (2, 3): second * (-2.0 * xx * xy),
    }
    for (i, j), values in upper.items():
        fisher[:, i, j] = fisher[:, j, i] = values
    return fisher, good


PLUGIN = Plugin(
    name=NAME,
    summary="adaptive moments of the source and of the PSF",
    order=SHAPE_ORDER,
    columns=shape_columns,
    measure=sdss_shape,
    options=(
        PluginOption(name="maxIter", default=100, meaning="iterations after which plain moments are taken"),
        PluginOption(
            name="maxShift", default=0.0, meaning="centroid shift in pixels that is flagged, between 2 and 10"
        ),
        PluginOption(name="tol1", default=1e-5, meaning="change of the ellipticity that ends the iteration"),
        PluginOption(
            name="tol2", default=1e-4, meaning="relative change of the size that ends the iteration"
        ),
    ),
)
