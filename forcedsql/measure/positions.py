"""Finding ids and sky coordinates in whatever table a user has."""

import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forcedsql.arrays import FloatArray
from forcedsql.errors import PrecisionWarning, TableError
from forcedsql.measure.space_motion import SpaceMotion

ID_NAMES = ("objectId", "sourceId", "diaObjectId", "id")
RA_NAMES = ("ra", "coord_ra")
DEC_NAMES = ("dec", "coord_dec")
RA_UCD, DEC_UCD = "pos.eq.ra;meta.main", "pos.eq.dec;meta.main"
"""UCDs of the coordinates in tables that call them otherwise."""

MOTION_NAMES = {
    "pm_ra": (("pm_ra", "pmra"), "mas / yr"),
    "pm_dec": (("pm_dec", "pmdec"), "mas / yr"),
    "parallax": (("parallax",), "mas"),
    "ref_epoch": (("ref_epoch",), "yr"),
}
"""Names of the columns of `SpaceMotion`, case ignored, and their units."""

_DEGREES = re.compile(r"deg(ree)?s?|°", re.IGNORECASE)
_RADIANS = re.compile(r"rad(ian)?s?", re.IGNORECASE)
_NUMBER = r"^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$"


@dataclass(frozen=True, slots=True, eq=False)
class Positions:
    """Positions to measure at.

    Parameters
    ----------
    ids : pyarrow.Array, (n,)
        Integers as int64 where they fit, anything else as it came; NULL where missing.
    ra, dec : ndarray, (n,) float64, degree
        ICRS; NaN where missing.
    motion : SpaceMotion or None
        How they move; None where the table has no such columns.
    """

    ids: pa.Array
    ra: FloatArray
    dec: FloatArray
    motion: SpaceMotion | None = None

    def __len__(self) -> int:
        return len(self.ra)


def find_positions(
    table: Any,
    *,
    id_column: str | None = None,
    ra_column: str | None = None,
    dec_column: str | None = None,
    unit: str | None = None,
) -> Positions:
    """Take ids and coordinates out of a table.

    Parameters
    ----------
    table : pyarrow.Table, object with ``__arrow_c_stream__``, or astropy.table.Table
    id_column, ra_column, dec_column : str, optional
        Column names; found by their usual names where not given (`ID_NAMES`, `RA_NAMES`,
        `DEC_NAMES`, in that order, case ignored), coordinates without such names by their
        UCDs (`RA_UCD`, `DEC_UCD`).  Without an id column rows are numbered from 0.
        Columns of proper motion and parallax are those of `MOTION_NAMES`.
    unit : {"deg", "rad"}, optional
        Unit of the coordinates; otherwise that of the columns, otherwise degrees.

    Raises
    ------
    TableError
        If the table is of no known kind, lacks a coordinate, a coordinate is not a number, or
        there are proper motions and no epoch of the positions.
    """
    arrow = as_arrow(table)
    ra_name = _find(arrow, ra_column, RA_NAMES, "ra", ucd=RA_UCD)
    dec_name = _find(arrow, dec_column, DEC_NAMES, "dec", ucd=DEC_UCD)
    warn_of_single_precision(arrow, (ra_name, dec_name))
    return Positions(
        _ids(arrow, id_column),
        _coordinate(arrow, ra_name, unit),
        _coordinate(arrow, dec_name, unit),
        _motion(arrow),
    )


def as_arrow(table: Any) -> pa.Table:
    """Return a table of any supported kind as a pyarrow Table, units in its field metadata.

    Columns of an astropy table that Arrow has no type for are left out.

    Raises
    ------
    TableError
        If it is of no supported kind.
    """
    if isinstance(table, pa.Table):
        return table
    if isinstance(table, pa.RecordBatch):
        return pa.Table.from_batches([table])
    if hasattr(table, "__arrow_c_stream__"):
        return pa.table(table)
    if hasattr(table, "colnames") and hasattr(table, "itercols"):
        from forcedsql.tables import from_astropy  # noqa: PLC0415 - loads every format of tables

        return from_astropy(table, strict=False)
    raise TableError(
        f"positions of type {type(table).__name__} are not a table; give a pyarrow, pandas, polars or "
        "astropy table, or a DuckDB relation"
    )


def warn_of_single_precision(table: pa.Table, names: Iterable[str]) -> None:
    """Warn of coordinates that are stored with seven digits or fewer.

    Warns
    -----
    PrecisionWarning
        One per column; Python shows equal warnings once.
    """
    for name in names:
        type_ = table.schema.field(name).type
        if table.num_rows and (pa.types.is_float32(type_) or pa.types.is_float16(type_)):
            warnings.warn(
                f"column {name!r} is {np.dtype(type_.to_pandas_dtype())}: up to 0.1 arcsec of the positions "
                "is lost; store coordinates as float64",
                PrecisionWarning,
                stacklevel=4,
            )


