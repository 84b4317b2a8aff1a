"""``forcedsql run``: a catalogue on every exposure that contains it, resumable."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.cli.exits import ExitCode
from forcedsql.cli.narrate import say
from forcedsql.cli.options import (
    ConfigOption,
    DatabaseArgument,
    DecColumnOption,
    IdColumnOption,
    InputFormatOption,
    RaColumnOption,
    SetOption,
    UnitOption,
    configuration,
    open_database,
)
from forcedsql.cli.output import count
from forcedsql.cli.run_progress import RunProgress

if TYPE_CHECKING:
    from forcedsql.runs import RunReport

SHOWN_NAMES = 20
"""Exposures that are named in a summary; the ledger has all of them."""


def run(
    context: typer.Context,
    database: DatabaseArgument,
    positions: Annotated[
        str,
        typer.Option(
            metavar="TABLE|QUERY|FILE",
            help="Positions with whole-number ids: a table of the database, a query (SELECT ..., FROM ...), "
            "a file, a HATS catalogue folder, or - for standard input.",
        ),
    ],
    exposures: Annotated[
        str | None,
        typer.Option(
            metavar="QUERY",
            help="Exposures to measure: a query that returns exposure_id, or a condition on the table "
            "exposure such as \"band = 'i'\"; all if not given.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for one Parquet file per exposure.")
    ] = None,
    into: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE", help="Table of the database for the rows; forced_source if there is no --out."
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Exposures measured at a time; one per processor if not given."),
    ] = None,
    executor: Annotated[
        str, typer.Option(help="process, thread, or dask://ADDRESS of a Dask scheduler.")
    ] = "process",
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Try exposures again that failed before.")
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Let results for positions from elsewhere be replaced.")
    ] = False,
    timings: Annotated[bool, typer.Option("--timings", help="Print where the time went.")] = False,
    id_column: IdColumnOption = None,
    ra_column: RaColumnOption = None,
    dec_column: DecColumnOption = None,
    unit: UnitOption = None,
    input_format: InputFormatOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Measure a catalogue on every exposure that contains it.

    Each registered exposure is done as a whole: it may be interrupted or killed at any time, and the same
    command goes on with what is missing or has changed. An exposure that fails is named and does
    not stop the others; the exit code is 1 then. What was done is in the tables measurement_run
    and measurement_task.
    """
    options = configuration(config, settings)
    from forcedsql.runs import run as run_survey
    from forcedsql.tables import STANDARD_INPUT, read_table

    by_itself = positions != STANDARD_INPUT and input_format is None
    source = positions if by_itself else read_table(positions, format_name=input_format)
    with open_database(database) as con, RunProgress() as progress:
        try:
            report = run_survey(
                con,
                source,
                exposures=exposures,
                out=out,
                into=into,
                workers=workers,
                executor=executor,
                retry_failed=retry_failed,
                replace=replace,
                config=options,
                id_column=id_column,
                ra_column=ra_column,
                dec_column=dec_column,
                unit=unit,
                watcher=progress,
            )
        except KeyboardInterrupt:
            progress.stop()
            say(f"interrupted; what is finished is kept; go on with: {command_line(context)}")
            raise
    summarise(report)
    if timings:
        print_timings(report)
    if not report.is_complete:
        raise typer.Exit(ExitCode.FAILED)


def command_line(context: typer.Context) -> str:
    """Return the command that was called, as a shell takes it."""
    words = ["forcedsql", context.info_name or ""]
    for parameter in context.command.params:
        value = context.params.get(parameter.name or "")
        name = [] if parameter.param_type_name == "argument" else [parameter.opts[0]]
        if value is None or value is False or (name and value == parameter.default):
            continue
        for each in value if isinstance(value, list | tuple) else [value]:
            words += name if each is True else [*name, str(each)]
    return shlex.join(words)


def summarise(report: "RunReport") -> None:
    """Say what became of a run, every position and exposure accounted for."""
    measured = f"{count(report.rows, 'row')} on {count(report.measured, 'exposure')}"
    if report.run_id:
        say(f"run {report.run_id}: {measured} measured into {report.destination} in {report.elapsed:.1f} s")
    else:
        say(f"nothing to measure: {report.destination} is up to date, as far as it can be")
    if report.unchanged:
        say(f"{count(report.unchanged, 'exposure')} measured before, and unchanged")
    no_place = f", {report.unplaced:,} of them without usable coordinates" if report.unplaced else ""
    say(f"{report.uncovered:,} of {count(report.requested, 'position')} on no exposure{no_place}")
    if report.empty:
        say(f"{count(report.empty, 'exposure')} without any of the positions")
    _name("without a PSF, what needs one is flagged", report.without_psf)
    _name("without a sky projection, not measured", report.without_sky)
    _name("with older results, of other positions or another configuration", report.outdated)
    _name("failed", [f"{name}: {error}" for name, error in report.failed.items()])
    _name(
        "failed before, left alone (--retry-failed tries again)",
        [f"{name}: {error}" for name, error in report.failed_before.items()],
    )


def print_timings(report: "RunReport") -> None:
    """Say what share of the time each phase took, workers' times added up."""
    total = sum(report.seconds.values()) or 1.0
    say("phase       seconds   share")
    for phase in ("planning", "reading", "psf", "measuring", "writing", "storing"):
        seconds = report.seconds.get(phase, 0.0)
        say(f"{phase:<10} {seconds:>8.2f} {seconds / total:>6.1%}")
    say(f"{'elapsed':<10} {report.elapsed:>8.2f}")


def _name(what: str, names: "list[str] | tuple[str, ...]") -> None:
    if names:
        say(f"{count(len(names), 'exposure')} {what}:")
        for name in names[:SHOWN_NAMES]:
            say(f"  {name}")
        if len(names) > SHOWN_NAMES:
            say(f"  and {len(names) - SHOWN_NAMES:,} more; FROM measurement_task lists them")
