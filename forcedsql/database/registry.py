"""The tables of a forcedsql database, declared once.

Names are those of ObsCore (IVOA REC-ObsCore-v1.1) where it has one.  Every column's comment
ends in its unit in brackets; the comments reach DuckDB by ``COMMENT ON``.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Double,
    Float,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable, DDLElement, SetColumnComment, SetTableComment
from sqlalchemy.types import TypeEngine

from forcedsql.config import MeasurementConfig
from forcedsql.database.footprint import COVERAGE_ORDER
from forcedsql.database.quoting import quote_identifier
from forcedsql.errors import DatabaseError
from forcedsql.exposure_file import RegisteredExposure
from forcedsql.schema import FLUX, SOURCE_IDENTITY, source_columns

if TYPE_CHECKING:
    import duckdb

metadata = MetaData()

exposure = Table(
    "exposure",
    metadata,
    Column("exposure_id", Text, primary_key=True, comment="id by which SQL names the exposure"),
    Column("kind", Text, nullable=False, comment="visit_image, difference_image, deep_coadd or image"),
    Column("visit", BigInteger, comment="visit of a single-visit image"),
    Column("detector", Integer, comment="detector of a single-visit image"),
    Column("tract", Integer, comment="sky tract of a coadd"),
    Column("patch", Text, comment="patch of the tract of a coadd"),
    Column("band", Text, comment="name of the band"),
    Column("physical_filter", Text, comment="name of the filter"),
    Column("mjd", Double, comment="middle of the exposure, MJD (TAI) [d]"),
    Column("t_exptime", Double, comment="exposure time [s]"),
    Column("s_ra", Double, comment="ICRS right ascension of the middle of the image [deg]"),
    Column("s_dec", Double, comment="ICRS declination of the middle of the image [deg]"),
    Column("s_region", Text, comment="outline on the sky, STC-S polygon in ICRS [deg]"),
    Column("footprint", ARRAY(Double), comment="four half spaces nx, ny, nz, d: inside where n.v >= d"),
    Column("width", Integer, nullable=False, comment="columns of the image [pix]"),
    Column("height", Integer, nullable=False, comment="rows of the image [pix]"),
    Column("x0", Integer, nullable=False, comment="parent column of the first pixel [pix]"),
    Column("y0", Integer, nullable=False, comment="parent row of the first pixel [pix]"),
    Column("psf_kind", Text, comment="class of the PSF model"),
    Column("bunit", Text, comment="unit of the pixels"),
    Column(
        "flux_unit", Text, comment="unit of measured fluxes, unless the configuration says calibrate=never"
    ),
    Column("access_url", Text, nullable=False, comment="path of the file"),
    Column("file_size", BigInteger, nullable=False, comment="size of the file [byte]"),
    Column("file_mtime_ns", BigInteger, nullable=False, comment="modification time, since 1970 [ns]"),
    Column("sha256", Text, nullable=False, comment="SHA-256 of the file"),
    comment="exposures that can be measured, one row each",
)

exposure_coverage = Table(
    "exposure_coverage",
    metadata,
    Column("exposure_id", Text, nullable=False, comment="id of the exposure"),
    Column(
        "healpix", BigInteger, nullable=False, comment=f"HEALPix cell, nested, order {COVERAGE_ORDER}, ICRS"
    ),
    comment="HEALPix cells that an exposure touches",
)

exposure_layout = Table(
    "exposure_layout",
    metadata,
    Column("exposure_id", Text, primary_key=True, comment="id of the exposure"),
    Column(
        "layout",
        Text,
        nullable=False,
        comment="headers of its file and where the data are, JSON: opens it fast",
    ),
    comment="layouts of the files of exposures, of those formats that can be read in part",
)

exposure_options = Table(
    "exposure_options",
    metadata,
    Column("exposure_id", Text, primary_key=True, comment="id of the exposure"),
    Column("options", Text, nullable=False, comment="how its file is opened, JSON; {} by convention"),
    Column("side_files", Text, nullable=False, comment="other files that it is made of, their state, JSON"),
    Column("image", Text, comment="what the image is and in which unit"),
    Column("error", Text, comment="what the variance is made of"),
    Column("mask", Text, comment="where the mask planes are from"),
    Column("psf", Text, comment="where the PSF is from"),
    Column("zero_point", Text, comment="how fluxes become nJy"),
    Column("background", Text, comment="whether the sky is in the image"),
    comment="how plain FITS images were opened, and what was taken for their parts",
)

measurement_run = Table(
    "measurement_run",
    metadata,
    Column("run_id", Text, primary_key=True, comment="id of the run"),
    Column("started", Double, nullable=False, comment="start, seconds since 1970 UTC [s]"),
    Column("ended", Double, comment="end, NULL while it runs or if it was killed [s]"),
    Column("status", Text, nullable=False, comment="running, done, failed or interrupted"),
    Column("version", Text, nullable=False, comment="version of forcedsql"),
    Column("duckdb_version", Text, comment="version of DuckDB"),
    Column("config", Text, nullable=False, comment="measurement configuration, JSON"),
    Column("config_digest", Text, nullable=False, comment="short hash of the configuration"),
    Column("catalog", Text, comment="table that the positions came from"),
    Column("exposures", BigInteger, comment="number of exposures measured"),
    Column("positions", BigInteger, comment="number of rows measured"),
    comment="provenance of measurements, one row per run",
)

measurement_task = Table(
    "measurement_task",
    metadata,
    Column("run_id", Text, primary_key=True, comment="id of the run"),
    Column("exposure_id", Text, primary_key=True, comment="id of the exposure"),
    Column("destination", Text, nullable=False, comment="where its rows are: folder:PATH or table:NAME"),
    Column("status", Text, nullable=False, comment="done or failed"),
    Column("error", Text, comment="why it failed, one line"),
    Column("positions", BigInteger, nullable=False, comment="positions on the exposure"),
    Column("row_count", BigInteger, nullable=False, comment="rows, one per position; 0 if it failed"),
    Column("config_digest", Text, nullable=False, comment="short hash of the configuration"),
    Column("file_sha256", Text, nullable=False, comment="SHA-256 of the exposure's file"),
    Column("positions_digest", Text, nullable=False, comment="number and hash of the positions"),
    Column("started", Double, comment="start, seconds since 1970 UTC [s]"),
    Column("ended", Double, nullable=False, comment="end, seconds since 1970 UTC [s]"),
    Column("reading", Double, comment="time for opening the file and reading its pixels [s]"),
    Column("psf", Double, comment="time for evaluating the PSF [s]"),
    Column("measuring", Double, comment="time for everything else of the measurement [s]"),
    Column("writing", Double, comment="time for writing the rows [s]"),
    Column("kernel", Text, comment="kernel that summed the pixels, and its threads"),
    Column("worker", Text, comment="host and process that measured"),
    comment="ledger of runs, one row per run and exposure that it measured",
)


ORIGINS = ("image", "error", "mask", "PSF", "zero point", "background")
"""Names in `Exposure.origins`, in the order of their columns in ``exposure_options``."""

_UNIT_IN_BRACKETS = re.compile(r"(.*?)\s*\[([^][]+)\]", re.DOTALL)

_FILE_COLUMNS = ("exposure_id", "access_url", "file_size", "file_mtime_ns", "sha256")

_TYPES: dict[pa.DataType, type[TypeEngine[Any]]] = {
    pa.float64(): Double,
    pa.float32(): Float,
    pa.int64(): BigInteger,
    pa.int32(): Integer,
    pa.bool_(): Boolean,
}


FORCED_SOURCE = "forced_source"
"""The table that results of runs go to by default."""


def forced_source_table(config: MeasurementConfig, name: str = FORCED_SOURCE) -> Table:
    """Return a table for the results of runs, with the columns of a configuration."""
    measured = [(c.source, c.type, c.unit, c.meaning) for c in source_columns(config)]
    identity = [(name, type_, unit, meaning) for name, type_, unit, _, meaning in SOURCE_IDENTITY]
    return Table(
        name,
        MetaData(),
        Column("run_id", Text, nullable=False, comment="run that measured the row"),
        Column("exposure_id", Text, nullable=False, comment="exposure that it was measured on"),
        *(
            Column(name, _TYPES[type_], comment=with_unit(meaning, "nJy" if unit == FLUX else unit))
            for name, type_, unit, meaning in (*identity, *measured)
        ),
        comment="forced photometry, one row per position and exposure; fluxes in the exposure's flux_unit",
    )


def with_unit(meaning: str, unit: str) -> str:
    """Return a column comment: its meaning, then its unit in brackets."""
    return f"{meaning} [{unit}]".strip() if unit else meaning


def meaning_and_unit(comment: str) -> tuple[str, str]:
    """Return the two parts of a comment as `with_unit` makes it; "" for what it does not have."""
    found = _UNIT_IN_BRACKETS.fullmatch(comment.strip())
    return (found[1], found[2]) if found else (comment.strip(), "")


@cache
def registry_tables() -> tuple[Table, ...]:
    """Return every table of a forcedsql database."""
    return (*metadata.sorted_tables, forced_source_table(MeasurementConfig()))


@cache
def table_statements() -> tuple[str, ...]:
    """Return the SQL that makes the tables that are missing, and comments on all of them."""
    return tuple(command for table in registry_tables() for command in creation_of(table))


def creation_of(table: Table) -> tuple[str, ...]:
    """Return the SQL that makes a table, if it is missing, and comments on it."""
    return (
        _sql(CreateTable(table, if_not_exists=True)),
        _sql(SetTableComment(table)),
        *(_sql(SetColumnComment(column)) for column in table.columns),
    )


def check_tables(con: "duckdb.DuckDBPyConnection", database: str, *, shown: str) -> bool:
    """Say whether the registry's tables are all there.

    Raises
    ------
    DatabaseError
        If a table of one of their names lacks a column: the file is not one of ours.
    """
    found: dict[str, set[str]] = {}
    rows = con.execute(
        "SELECT table_name, column_name FROM duckdb_columns() "
        "WHERE database_name = ? AND schema_name = 'main'",
        [database],
    ).fetchall()
    for table, column in rows:
        found.setdefault(table, set()).add(column)
    for table in registry_tables():
        missing = [c.name for c in table.columns if c.name not in found.get(table.name, {c.name})]
        if missing:
            raise DatabaseError(
                f"{shown} has a table {table.name!r} without the column {missing[0]!r}: it is not "
                "forcedsql's, or of another version; rename that table"
            )
    return all(table.name in found for table in registry_tables())


def file_query(schema: str) -> str:
    """Return the query for the fields of `RegisteredExposure`, in their order.

    Parameters
    ----------
    schema : str
        Where the registry is, as SQL has it.
    """
    return (
        f"SELECT {', '.join(_FILE_COLUMNS)}, options, side_files FROM {schema}.exposure "  # noqa: S608 - quoted
        f"LEFT JOIN {schema}.exposure_options USING (exposure_id)"
    )


def layout_query(schema: str) -> str:
    """Return the query for ids of exposures and layouts of their files; see `file_query`."""
    return f"SELECT exposure_id, layout FROM {schema}.exposure_layout"  # noqa: S608 - quoted


def look_up(
    con: "duckdb.DuckDBPyConnection", database: str, exposure_ids: Sequence[str]
) -> dict[str, RegisteredExposure]:
    """Return the registry's committed rows of exposures by id; unknown ids are left out."""
    schema = f"{quote_identifier(database)}.main"
    condition = "= ?" if len(exposure_ids) == 1 else "= ANY(?)"
    query = f"{file_query(schema)} WHERE exposure_id {condition}"
    rows = con.execute(query, [exposure_ids[0] if len(exposure_ids) == 1 else list(exposure_ids)]).fetchall()
    return {row[0]: RegisteredExposure(*row) for row in rows}


def look_up_layouts(
    con: "duckdb.DuckDBPyConnection", database: str, exposure_ids: Sequence[str]
) -> dict[str, str]:
    """Return the layouts of exposures' files by id, of those that have one."""
    query = f"{layout_query(f'{quote_identifier(database)}.main')} WHERE exposure_id = ANY(?)"
    return dict(con.execute(query, [list(exposure_ids)]).fetchall())


def look_up_origins(con: "duckdb.DuckDBPyConnection", exposure_id: str) -> dict[str, str]:
    """Return what was taken for the parts of a plain image; nothing for other formats."""
    rows = con.execute(
        "SELECT image, error, mask, psf, zero_point, background FROM exposure_options WHERE exposure_id = ?",
        [exposure_id],
    ).fetchall()
    return dict(zip(ORIGINS, rows[0], strict=True)) if rows else {}


def _sql(element: DDLElement) -> str:
    # DuckDB speaks PostgreSQL's DDL; its own dialect adds nothing for these statements.
    return str(element.compile(dialect=postgresql.dialect())).strip()  # type: ignore[no-untyped-call]
