"""``forcedsql extension``: for people who start the DuckDB shell themselves."""

from pathlib import Path
from typing import Annotated

import typer

from forcedsql.cli.narrate import say
from forcedsql.cli.options import ConfigOption, SetOption, configuration
from forcedsql.errors import ForcedSQLError

app = typer.Typer(help="Install the DuckDB extension, or say where it is.", no_args_is_help=True)


@app.command()
def install(
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Folder to put it in, instead of the user's data folder."),
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Install the extension for 'duckdb -unsigned', and print where it is.

    The configuration decides the columns that are measured. Install it again after an update of
    forcedsql.
    """
    options = configuration(config, settings)
    from forcedsql.extension.files import NAME, install_extension

    path = install_extension(options, None if directory is None else directory.absolute() / NAME)
    typer.echo(str(path))
    say(f"in 'duckdb -unsigned survey.duckdb', or in the file ~/.duckdbrc, write: LOAD '{path}';")


@app.command()
def path() -> None:
    """Print where the extension is installed."""
    from forcedsql.extension.files import installed_extension

    found = installed_extension()
    if not found.exists():
        raise ForcedSQLError(f"there is no {found}; run: forcedsql extension install")
    typer.echo(str(found))
