"""The ``forcedsql`` command: its subcommands, and how errors end it."""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from forcedsql.cli import (
    bench,
    catalogs,
    compare,
    demo,
    doctor,
    explain,
    export,
    extension,
    info,
    lightcurve,
    measure,
    plugins,
    query,
    reference,
    shell,
)
from forcedsql.cli.exits import ExitCode, describe_exit_codes, exit_code_of
from forcedsql.cli.narrate import say, spoken_warnings
from forcedsql.cli.run import run as run_survey
from forcedsql.errors import ForcedSQLError

app = typer.Typer(
    help="Forced photometry as SQL: fluxes at known sky positions on calibrated images, inside DuckDB.",
    epilog=describe_exit_codes(),
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (
    demo.demo,
    measure.measure,
    catalogs.init,
    catalogs.ingest,
    catalogs.catalog,
    run_survey,
    compare.compare,
    compare.plot,
    query.sql,
    shell.shell,
    export.export,
    info.info,
    explain.explain,
    doctor.doctor,
    bench.bench,
    reference.columns,
    reference.config,
    plugins.plugins,
):
    app.command()(command)
app.add_typer(extension.app, name="extension")

# A negative declination is no option.
app.command(context_settings={"ignore_unknown_options": True})(lightcurve.lightcurve)


def _print_version(wanted: bool) -> None:
    if wanted:
        import forcedsql

        typer.echo(f"forcedsql {forcedsql.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; errors are one line on stderr.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process where not given.
    """
    code: object = ExitCode.DONE
    try:
        with spoken_warnings():
            app(args=arguments, prog_name="forcedsql")
    except SystemExit as end:  # Typer ends so, after Ctrl-C too
        code = end.code
    except ForcedSQLError as error:
        say(f"forcedsql: {error}")
        code = exit_code_of(error)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"forcedsql: {where}{error.strerror or error}")
        code = ExitCode.CANNOT_OPEN
    return code if isinstance(code, int) else ExitCode.DONE


def run() -> NoReturn:
    """Run the command line as a process: the console script."""
    sys.exit(main())
