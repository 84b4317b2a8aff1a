"""``compare`` and ``plot``: measured against reference fluxes of a database."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
from forcedsql.cli.output import count, emit

if TYPE_CHECKING:
    import pyarrow as pa

    from forcedsql.gate import Gate

MeasuredArgument = Annotated[
    str, typer.Argument(metavar="MEASURED", help="Table or view of measured fluxes.")
]
ReferenceArgument = Annotated[
    str, typer.Argument(metavar="REFERENCE", help="Table or view to compare them with.")
]


GATE_HELP = (
    "Tolerance NAME=NUMBER, or a TOML file of them; may be repeated. Largest median_ratio (from 1), "
    "scatter (NMAD of the ratio), median_pull, pull_scatter, outlier_fraction; which are judged: "
    "brightest, faintest, min_sources, nsigma. 'bins.NAME' and 'exposures.NAME' for one kind only. "
    "Exit code 4 if anything is outside."
)
EXPOSURE_COLUMN = "exposure_id"


def compare(
    database: DatabaseArgument,
    measured: MeasuredArgument,
    reference: ReferenceArgument,
    flux: FluxOption = "psfFlux",
    reference_flux: ReferenceFluxOption = None,
    bin_width: Annotated[float, typer.Option("--bin", min=0.001, help="Width of the magnitude bins.")] = 1.0,
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Print a row per value of this column of MEASURED, such as exposure_id, and not per bin.",
        ),
    ] = None,
    gate: Annotated[list[str] | None, typer.Option(metavar="NAME=NUMBER|FILE", help=GATE_HELP)] = None,
    format_: FormatOption = None,
    output: OutputOption = None,
) -> None:
    """Compare a flux of two tables, per magnitude bin or exposure.

    Rows are matched by id, magnitudes are AB. Each bin has the median and the scatter (1.4826 MAD)
    of the ratio measured / reference, and of the pull, their difference over its error. With
    --gate, exposures are judged one by one too where MEASURED has the column exposure_id or --by.
    """
    from forcedsql.compare import compare_exposures, compare_summary, has_column
    from forcedsql.gate import Gate

    judge = Gate.from_settings(gate or [])
    with open_database(database, read_only=True) as con:
        bins = compare_summary(
            con, measured, reference, flux, bin_width=bin_width, reference_flux=reference_flux
        )
        exposures = None
        if by is not None or (gate and has_column(con, measured, EXPOSURE_COLUMN)):
            exposures = compare_exposures(
                con,
                measured,
                reference,
                flux,
                by=by or EXPOSURE_COLUMN,
                brightest=judge.exposures.brightest,
                faintest=judge.exposures.faintest + bin_width,
                reference_flux=reference_flux,
            )
    emit(bins if by is None or exposures is None else exposures, format_, output)
    if gate:
        _say_what_is_not_judged(judge, exposures)
        judge.check(bins, exposures)
        groups = "bin" if exposures is None else "bin and every exposure"
        say(f"every {groups} is within the tolerance")


def _say_what_is_not_judged(judge: "Gate", exposures: "pa.Table | None") -> None:
    few = [
        str(next(iter(group.values())))
        for group in ([] if exposures is None else exposures.to_pylist())
        if not judge.exposures.judges(group)
    ]
    if few:
        least = f"{judge.exposures.min_sources:g}"
        say(f"{count(len(few), 'exposure')} not judged, with fewer than {least} sources: {', '.join(few)}")


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
    by: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Draw ratios and pulls per value of this column of MEASURED, such as exposure_id: all in "
            "one panel, and those farthest off each in their own.",
        ),
    ] = None,
) -> None:
    """Plot the flux ratio of two tables against magnitude.

    Rows are matched by id; each magnitude bin has its median and scatter (1.4826 MAD).
    """
    from forcedsql.compare import FluxComparison
    from forcedsql.plots import plot_exposure_panels, plot_flux_ratio

    if by is not None:
        with open_database(database, read_only=True) as con:
            each = FluxComparison.each_from_sql(
                con, measured, reference, flux, by=by, reference_flux=reference_flux
            )
        plot_exposure_panels(output, each, reference=reference, flux=flux, bin_width=bin_width)
        say(f"{count(len(each), 'group')} of rows plotted in {output}")
        return
    with open_database(database, read_only=True) as con:
        comparison = FluxComparison.from_sql(con, measured, reference, flux, reference_flux=reference_flux)
    plot_flux_ratio(output, comparison, title=title, reference=reference, flux=flux, bin_width=bin_width)
    say(f"{len(comparison):,} matched rows plotted in {output}")
