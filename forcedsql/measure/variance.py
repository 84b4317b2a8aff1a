"""base_Variance: the typical variance of the pixels around a source."""

import numpy as np

from forcedsql.arrays import AnyArray, IntArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, Columns, plane_bits
from forcedsql.measure.slot_values import shape_slot
from forcedsql.measure.spans import Groups, ellipse_spans
from forcedsql.plugins import FLUX_ORDER, Plugin, PluginOption
from forcedsql.schema import Column, flag_column, value_column

NAME = "base_Variance"


def variance_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the variance around a source."""
    return (
        flag_column("variance_flag", f"{NAME}_flag", "the variance could not be measured"),
        value_column(
            "variance_value",
            f"{NAME}_value",
            "median variance of the pixels around the source, in the exposure's own unit",
            ucd="stat.variance;instr.pixel",
        ),
        flag_column(
            "variance_flag_emptyFootprint", f"{NAME}_flag_emptyFootprint", "no usable pixel around the source"
        ),
    )


def median_variance(batch: Batch, config: MeasurementConfig) -> Columns:
    """Take the median of the variance plane in the source's ellipse, `scale` times as large.

    Pixels with a mask plane of `mask` are left out, so that what is left is sky (meas_base
    ``python/lsst/meas/base/plugins.py``).
    """
    n = len(batch)
    quadrupole = shape_slot(batch, config).moments * config.plugin_option(NAME, "scale") ** 2
    planes = batch.known_planes(config.plugin_option(NAME, "mask"))
    bad = plane_bits(batch.exposure, planes, option=f"{NAME}.mask")
    x, y = batch.local_position
    value, good = np.full(n, np.nan), np.zeros(n, np.bool_)
    for owner, row, column in ellipse_spans(x, y, quadrupole, batch.planes.shape).blocks():
        kept = (batch.planes.mask[row, column] & np.int32(bad)) == 0
        sets, place = np.unique(owner[kept], return_inverse=True)
        value[sets] = _medians(place, batch.planes.variance[row[kept], column[kept]], len(sets))
        good[sets] = True
    return {"variance_flag": ~good, "variance_value": value, "variance_flag_emptyFootprint": ~good}


def _medians(owner: IntArray, values: AnyArray, count: int) -> AnyArray:
    """Return the median of each group; NaN if it holds a NaN, as NumPy has it."""
    # The mean of the two middle values is rounded to single precision, like the plane itself.
    median = Groups.of(owner, values, count).quantile(0.5).astype(np.float32).astype(np.float64)
    median[np.unique(owner[np.isnan(values)])] = np.nan
    return median


PLUGIN = Plugin(
    name=NAME,
    summary="median variance of the pixels around the source",
    order=FLUX_ORDER,
    columns=variance_columns,
    measure=median_variance,
    slots=("shape",),
    options=(
        PluginOption(name="scale", default=5.0, meaning="size of the ellipse in units of the shape slot"),
        PluginOption(
            name="mask",
            default=("DETECTED", "DETECTED_NEGATIVE", "BAD", "SAT"),
            meaning="mask planes that are left out",
        ),
    ),
)
