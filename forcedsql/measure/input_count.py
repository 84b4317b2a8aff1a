"""base_InputCount: how many images went into a coadd at a position."""

import numpy as np
import pyarrow as pa

from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, Columns
from forcedsql.measure.reach import no_reach
from forcedsql.plugins import SHAPE_ORDER, Plugin
from forcedsql.schema import Column, flag_column, value_column

NAME = "base_InputCount"


def input_count_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the number of inputs."""
    return (
        flag_column("inputCount_flag", f"{NAME}_flag", "the inputs could not be counted"),
        value_column(
            "inputCount",
            f"{NAME}_value",
            "number of images that cover the position, clipped ones included",
            type_=pa.int32(),
            ucd="meta.number;obs.image",
        ),
        flag_column("inputCount_flag_noInputs", f"{NAME}_flag_noInputs", "the exposure lists no inputs"),
    )


def input_count(batch: Batch, _: MeasurementConfig) -> Columns:
    """Count the detectors' images whose boxes contain each position; valid polygons do not count."""
    batch.exposure.require_supported("coadd_inputs")
    inputs = batch.exposure.coadd_inputs
    n = len(batch)
    value = np.zeros(n, np.int32)
    if inputs is not None:
        value = inputs.count(batch.x, batch.y, batch.exposure.require_wcs()).astype(np.int32)
    return {
        "inputCount_flag": np.full(n, inputs is None),
        "inputCount": value,
        "inputCount_flag_noInputs": np.full(n, inputs is None),
    }


PLUGIN = Plugin(
    name=NAME,
    summary="number of images that went into a coadd at the position",
    order=SHAPE_ORDER,
    columns=input_count_columns,
    measure=input_count,
    reach=no_reach,
)
