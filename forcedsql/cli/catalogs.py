"""``init``, ``ingest`` and ``catalog``: what goes into a database."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.cli.exits import ExitCode
from forcedsql.cli.narrate import progress, say
from forcedsql.cli.open_options import opens_exposures, say_origins
from forcedsql.cli.options import TABLE_FILES, DatabaseArgument, InputFormatOption, open_database
from forcedsql.cli.output import count

if TYPE_CHECKING:
    from forcedsql.open_options import OpenOptions


class OnConflict(StrEnum):
    """What becomes of a file whose id is taken by another file."""

    REPLACE = "replace"
    KEEP = "keep"
    ERROR = "error"


def init(database: DatabaseArgument) -> None:
    """Make a database with its registry and macros.

    A database that exists is brought up to date; nothing in it is lost.
    """
    existed = Path(database).exists()
    with open_database(database, must_exist=False):
        say(
            f"{database} {'is up to date' if existed else 'made'}; next: forcedsql ingest {database} FILES..."
        )


@opens_exposures
def ingest(
    database: DatabaseArgument,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="Exposures: afw, lsst.images or plain FITS.")
    ],
    on_conflict: Annotated[
        OnConflict, typer.Option(help="What to do with a file whose id is taken by another file.")
    ] = OnConflict.REPLACE,
    opening: "OpenOptions | None" = None,
) -> None:
    """Register exposures, so that SQL can name them.

    The ids are printed: visit:VISIT:DETECTOR, coadd:TRACT:PATCH:BAND, or the file's name,
    with [EXT] after it where --hdu says which HDU.
    Doing it again changes nothing. Of plain FITS images it says what it took for error, mask,
    PSF, zero point and background.
    """
    from forcedsql.database import iter_ingest

    failed = 0
    with open_database(database) as con, progress("reading exposures", len(files)) as step:
        for done in iter_ingest(con, files, on_conflict=on_conflict.value, options=opening):
            step()
            if done.status == "failed":
                failed += 1
                say(f"forcedsql: {done.error}")
            else:
                typer.echo(f"{done.exposure_id}\t{done.status}\t{done.path}")
                say_origins(done.exposure_id, done.origins)
    if failed:
        say(f"{failed} of {count(len(files), 'file')} could not be registered")
        raise typer.Exit(ExitCode.CANNOT_OPEN)


def catalog(
    database: DatabaseArgument,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Name of the table to make, such as object or source.")
    ],
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help=f"Table: {TABLE_FILES}."),
    ],
    input_format: InputFormatOption = None,
    ra_column: Annotated[
        str | None, typer.Option(help="Column of right ascensions under another name than ra or coord_ra.")
    ] = None,
    dec_column: Annotated[
        str | None, typer.Option(help="Column of declinations under another name than dec or coord_dec.")
    ] = None,
) -> None:
    """Load a catalogue into a table of the database.

    It takes the place of a table of that name. Positions in radians become degrees; units and
    descriptions become column comments.
    """
    from forcedsql.database import load_catalog

    with open_database(database) as con, progress(f"loading {file.name}"):
        rows = load_catalog(
            con, name, file, format_name=input_format, ra_column=ra_column, dec_column=dec_column
        )
    say(f"{count(rows, 'row')} in table {name}")
