"""``export``: rows of a database into a file or a HATS catalogue."""

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from forcedsql.cli.narrate import progress, say
from forcedsql.cli.options import (
    ConfigOption,
    DatabaseArgument,
    DecColumnOption,
    RaColumnOption,
    SetOption,
    TableFileFormat,
    configuration,
    open_database,
)
from forcedsql.cli.output import count
from forcedsql.cli.query import interruptible
from forcedsql.errors import ConfigError


def export(
    database: DatabaseArgument,
    source: Annotated[
        str, typer.Argument(metavar="TABLE|QUERY", help="Table, view or query; '-' reads a query from stdin.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="File to write; with --hats a new folder.")],
    format_: Annotated[
        TableFileFormat | None,
        typer.Option("--format", help="Format of the file; by its suffix if not given."),
    ] = None,
    units: Annotated[
        list[str] | None,
        typer.Option(
            "--unit",
            metavar="COLUMN=UNIT",
            help="Unit of a column, over what is known of it; nothing after '=' for none; may be repeated.",
        ),
    ] = None,
    healpix: Annotated[
        bool, typer.Option("--healpix", help="Add the column _healpix_29, and sort by it.")
    ] = False,
    hats: Annotated[bool, typer.Option("--hats", help="Write a HATS catalogue, as LSDB reads.")] = False,
    partition_rows: Annotated[
        int, typer.Option(min=1, help="Rows above which HATS splits a cell of the sky in four.")
    ] = 1_000_000,
    ra_column: RaColumnOption = None,
    dec_column: DecColumnOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Write a table or a query's result with units to a file.

    Units and descriptions come from column comments and from what forcedsql measures; columns
    that a query computes have none, unless --unit gives it. Parquet has them in a VOParquet
    footer; CSV cannot, so they are in OUT-metadata.json (CSVW).
    """
    if hats and format_ is not None:
        raise ConfigError("--format is for files; a HATS catalogue is a folder of parquet files")
    given = dict(_unit(text) for text in units or [])
    query = sys.stdin.read() if source == "-" else source
    from forcedsql.export import export_table

    with (
        open_database(database, configuration(config, settings), read_only=True) as con,
        progress(f"writing {output.name}"),
    ):
        write = partial(
            export_table,
            con,
            query,
            output,
            format_name=None if format_ is None else format_.value,
            units=given,
            healpix=healpix,
            hats=hats,
            partition_rows=partition_rows,
            ra_column=ra_column,
            dec_column=dec_column,
        )
        rows = interruptible(con, write)
    say(f"{count(rows, 'row')} written to {output}")


def _unit(text: str) -> tuple[str, str]:
    column, equals, unit = text.partition("=")
    if not equals:
        raise ConfigError(f"--unit {text!r} is not of the form COLUMN=UNIT")
    return column.strip(), unit.strip()
