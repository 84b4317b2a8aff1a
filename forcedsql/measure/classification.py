"""Star or galaxy, and the size of the footprint: what combines the results of other plugins."""

import numpy as np
import pyarrow as pa

from forcedsql.arrays import FloatArray
from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch, Columns
from forcedsql.measure.footprint_shape import footprint_quadrupole
from forcedsql.measure.reach import no_reach
from forcedsql.measure.slot_values import shape_slot, slot_column
from forcedsql.measure.spans import ellipse_spans
from forcedsql.plugins import CATALOG_ORDER, FLUX_ORDER, Plugin, PluginOption
from forcedsql.schema import Column, flag_column, value_column

EXTENDEDNESS, SIZE, AREA = (
    "base_ClassificationExtendedness",
    "base_ClassificationSizeExtendedness",
    "base_FootprintArea",
)


def extendedness_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the classification by flux."""
    return (
        value_column(
            "extendedness",
            f"{EXTENDEDNESS}_value",
            "1 for a galaxy and 0 for a star, by model flux over PSF flux",
            ucd="src.class.starGalaxy",
        ),
        flag_column("extendedness_flag", f"{EXTENDEDNESS}_flag", "one of the fluxes is flagged or missing"),
    )


def extendedness(batch: Batch, config: MeasurementConfig) -> Columns:
    """Call a source a star where its PSF flux is close to its model flux.

    It is one where ``fluxRatio modelFlux + modelErrFactor modelErr < psfFlux + psfErrFactor
    psfErr`` (meas_base ``python/lsst/meas/base/classificationExtendedness.py``).  Without a
    model-flux slot the value is NaN and nothing is flagged.
    """
    n = len(batch)
    value, flag = np.full(n, np.nan), np.zeros(n, np.bool_)
    model, psf = (_flux(batch, config, slot) for slot in ("modelFlux", "psfFlux"))
    if model is not None and psf is not None:
        ratio, model_factor, psf_factor = (
            config.plugin_option(EXTENDEDNESS, o) for o in ("fluxRatio", "modelErrFactor", "psfErrFactor")
        )
        left = ratio * model[0] + (model_factor * model[1] if model_factor else 0.0)
        right = psf[0] + (psf_factor * psf[1] if psf_factor else 0.0)
        flag = ~(np.isfinite(left) & np.isfinite(right)) | (model[2] > 0) | (psf[2] > 0)
        value = np.where(flag, np.nan, np.where(left < right, 0.0, 1.0))
    return {"extendedness": value, "extendedness_flag": flag}


def _flux(
    batch: Batch, config: MeasurementConfig, slot: str
) -> tuple[FloatArray, FloatArray, FloatArray] | None:
    """Return flux, error and flag of a flux slot, None where it stands for nothing."""
    found = [slot_column(batch, config, slot, suffix) for suffix in ("flux", "fluxErr", "flag")]
    flux, error, flag = found
    return None if flux is None or error is None or flag is None else (flux, error, flag)


def size_extendedness_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the columns of the classification by size."""
    return (
        value_column(
            "sizeExtendedness",
            f"{SIZE}_value",
            "how far the source's size is from the PSF's, from 0 for a star to 1",
            ucd="src.class.starGalaxy",
        ),
        flag_column("sizeExtendedness_flag", f"{SIZE}_flag", "the shape is flagged or missing"),
    )


def size_extendedness(batch: Batch, config: MeasurementConfig) -> Columns:
    """Compare the traces T of the shape slot's and the PSF's second moments.

    ``1 - exp(-chi^2 / 2)`` with ``chi = (T - T_psf) / T_psf^exponent`` (meas_base
    ``python/lsst/meas/base/plugins.py``).
    """
    shape, psf = shape_slot(batch, config), shape_slot(batch, config, "psfShape")
    trace, psf_trace = shape.moments[:, :2].sum(axis=1), psf.moments[:, :2].sum(axis=1)
    chi = (trace - psf_trace) / psf_trace ** config.plugin_option(SIZE, "exponent")
    value = np.where(shape.flag, np.nan, 1.0 - np.exp(-0.5 * chi * chi))
    return {"sizeExtendedness": value, "sizeExtendedness_flag": ~np.isfinite(value)}


def footprint_area_columns(_: MeasurementConfig) -> tuple[Column, ...]:
    """Return the column of the footprint's size."""
    return (
        value_column(
            "footprintArea_value",
            f"{AREA}_value",
            "pixels in the footprint: the PSF's ellipse inside the image",
            type_=pa.int32(),
            unit="pix",
            ucd="phys.area;instr.pixel",
        ),
    )


def footprint_area(batch: Batch, config: MeasurementConfig) -> Columns:
    """Count the pixels of each footprint; 0 where the PSF has no value. See `footprint_quadrupole`."""
    quadrupole = footprint_quadrupole(batch.psf_shapes, len(batch), config)
    areas = ellipse_spans(*batch.local_position, quadrupole, batch.planes.shape).areas
    return {"footprintArea_value": areas.astype(np.int32)}


EXTENDEDNESS_PLUGIN = Plugin(
    name=EXTENDEDNESS,
    summary="star or galaxy, by model flux over PSF flux",
    order=CATALOG_ORDER,
    columns=extendedness_columns,
    measure=extendedness,
    reach=no_reach,
    options=(
        PluginOption(name="fluxRatio", default=0.95, meaning="factor of the model flux"),
        PluginOption(name="modelErrFactor", default=0.0, meaning="factor of the model flux's error"),
        PluginOption(name="psfErrFactor", default=0.0, meaning="factor of the PSF flux's error"),
    ),
)

SIZE_PLUGIN = Plugin(
    name=SIZE,
    summary="star or galaxy, by the size of the source",
    order=FLUX_ORDER,
    columns=size_extendedness_columns,
    measure=size_extendedness,
    reach=no_reach,
    slots=("shape", "psfShape"),
    options=(
        PluginOption(name="exponent", default=0.5, meaning="power of the PSF's size that chi is taken over"),
    ),
)

AREA_PLUGIN = Plugin(
    name=AREA,
    summary="number of pixels in the footprint",
    order=CATALOG_ORDER,
    columns=footprint_area_columns,
    measure=footprint_area,
    reach=no_reach,
    needs_psf=True,
)
