"""A measurement plugin that forcedsql does not know: the brightest pixel near each position."""

import numpy as np

from forcedsql.measure.batch import Batch, Columns
from forcedsql.plugins import FLUX_ORDER, Plugin, PluginOption
from forcedsql.schema import FLUX, Column, flag_column, value_column

NAME = "example_PeakPixel"


def peak_pixel_columns(_) -> tuple[Column, ...]:
    return (
        value_column(
            "peakPixel", f"{NAME}_value", "brightest pixel near the position", unit=FLUX, ucd="phot.flux"
        ),
        flag_column("peakPixel_flag", f"{NAME}_flag", "no good pixel near the position"),
    )


def peak_pixel(batch: Batch, config) -> Columns:
    stamps = batch.stamps(config.plugin_option(NAME, "halfWidth"))
    good = stamps.inside & np.isfinite(stamps.image)
    peak = np.where(good, stamps.image, -np.inf).max(axis=(1, 2))
    none = ~good.any(axis=(1, 2))
    return {"peakPixel": np.where(none, np.nan, peak), "peakPixel_flag": none}


PLUGIN = Plugin(
    name=NAME,
    summary="brightest pixel near the position",
    order=FLUX_ORDER,
    columns=peak_pixel_columns,
    measure=peak_pixel,
    options=(PluginOption(name="halfWidth", default=2, meaning="pixels on either side of the position's"),),
)
