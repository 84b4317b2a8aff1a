"""base_TransformedCentroidFromCoord: the requested position in pixels."""

import numpy as np

from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, Columns
from forcedsql.measure.reach import no_reach
from forcedsql.plugins import CENTROID_ORDER, FORCED_CENTROID, Plugin
from forcedsql.schema import Column, flag_column, value_column


def centroid_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the requested position."""
    return (
        *(
            value_column(
                axis,
                f"{FORCED_CENTROID}_{axis}",
                f"{word} of the requested position, in parent pixels",
                unit="pix",
                ucd=f"pos.cartesian.{axis};instr.det",
            )
            for axis, word in (("x", "column"), ("y", "row"))
        ),
        flag_column(
            "centroid_flag", None, "the requested position has no place in pixels: missing, not finite"
        ),
    )


def forced_centroid(batch: Batch, _: MeasurementConfig) -> Columns:
    """Give the pixel position of each requested sky position."""
    return {"x": batch.x, "y": batch.y, "centroid_flag": np.zeros(len(batch), np.bool_)}


PLUGIN = Plugin(
    name=FORCED_CENTROID,
    summary="the requested position in pixels; always run",
    order=CENTROID_ORDER,
    columns=centroid_columns,
    measure=forced_centroid,
    reach=no_reach,
)
