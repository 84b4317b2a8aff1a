"""What the slots of a configuration stand for in a batch: the shape, the PSF's shape, a flux."""

from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, FloatArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch
from forcedsql.schema import measured_columns


@dataclass(frozen=True, slots=True, eq=False)
class ShapeSlot:
    """Second moments that a slot stands for.

    Parameters
    ----------
    moments : ndarray, (n, 3) float64, pixel^2
        xx, yy, xy.
    flag : ndarray, (n,) bool
        Whether the plugin flagged them.
    """

    moments: FloatArray
    flag: BoolArray


def slot_column(batch: Batch, config: MeasurementConfig, slot: str, suffix: str) -> AnyArray | None:
    """Return the measured column ``<slot's target>_<suffix>``, None where there is none."""
    target = config.slots.filled().get(slot)
    if target is None:
        return None
    name = f"{target}_{suffix}"
    for column in measured_columns(config):
        if column.lsst == name:
            return batch.measured.get(column.source)
    return None


def shape_slot(batch: Batch, config: MeasurementConfig, slot: str = "shape") -> ShapeSlot:
    """Return what the shape slot, or ``psfShape``, stands for; NaN where that is nothing."""
    blank = np.full(len(batch), np.nan)
    found = [slot_column(batch, config, slot, suffix) for suffix in ("xx", "yy", "xy")]
    moments = np.stack([blank if values is None else values for values in found], axis=1)
    flag = slot_column(batch, config, slot, "flag")
    return ShapeSlot(moments, np.zeros(len(batch), np.bool_) if flag is None else flag)
