"""Arguments and options that several commands share, and what becomes of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.errors import DatabaseError

if TYPE_CHECKING:
    import duckdb

    from forcedsql.config import MeasurementConfig

MEMORY = ":memory:"


class ColumnNames(StrEnum):
    """Naming of the measured columns."""

    LSST = "lsst"
    SOURCE = "source"


class AngleUnit(StrEnum):
    """Unit of sky coordinates in a table."""

    DEG = "deg"
    RAD = "rad"


class TableFileFormat(StrEnum):
    """Format of a table's file, by the names that `forcedsql.tables.FORMATS` has."""

    PARQUET = "parquet"
    CSV = "csv"
    ECSV = "ecsv"
    FITS = "fits"
    VOTABLE = "votable"
    ARROW = "arrow"


class OutputFormat(StrEnum):
    """How a table is written to stdout."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


DatabaseArgument = Annotated[str, typer.Argument(metavar="DB", help="DuckDB file.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="TOML file of measurement options ('forcedsql config')."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="OPTION=VALUE",
        help="Set a measurement option, over those of --config; may be repeated ('forcedsql config').",
    ),
]
InputFormatOption = Annotated[
    TableFileFormat | None,
    typer.Option(
        help="Format of the table that is read; by its suffix if not given, and CSV for standard input "
        "unless it looks like another."
    ),
]
TABLE_FILES = "parquet, csv, ecsv, fits, votable, arrow, a HATS catalogue folder, or - for standard input"
"""What tables are read from, for helps."""

IdColumnOption = Annotated[
    str | None,
    typer.Option(help="Column of the ids; objectId, sourceId, diaObjectId or id if not given."),
]
RaColumnOption = Annotated[
    str | None, typer.Option(help="Column of the right ascensions; ra or coord_ra if not given.")
]
DecColumnOption = Annotated[
    str | None, typer.Option(help="Column of the declinations; dec or coord_dec if not given.")
]
UnitOption = Annotated[
    AngleUnit | None,
    typer.Option(help="Unit of the positions; the columns' own if not given, and degrees if they have none."),
]
FormatOption = Annotated[
    OutputFormat | None,
    typer.Option("--format", help="Format on stdout; 'table' if not given. Parquet only goes to a pipe."),
]
OutputOption = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        help="Write to a file instead; its suffix says the format: parquet, csv, ecsv, fits, votable, arrow.",
    ),
]
FluxOption = Annotated[str, typer.Option("--flux", help="Name of the flux column to compare.")]
ReferenceFluxOption = Annotated[
    str | None,
    typer.Option("--reference-flux", help="Its name in REFERENCE, if another: i_psfFlux."),
]


def configuration(file: Path | None, settings: list[str] | None) -> "MeasurementConfig":
    """Return the configuration that ``--config`` and ``--set`` ask for.

    Raises
    ------
    ConfigError
    """
    from forcedsql.config import MeasurementConfig

    config = MeasurementConfig() if file is None else MeasurementConfig.from_toml(file)
    return config.with_settings(settings or [])


@contextmanager
def open_database(
    path: str,
    config: "MeasurementConfig | None" = None,
    *,
    read_only: bool = False,
    must_exist: bool = True,
    roots: "Sequence[Path] | None" = None,
) -> "Iterator[duckdb.DuckDBPyConnection]":
    """Open a database for a command, and close it after.

    With roots, even none, it is one that somebody else made: see `forcedsql.connect`, safe.

    Raises
    ------
    DatabaseError
        If it cannot be opened, or there is none yet and `must_exist`.
    """
    from forcedsql.database import connect

    if must_exist and path != MEMORY and not Path(path).exists():
        raise DatabaseError(f"there is no database {path}; make it with: forcedsql init {path}")
    read_only = read_only and path != MEMORY
    safe = roots is not None
    with connect(path, config=config, read_only=read_only, safe=safe, roots=roots or ()) as con:
        yield con
