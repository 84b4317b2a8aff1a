"""base_GaussianFlux: the flux under a Gaussian of the measured shape."""

from collections.abc import Mapping

import numpy as np

from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, Columns
from forcedsql.measure.gaussian_sums import Weights, weighted_sums
from forcedsql.measure.slot_values import shape_slot
from forcedsql.plugins import FLUX_ORDER, Plugin
from forcedsql.psf.adaptive_iteration import SMALLEST_DETERMINANT, TOTAL, inverse_of, needs_subpixels
from forcedsql.schema import Column, flag_column, flux_columns

NAME = "base_GaussianFlux"


def gaussian_flux_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the Gaussian flux."""
    return (
        *flux_columns("gaussianFlux", NAME, "flux under a Gaussian of the measured shape"),
        flag_column("gaussianFlux_flag", f"{NAME}_flag", "the Gaussian flux could not be measured well"),
    )


def bad_shape_alias(config: MeasurementConfig) -> Mapping[str, str]:
    """Return the alias by which LSST repeats the shape's flags with this flux."""
    shape = config.slots.shape
    return {f"{NAME}_flag_badShape": f"{shape}_flag"} if shape else {}


def gaussian_flux(batch: Batch, config: MeasurementConfig) -> Columns:
    """Sum the pixels under a Gaussian weight that has the moments of the shape slot.

    ``flux = 2 sum(g I)``, its error that of a Gaussian's amplitude with the variance of the
    central pixel, ``2 sqrt(v pi sqrt(det))`` (meas_base ``src/SdssShape.cc``).
    """
    shape = shape_slot(batch, config)
    covariance = shape.moments[:, [0, 2, 1]]
    inverse, determinant = inverse_of(covariance)
    solvable = (determinant >= SMALLEST_DETERMINANT) & np.isfinite(covariance).all(axis=1)
    x, y = batch.local_position
    rows = np.flatnonzero(solvable)
    flux, error = np.full(len(batch), np.nan), np.full(len(batch), np.nan)
    weights = Weights(
        x[rows],
        y[rows],
        covariance[rows],
        inverse[rows],
        needs_subpixels(covariance[rows], determinant[rows]),
    )
    flux[rows] = 2.0 * weighted_sums(batch.planes, weights)[:, TOTAL]
    # LSST cuts the position off here, where elsewhere it takes the nearest pixel.
    column, row = np.maximum(np.trunc(x), 0).astype(np.int64), np.maximum(np.trunc(y), 0).astype(np.int64)
    variance = batch.planes.variance[row, column].astype(np.float64)
    error[rows] = 2.0 * np.sqrt(variance * np.pi * np.sqrt(determinant))[rows]
    return {
        "gaussianFlux": flux,
        "gaussianFluxErr": error,
        "gaussianFlux_flag": ~solvable,
    }


PLUGIN = Plugin(
    name=NAME,
    summary="flux under a Gaussian that has the shape slot's moments",
    order=FLUX_ORDER,
    columns=gaussian_flux_columns,
    measure=gaussian_flux,
    ap_corr=True,
    slots=("shape",),
    aliases=bad_shape_alias,
)
