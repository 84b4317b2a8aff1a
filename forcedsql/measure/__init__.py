"""Forced photometry: arrays of positions in, arrays of measurements out."""

from typing import Any

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray, Float32Array, FloatArray
from forcedsql.config import MeasurementConfig
from forcedsql.errors import TableError
from forcedsql.exposure import Exposure
from forcedsql.measure.driver import flux_unit, measure_positions, pixel_positions, provenance
from forcedsql.measure.positions import Positions, find_positions
from forcedsql.measure.space_motion import position_on
from forcedsql.schema import ColumnStyle, lsst_names, lsst_schema, source_columns, source_schema

__all__ = ["flux_unit", "measure", "measure_positions", "residual_image"]


def measure(
    exposure: Exposure,
    positions: Any,
    *,
    config: MeasurementConfig | None = None,
    columns: ColumnStyle = "lsst",
    id_column: str | None = None,
    ra_column: str | None = None,
    dec_column: str | None = None,
    unit: str | None = None,
    neighbours: Any = None,
) -> pa.Table:
    """Measure forced photometry at the positions of a table.

    Parameters
    ----------
    exposure : Exposure
    positions : pyarrow.Table, object with ``__arrow_c_stream__``, or astropy.table.Table
        ids and ICRS coordinates; see `find_positions`.  With columns of proper motion or
        parallax they are measured where they are seen in the middle of the exposure; the
        coordinates of the result are the given ones, its x and y those of the place.
    config : MeasurementConfig, optional
    columns : {"lsst", "source"}
        Names and order of the LSST driver's 100 columns, or of the DP1 ``Source`` table.
    id_column, ra_column, dec_column, unit
        See `find_positions`.
    neighbours : table of any of those kinds, optional
        Further sources that a joint fit (``deblend="joint"``) takes into account.

    Returns
    -------
    pyarrow.Table
        One row per position, in the same order; unit, UCD and description of every column
        in its field's metadata, and the configuration, the factor of the variance and the
        seed of the noise, where there are such, in the table's.

    Raises
    ------
    ForcedSQLError
        See `measure_positions` and `find_positions`.
    """
    if columns not in ("lsst", "source"):
        raise TableError(f"columns={columns!r} is not one of lsst, source")
    config = config or MeasurementConfig()
    found = find_positions(
        positions, id_column=id_column, ra_column=ra_column, dec_column=dec_column, unit=unit
    )
    others = None if neighbours is None else _places(exposure, find_positions(neighbours), config)
    values = measure_positions(exposure, *_places(exposure, found, config), config, neighbours=others)
    table = _lsst_table if columns == "lsst" else _source_table
    measured = table(found, values, config, flux_unit(exposure, config))
    return measured.replace_schema_metadata(
        {f"forcedsql.{name}": value for name, value in provenance(exposure, config).items()}
    )


def residual_image(
    exposure: Exposure,
    positions: Any,
    *,
    config: MeasurementConfig | None = None,
    neighbours: Any = None,
) -> Float32Array:
    """Return an image without the stars at the positions of a table, fitted together.

    Parameters
    ----------
    exposure : Exposure
        It is left as it is.
    positions, neighbours : tables as `measure` takes them
        All are subtracted.
    config : MeasurementConfig, optional
        Of it count `bad_mask_planes` and `deblend_background`.

    Returns
    -------
    ndarray, (ny, nx) float32, unit of the image
        Pixels that the fit left out keep their values.

    Raises
    ------
    ForcedSQLError
        See `measure_positions` and `find_positions`.
    """
    from forcedsql.measure.joint_flux import joint_residual  # noqa: PLC0415 - loads SciPy's sparse solvers

    found = [find_positions(table) for table in (positions, neighbours) if table is not None]
    config = config or MeasurementConfig()
    placed = [pixel_positions(exposure, *_places(exposure, each, config))[:2] for each in found]
    return joint_residual(exposure, placed[0], config, *placed[1:])


def _places(
    exposure: Exposure, positions: Positions, config: MeasurementConfig
) -> tuple[FloatArray, FloatArray]:
    """Return right ascensions and declinations at the time of the exposure."""
    motion = positions.motion if config.space_motion == "auto" else None
    return position_on(exposure, positions.ra, positions.dec, motion)


def _lsst_table(
    positions: Positions, values: dict[str, AnyArray], config: MeasurementConfig, unit: str
) -> pa.Table:
    zeros = np.zeros(len(positions), np.int64)
    identity = [
        pa.array(np.deg2rad(positions.ra)),
        pa.array(np.deg2rad(positions.dec)),
        pa.array(zeros),
        positions.ids,
        pa.array(zeros),
        pa.array(zeros.astype(np.int32)),
    ]
    measured = [pa.array(values[column.source]) for _, column in lsst_names(config)]
    schema = _with_id_type(lsst_schema(config, unit), "objectId", positions.ids.type)
    return pa.Table.from_arrays(identity + measured, schema=schema)


def _source_table(
    positions: Positions, values: dict[str, AnyArray], config: MeasurementConfig, unit: str
) -> pa.Table:
    identity = [positions.ids, pa.array(positions.ra), pa.array(positions.dec)]
    measured = [pa.array(values[column.source]) for column in source_columns(config)]
    schema = _with_id_type(source_schema(config, unit), "id", positions.ids.type)
    return pa.Table.from_arrays(identity + measured, schema=schema)


def _with_id_type(schema: pa.Schema, name: str, id_type: pa.DataType) -> pa.Schema:
    index = schema.get_field_index(name)
    return schema.set(index, schema.field(index).with_type(id_type))
