"""``compare`` and ``plot``: measured against reference fluxes of a database."""

from pathlib import Path
from typing import Annotated

import typer

from forcedsql.cli.narrate import say
from forcedsql.cli.options import (
    DatabaseArgument,
    FluxOption,
    FormatOption,
    OutputOption,
    ReferenceFluxOption,
    open_database,
)
from forcedsql.cli.output import emit

MeasuredArgument = Annotated[str, typer.Argument(help="Table or view of measured fluxes.")]
ReferenceArgument = Annotated[str, typer.Argument(help="Table or view to compare them with.")]


def compare(
    database: DatabaseArgument,
    measured: MeasuredArgument,
    reference: ReferenceArgument,
    flux: FluxOption = "psfFlux",
    reference_flux: ReferenceFluxOption = None,
    bin_width: Annotated[float, typer.Option("--bin", min=0.001, help="Width of the magnitude bins.")] = 1.0,
    gate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=NUMBER",
            help="Tolerance, may be repeated: median_ratio (from 1), scatter, median_pull, pull_scatter; "
            "bins judged: brightest, faintest, min_sources. Exit code 4 if a bin is outside.",
        ),
    ] = None,
    format_: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Compare a flux of two tables, per bin of magnitude.

    Rows are matched by id, magnitudes are AB. Each bin has the median and the scatter (1.4826 MAD)
    of the ratio measured / reference, and of the pull, their difference over its error.
    """
    from forcedsql.compare import Tolerance, compare_summary

    tolerance = Tolerance.from_settings(gate or [])
    with open_database(database, read_only=True) as con:
        summary = compare_summary(
            con, measured, reference, flux, bin_width=bin_width, reference_flux=reference_flux
        )
    emit(summary, format_, output)
    if gate:
        tolerance.check(summary)
        say("every bin is within the tolerance")


def plot(
    database: DatabaseArgument,
    measured: MeasuredArgument,
    reference: ReferenceArgument,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="OUT", help="Figure to write: png, pdf or svg.")
    ] = Path("flux_ratio.png"),
    flux: FluxOption = "psfFlux",
    reference_flux: ReferenceFluxOption = None,
    title: Annotated[str, typer.Option(help="Title; usually the exposure's id.")] = "",
    bin_width: Annotated[float, typer.Option("--bin", min=0.001, help="Width of the magnitude bins.")] = 0.5,
) -> None:
    """Plot the flux ratio of two tables against magnitude.

    Rows are matched by id; each magnitude bin has its median and scatter (1.4826 MAD).
    """
    from forcedsql.compare import FluxComparison
    from forcedsql.plots import plot_flux_ratio

    with open_database(database, read_only=True) as con:
        comparison = FluxComparison.from_sql(con, measured, reference, flux, reference_flux=reference_flux)
    plot_flux_ratio(output, comparison, title=title, reference=reference, flux=flux, bin_width=bin_width)
    say(f"{len(comparison):,} matched rows plotted in {output}")
