"""base_FPPosition: where in the focal plane each position is."""

import numpy as np

from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, Columns
from forcedsql.measure.reach import no_reach
from forcedsql.plugins import SHAPE_ORDER, Plugin
from forcedsql.schema import Column, flag_column, value_column

NAME = "base_FPPosition"


def focal_plane_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the position on the focal plane."""
    return (
        *(
            value_column(
                f"fpPosition_{axis}",
                f"{NAME}_{axis}",
                f"position on the focal plane in {axis}",
                unit="mm",
                ucd=f"pos.cartesian.{axis};instr.det",
            )
            for axis in "xy"
        ),
        flag_column("fpPosition_flag", f"{NAME}_flag", "the position on the focal plane is not known"),
        flag_column(
            "fpPosition_flag_missingDetector",
            f"{NAME}_missingDetector_flag",
            "the exposure carries no detector",
        ),
    )


def focal_plane_position(batch: Batch, _: MeasurementConfig) -> Columns:
    """Take each position through the transform of the exposure's detector.

    As in LSST (meas_base ``python/lsst/meas/base/plugins.py``), a missing detector raises its own
    flag and not the general one.  That one says that there is a detector which cannot be read, or
    whose transform has no value here.
    """
    detector = batch.exposure.detector
    n = len(batch)
    x, y = np.full((2, n), np.nan) if detector is None else detector.pixel_to_focal_plane(batch.x, batch.y)
    missing = detector is None and "detector" not in batch.exposure.unsupported
    return {
        "fpPosition_x": x,
        "fpPosition_y": y,
        "fpPosition_flag": ~(np.isfinite(x) & np.isfinite(y)) & (not missing),
        "fpPosition_flag_missingDetector": np.full(n, missing),
    }


PLUGIN = Plugin(
    name=NAME,
    summary="position on the focal plane of the camera",
    order=SHAPE_ORDER,
    columns=focal_plane_columns,
    measure=focal_plane_position,
    reach=no_reach,
)
