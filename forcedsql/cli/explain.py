"""``explain``: one position on one exposure, in words and as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.cli.narrate import progress, say
from forcedsql.cli.options import ConfigOption, DatabaseArgument, SetOption, configuration, open_database
from forcedsql.errors import ConfigError

if TYPE_CHECKING:
    import duckdb


def explain(
    database: DatabaseArgument,
    exposure: Annotated[
        str,
        typer.Argument(metavar="EXPOSURE", help="Id of a registered exposure, such as visit:VISIT:DETECTOR."),
    ],
    target: Annotated[
        str, typer.Argument(metavar="ID|RA,DEC", help="Id of a row, or a position in degrees (ICRS).")
    ],
    table: Annotated[
        str | None,
        typer.Option("--positions", metavar="TABLE", help="Table of the id; all are searched if not given."),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option("--plot", metavar="FILE", help="Draw data, model and residual, too: png, pdf or svg."),
    ] = None,
    config: ConfigOption = None,
    settings: SetOption = None,
) -> None:
    """Explain what is measured at one position of an exposure.

    Where it is in pixels, mask planes, PSF and its area, chi2 per pixel, fluxes with
    signal-to-noise, and every raised flag in words. The stamps of --plot show the data, the PSF
    times the flux, and what is left over the noise.
    """
    options = configuration(config, settings)
    from forcedsql.database import open_registered
    from forcedsql.explain import explain as explain_position

    with open_database(database, options, read_only=True) as con:
        ra, dec, source = _position(con, target, table)
        with progress(f"reading {exposure}"):
            explained = explain_position(open_registered(con, exposure), ra, dec, config=options)
    lines = [("exposure", exposure), *([("from table", source)] if source else []), *explained.lines()]
    width = max(len(name) for name, _ in lines)
    for name, text in lines:
        typer.echo(f"{name:<{width}}  {text}")
    if plot is not None:
        from forcedsql.plots import plot_stamps

        plot_stamps(plot, explained, title=f"{exposure}   {target}")
        say(f"stamps: {plot}")


def _position(con: "duckdb.DuckDBPyConnection", target: str, table: str | None) -> tuple[float, float, str]:
    if "," in target:
        ra, _, dec = target.partition(",")
        try:
            return float(ra), float(dec), ""
        except ValueError:
            raise ConfigError(f"{target!r} is neither an id nor a position RA,DEC in degrees") from None
    from forcedsql.database import find_position

    return find_position(con, target, table)