def _find(table: pa.Table, given: str | None, usual: Sequence[str], axis: str, *, ucd: str = "") -> str:
    if given is not None:
        if given not in table.column_names:
            raise TableError(f"the table has no column {given!r}; it has {_listed(table.column_names)}")
        return given
    by_lower_name = _names_by_lower_case(table)
    for name in usual:
        if name.lower() in by_lower_name:
            return by_lower_name[name.lower()]
    for field in table.schema:
        if ucd and (field.metadata or {}).get(b"ucd", b"").decode(errors="replace").lower() == ucd:
            return str(field.name)
    raise TableError(
        f"the positions have no column {' or '.join(usual)}; they have {_listed(table.column_names)}; "
        f"name it: --{axis}-column, in Python {axis}_column"
    )


def _names_by_lower_case(table: pa.Table) -> dict[str, str]:
    """Return the names of columns by what they are in lower case; of several the first."""
    return {name.lower(): name for name in reversed(table.column_names)}


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:12])
    return f"{shown}, ... ({len(names)} columns)" if len(names) > 12 else shown or "no columns"


def _ids(table: pa.Table, given: str | None) -> pa.Array:
    if given is None and not _names_by_lower_case(table).keys() & {name.lower() for name in ID_NAMES}:
        return pa.array(np.arange(table.num_rows, dtype=np.int64))
    ids = table[_find(table, given, ID_NAMES, "id")].combine_chunks()
    if pa.types.is_integer(ids.type):
        try:
            return ids.cast(pa.int64())
        except pa.ArrowInvalid:
            return ids
    return ids


def _motion(table: pa.Table) -> SpaceMotion | None:
    by_lower_name = _names_by_lower_case(table)
    names = {
        quantity: next((by_lower_name[n] for n in usual if n in by_lower_name), None)
        for quantity, (usual, _) in MOTION_NAMES.items()
    }
    if all(names[quantity] is None for quantity in ("pm_ra", "pm_dec", "parallax")):
        return None
    values = {
        quantity: np.full(table.num_rows, np.nan) if name is None else _quantity(table, name, quantity)
        for quantity, name in names.items()
    }
    motion = SpaceMotion(**values)
    if names["ref_epoch"] is None and motion.drifts.any():
        raise TableError(
            f"column {names['pm_ra'] or names['pm_dec']!r} holds proper motions, and there is no column "
            "ref_epoch that says at which time (Julian year) the positions hold; add it, or leave them out"
        )
    return motion


def _quantity(table: pa.Table, name: str, quantity: str) -> FloatArray:
    """Return a column of `MOTION_NAMES` in its unit, (n,) float64; NaN where missing."""
    expected = MOTION_NAMES[quantity][1]
    values = _numbers(table, name, f"give {quantity} in {expected}")
    stated = (table.schema.field(name).metadata or {}).get(b"unit", b"").decode(errors="replace")
    if stated.replace(" ", "") in ("", expected.replace(" ", "")):
        return values
    if expected == "yr" and stated == "Julian year":
        return values
    from astropy.units import Unit  # noqa: PLC0415 - only where a unit is to be understood

    try:
        return np.asarray(values * Unit(stated).to(expected), dtype=np.float64)
    except ValueError as error:
        raise TableError(f"column {name!r} has unit {stated!r}; {quantity} is in {expected}") from error


def _coordinate(table: pa.Table, name: str, unit: str | None) -> FloatArray:
    values = _numbers(table, name, "give coordinates in degrees")
    metadata = table.schema.field(name).metadata or {}
    stated = unit or metadata.get(b"unit", b"deg").decode(errors="replace")
    if _DEGREES.fullmatch(stated):
        return values
    if _RADIANS.fullmatch(stated):
        return np.asarray(np.rad2deg(values), dtype=np.float64)
    raise TableError(f"column {name!r} has unit {stated!r}; coordinates are in deg or rad")


def _first_text(column: pa.ChunkedArray) -> str:
    """Return the first text in a column that is no number, and its row, in words."""
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return ""
    row = pc.index(pc.match_substring_regex(column, _NUMBER), False).as_py()
    return "" if row < 0 else f": {column[row].as_py()[:40]!r} in row {row + 1:,}"


def _numbers(table: pa.Table, name: str, remedy: str) -> FloatArray:
    """Return a column as a copy in float64, (n,); NaN where missing."""
    type_ = table.schema.field(name).type
    is_number = pa.types.is_floating(type_) or pa.types.is_integer(type_) or pa.types.is_decimal(type_)
    if not (is_number or pa.types.is_null(type_)):
        raise TableError(f"column {name!r} is {type_}, not a number{_first_text(table[name])}; {remedy}")
    # Not safe: whole numbers beyond 2^53 are rounded, as any other number is.
    values = pc.fill_null(table[name].cast(pa.float64(), safe=False), float("nan")).to_numpy()
    return np.array(values, dtype=np.float64)
