"""``forcedsql lightcurve``: fluxes of one position over time, as a table and a plot."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.cli.narrate import progress, say
from forcedsql.cli.options import (
    ConfigOption,
    DatabaseArgument,
    FormatOption,
    OutputOption,
    SetOption,
    configuration,
    open_database,
)
from forcedsql.cli.output import count, emit
from forcedsql.errors import ConfigError

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from forcedsql.database import Binning, Thresholds

FOLDER_VIEW = "results_of_folder"
"""Name of the view of a folder of results, which is gone with the connection."""

SHOWN_NAMES = 3
"""Exposures that are named in a warning."""

SHORT = (
    "night",
    "night_date",
    "exposure_id",
    "kind",
    "mjd",
    "band",
    "psfFlux",
    "psfFluxErr",
    "flux_unit",
    "n",
    "n_flagged",
    "chi2",
    "flagged",
    "snr",
    "detected",
    "mag",
    "mag_err",
    "limit_flux",
    "limit_mag",
)
"""Columns that are shown if not all are asked for, those of them that there are."""


class Bins(StrEnum):
    """Means instead of single exposures."""

    NIGHT = "night"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Target:
    """Whose light curve: a position's, or an object's in results of runs.

    Parameters
    ----------
    ra, dec : float or None, degree
    object_id : int or None
    results : str
        Table or view of the results, or the folder that a run wrote into.
    """

    ra: float | None
    dec: float | None
    object_id: int | None
    results: str

    def __post_init__(self) -> None:
        position = self.ra is not None and self.dec is not None
        if position == (self.object_id is not None) or (self.ra is None) != (self.dec is None):
            raise ConfigError("give either RA and DEC, or --id")

    def __str__(self) -> str:
        if self.object_id is not None:
            return f"id {self.object_id}"
        return f"ra {self.ra:.6f}, dec {self.dec:+.6f}"

    def curve(
        self, con: "duckdb.DuckDBPyConnection", binning: "Binning | None", thresholds: "Thresholds"
    ) -> "pa.Table":
        """Return the points, measured where it is a position."""
        from forcedsql.database import attach_results, light_curve_at, light_curve_of

        if self.ra is not None and self.dec is not None:
            return light_curve_at(con, self.ra, self.dec, binning=binning, thresholds=thresholds)
        assert self.object_id is not None  # noqa: S101 - by __post_init__
        results = self.results
        if Path(results).is_dir():
            attach_results(con, results, FOLDER_VIEW, temporary=True)
            results = FOLDER_VIEW
        return light_curve_of(con, self.object_id, results=results, binning=binning, thresholds=thresholds)

    def exposures_with_sky(self, con: "duckdb.DuckDBPyConnection") -> list[str]:
        """Return the exposures that are measured with the sky in their images."""
        from forcedsql.database import exposures_with_sky_at

        if self.ra is None or self.dec is None:
            return []
        return exposures_with_sky_at(con, self.ra, self.dec)


def lightcurve(
    database: DatabaseArgument,
    ra: Annotated[float | None, typer.Argument(metavar="RA", help="Right ascension, ICRS degrees.")] = None,
    dec: Annotated[float | None, typer.Argument(metavar="DEC", help="Declination, ICRS degrees.")] = None,
    object_id: Annotated[
        int | None,
        typer.Option("--id", help="Take this object from results of runs, instead of measuring RA DEC."),
    ] = None,
    results: Annotated[
        str, typer.Option(metavar="TABLE|FOLDER", help="Where those results are.")
    ] = "forced_source",
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw it, too: png, pdf or svg.")
    ] = None,
    bins: Annotated[
        Bins | None, typer.Option("--bin", help="Means over nights or weeks, weighted by inverse variance.")
    ] = None,
    boundary: Annotated[
        float,
        typer.Option(
            help="When a night begins, as a fraction of a day of MJD; noon at longitude L (east, degrees) is "
            "0.5 - L / 360."
        ),
    ] = 0.5,
    snt: Annotated[float, typer.Option(help="Signal to noise above which a flux is a detection.")] = 3.0,
    snu: Annotated[float, typer.Option(help="Upper limits are so many times the error.")] = 5.0,
    every_column: Annotated[bool, typer.Option("--all", help="Show every column that is measured.")] = False,
    format_: FormatOption = None,
    output: OutputOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Show the fluxes of one position over time.

    They are measured now, or taken from results of runs where --id is given. A flux below
    --snt times its error comes with an upper limit and no magnitude, a flagged one with
    neither. Rows are in order of time.
    """
    from forcedsql.database import Binning, Thresholds
    from forcedsql.lightcurve import LightCurve

    thresholds = Thresholds(snt=snt, snu=snu)
    binning = None
    if bins is not None:
        binning = Binning.weekly(boundary=boundary) if bins is Bins.WEEK else Binning(boundary=boundary)
    target = Target(ra, dec, object_id, results)
    with (
        open_database(database, configuration(config, settings), read_only=True) as con,
        progress(f"light curve of {target}"),
    ):
        table = target.curve(con, binning, thresholds)
        with_sky = target.exposures_with_sky(con)
    if table.num_rows == 0:
        say(f"{target}: on no exposure")
    if with_sky:
        more = ", ..." if len(with_sky) > SHOWN_NAMES else ""
        say(
            f"forcedsql: warning: the sky is still in the image of {count(len(with_sky), 'exposure')} "
            f"({', '.join(with_sky[:SHOWN_NAMES])}{more}) and in these fluxes; --set "
            "subtract_background=local, or mesh, takes it off"
        )
    shown = table if every_column else table.select([n for n in SHORT if n in table.column_names])
    emit(shown, format_, output)
    if plot is not None:
        from forcedsql.plots import plot_light_curve

        plot_light_curve(plot, LightCurve.from_table(table), title=str(target))
        say(f"light curve plotted in {plot}")
