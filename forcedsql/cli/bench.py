"""``forcedsql bench``: how fast it is here, next to its peers."""

import json
import sys
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from forcedsql.cli.narrate import progress, say
from forcedsql.errors import ConfigError

if TYPE_CHECKING:
    from forcedsql.bench import Options, Report

QUICK = {"sizes": "1000,10000", "psfs": "gaussian,varying", "threads": "1", "peers": "sep"}
QUICK_ROUNDS = 2
"""What --quick asks for; options given besides it count."""


class ReportFormat(StrEnum):
    """How the report is written to stdout."""

    TABLE = "table"
    MARKDOWN = "markdown"
    JSON = "json"


def bench(
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Under a minute: fewer sizes and PSFs, sep only, no light curve or SQL."
        ),
    ] = False,
    sizes: Annotated[
        str | None, typer.Option(metavar="N,N", help="Numbers of positions; 1000,10000,100000 if not given.")
    ] = None,
    psf: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="PSFs of gaussian, varying, piff, coadd; all if not given."),
    ] = None,
    threads: Annotated[
        str | None, typer.Option(metavar="N,N", help="Numbers of threads, or all; '1,all' if not given.")
    ] = None,
    peers: Annotated[
        str | None,
        typer.Option(metavar="NAME,NAME", help="Packages of sep, photutils, or none; all if not given."),
    ] = None,
    rounds: Annotated[int | None, typer.Option(help="Turns of each contestant; 3 if not given.")] = None,
    lightcurve: Annotated[
        bool | None,
        typer.Option("--lightcurve/--no-lightcurve", help="Whether to time one position on many exposures."),
    ] = None,
    exposures: Annotated[int, typer.Option(help="Exposures of the light curve.")] = 20,
    sql: Annotated[
        bool | None,
        typer.Option("--sql/--no-sql", help="Whether to time 40,000 positions asked for in SQL."),
    ] = None,
    memory: Annotated[
        bool, typer.Option("--memory/--no-memory", help="Whether to measure peak memory.")
    ] = True,
    image_size: Annotated[int, typer.Option(metavar="PIXELS", help="Side of the images.")] = 4000,
    format_: Annotated[ReportFormat, typer.Option("--format", help="Format on stdout.")] = ReportFormat.TABLE,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every figure to a JSON file as well.")
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw cost against number, too: png, pdf or svg."),
    ] = None,
) -> None:
    """Time forcedsql and its peers, interleaved, on simulated data.

    Costs per position, ratios, peak memory, agreement, and the machine's own limits. A peer
    that is not installed gets a row that says so.
    """
    given = {"sizes": sizes, "psfs": psf, "threads": threads, "peers": peers}
    lists = (QUICK if quick else {}) | {name: text for name, text in given.items() if text is not None}
    if quick and rounds is None:
        rounds = QUICK_ROUNDS
    with_curve, with_sql = (not quick if each is None else each for each in (lightcurve, sql))
    from forcedsql.bench import run
    from forcedsql.bench.timing import blas_can_be_limited

    options = parse_options(
        lists,
        rounds=rounds,
        side=image_size,
        exposures=exposures if with_curve else 0,
        sql=with_sql,
        memory=memory,
    )
    if not blas_can_be_limited():
        say("threadpoolctl is not installed: NumPy may use all threads everywhere")
    with progress("timing", options.steps) as step:
        report = run(options, say=say, step=step)
    sys.stdout.write(_writers()[format_](report))
    if json_file is not None:
        json_file.write_text(_json(report), encoding="utf-8")
    if plot is not None:
        from forcedsql.bench.plot import plot_report

        plot_report(plot, report)


def parse_options(
    lists: "Mapping[str, str]", *, rounds: int | None, side: int, exposures: int, sql: bool, memory: bool
) -> "Options":
    """Return the options that the command line asks for; what it does not name is the default.

    Parameters
    ----------
    lists : mapping of str to str
        Values with commas between them, by the names of `forcedsql.bench.Options`.
    rounds : int or None
    sql : bool
        Whether there is a part in SQL.
    side, exposures, memory
        See `forcedsql.bench.Options`.

    Raises
    ------
    ConfigError
        If a value cannot be used.
    """
    from forcedsql.bench import Options

    given: dict[str, Any] = {
        name: tuple(_value(name, word.strip()) for word in text.split(",") if word.strip())
        for name, text in lists.items()
    }
    if given.get("peers") == ("none",):
        given["peers"] = ()
    if rounds is not None:
        given["rounds"] = rounds
    if not sql:
        given["sql"] = 0
    return Options(**given, side=side, exposures=exposures, memory=memory)


def _value(name: str, word: str) -> int | str:
    if name not in ("sizes", "threads"):
        return word
    if name == "threads" and word == "all":
        return 0
    if not (word.isascii() and word.isdigit()):
        raise ConfigError(f"--{name}: {word!r} is not a whole number")
    return int(word)


def _json(report: "Report") -> str:
    from forcedsql.bench import as_mapping

    return json.dumps(as_mapping(report), indent=1) + "\n"


def _writers() -> "dict[ReportFormat, Callable[[Report], str]]":
    from forcedsql.bench import as_markdown, as_text

    return {ReportFormat.TABLE: as_text, ReportFormat.MARKDOWN: as_markdown, ReportFormat.JSON: _json}
