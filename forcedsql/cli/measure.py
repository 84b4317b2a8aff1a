"""``forcedsql measure``: a table of positions in, a table of measurements out, no database."""

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.cli.narrate import progress, say
from forcedsql.cli.open_options import opens_exposures, say_origins
from forcedsql.cli.options import (
    TABLE_FILES,
    ColumnNames,
    ConfigOption,
    DecColumnOption,
    IdColumnOption,
    InputFormatOption,
    RaColumnOption,
    SetOption,
    UnitOption,
    configuration,
)
from forcedsql.cli.output import count

if TYPE_CHECKING:
    import pyarrow as pa

    from forcedsql.config import MeasurementConfig
    from forcedsql.open_options import OpenOptions


@opens_exposures
def measure(
    exposure: Annotated[
        Path,
        typer.Argument(metavar="EXPOSURE", help="Calibrated exposure: afw, lsst.images or plain FITS."),
    ],
    positions: Annotated[
        Path,
        typer.Argument(metavar="POSITIONS", help=f"Table of ids and ICRS positions: {TABLE_FILES}."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Table to write; its suffix says the format."),
    ],
    columns: Annotated[
        ColumnNames, typer.Option(help="Column names: the LSST driver's, or those of the DP1 Source table.")
    ] = ColumnNames.LSST,
    id_column: IdColumnOption = None,
    ra_column: RaColumnOption = None,
    dec_column: DecColumnOption = None,
    unit: UnitOption = None,
    input_format: InputFormatOption = None,
    config: ConfigOption = None,
    settings: SetOption = None,
    opening: "OpenOptions | None" = None,
) -> None:
    """Measure one exposure at the positions of a table.

    No database is needed. One row comes out per position, in the order of POSITIONS; what
    cannot be measured is flagged.
    """
    options = configuration(config, settings)
    from forcedsql.measure import measure as measure_table
    from forcedsql.readers import open_exposure
    from forcedsql.tables import read_table, table_format, write_table

    table_format(output)
    table = read_table(positions, format_name=input_format)
    with progress(f"reading {exposure.name}"):
        opened = open_exposure(exposure, options=opening)
    say_origins(exposure.name, opened.origins)
    if options.subtract_background != "none":
        say(f"  sky         taken off by subtract_background={options.subtract_background}")
    started = perf_counter()
    with progress(f"measuring {count(table.num_rows, 'position')}"):
        measured = measure_table(
            opened,
            table,
            config=options,
            columns=columns.value,
            id_column=id_column,
            ra_column=ra_column,
            dec_column=dec_column,
            unit=unit,
        )
    seconds = perf_counter() - started
    write_table(measured, output)
    height, width = opened.image.shape
    say(f"{exposure.name}: {width} x {height} pixels, {opened.psf.kind if opened.psf else 'no PSF'}")
    say(f"{count(measured.num_rows, 'position')} measured in {seconds:.2f} s, {summarise(measured, options)}")
    say(f"{count(measured.num_columns, 'column')} written to {output}")


def summarise(measured: "pa.Table", config: "MeasurementConfig") -> str:
    """Say how many rows of a table of measurements carry which of the main flags."""
    import pyarrow.compute as pc

    from forcedsql.schema import lsst_names, source_columns

    names = {c.source: c.source for c in source_columns(config)}
    if "psfFlux_flag" not in measured.column_names:
        names |= {c.source: name for name, c in lsst_names(config)}
    parts = []
    for source, words in (
        ("pixelFlags_offimage", "off the image"),
        ("psfFlux_flag_edge", "with the PSF over the edge"),
        ("psfFlux_flag", "with psfFlux_flag"),
    ):
        if names.get(source) in measured.column_names:
            parts.append(f"{pc.sum(measured[names[source]]).as_py() or 0:,} {words}")
    return ", ".join(parts) or "no flags measured"
