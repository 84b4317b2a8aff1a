"""``forcedsql demo``: the main job from files to plot, by the SQL that it shows."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from forcedsql.cli.narrate import progress, say
from forcedsql.cli.options import open_database
from forcedsql.cli.output import print_table
from forcedsql.cli.query import run_statements
from forcedsql.errors import ReadError, TableError
from forcedsql.file_names import make_folder

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from forcedsql.plots import RatioPanel

CATALOGUES = {"deep_coadd": "object", "visit_image": "source"}
"""Which table an exposure is compared with, by its kind, as DP1 tutorial 105.3 does."""


@dataclass(frozen=True, slots=True)
class Target:
    """One exposure to measure, and the catalogue that has its sources."""

    exposure_id: str
    catalogue: str
    reference_flux: str
    where: str = ""

    @property
    def table(self) -> str:
        """Name of the table that gets the measurements: letters, digits and underscores."""
        return "forced_" + re.sub(r"[^A-Za-z0-9]+", "_", self.exposure_id)

    @property
    def measure_sql(self) -> str:
        """The statement that measures."""
        id_ = _literal(self.exposure_id)
        if not self.where:
            return (
                f"CREATE OR REPLACE TABLE {self.table} AS\nFROM forced_photometry({id_}, {self.catalogue});"
            )
        return (
            f"CREATE OR REPLACE TABLE {self.table} AS\n"
            f"WITH positions AS (FROM {self.catalogue} WHERE {self.where})\n"
            f"FROM forced_photometry({id_}, positions);"
        )

    @property
    def compare_sql(self) -> str:
        """The query that compares with the catalogue."""
        flux = _literal(self.reference_flux)
        renamed = "" if self.reference_flux == "psfFlux" else f", reference_flux := {flux}"
        return f"FROM compare_summary({self.table}, {self.catalogue}, 'psfFlux'{renamed});"


def demo(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="DIR",
            help="Folder of your own files: exposures (*.fits) and tables called object.* and source.*; "
            "the sample survey if not given, which is simulated unless forcedsql runs from a checkout.",
        ),
    ] = None,
    out: Annotated[Path, typer.Option("--out", help="Folder for the database, tables and plot.")] = Path(
        "forcedsql-demo"
    ),
) -> None:
    """Ingest, measure by SQL, compare with catalogues, and plot.

    The SQL that it runs is shown on stderr; the tables are on stdout.
    """
    from forcedsql.plots import plot_flux_ratios

    exposures, catalogues = find_files(_sample_survey(out) if directory is None else directory)
    make_folder(out)
    database = out / "survey.duckdb"
    with open_database(str(database), must_exist=False) as con:
        _load(con, exposures, catalogues)
        panels = [_measure_and_compare(con, target, out) for target in find_targets(con)]
    plot = out / "flux_ratio.png"
    plot_flux_ratios(plot, panels)
    say(f"\nPlot: {plot}\nMeasurements: {', '.join(str(p) for p in sorted(out.glob('forced_*.parquet')))}")
    say(_what_next(database, exposures[0], next(iter(catalogues.values()))))


def find_files(folder: Path) -> tuple[list[Path], dict[str, Path]]:
    """Return the exposures of a folder, and its catalogues by table name.

    Hidden files are passed over, such as those that a killed process left half written.

    Raises
    ------
    ReadError
        If there is no exposure.
    TableError
        If there is neither an object nor a source table.
    """
    from forcedsql.tables import FORMATS

    if not folder.is_dir():
        raise ReadError(f"{folder} is not a folder")
    suffixes = {suffix for format_ in FORMATS for suffix in format_.suffixes}
    names = set(CATALOGUES.values())
    files = sorted(p for p in folder.iterdir() if not p.name.startswith("."))
    catalogues = {p.stem.lower(): p for p in files if p.stem.lower() in names and p.suffix in suffixes}
    exposures = [
        p for p in files if re.search(r"\.fits?(\.gz|\.fz)?$", p.name) and p not in catalogues.values()
    ]
    if not exposures:
        raise ReadError(f"there is no exposure (*.fits) in {folder}")
    if not catalogues:
        raise TableError(f"there is no table called object.* or source.* in {folder}")
    return exposures, catalogues


def find_targets(con: "duckdb.DuckDBPyConnection") -> list[Target]:
    """Return the registered exposures with the loaded catalogue that fits each best.

    Raises
    ------
    TableError
        If no catalogue has PSF fluxes in an exposure's band.
    """
    targets = []
    rows = con.execute(
        "SELECT exposure_id, kind, band, visit, detector FROM exposure ORDER BY kind"
    ).fetchall()
    for exposure_id, kind, band, visit, detector in rows:
        wanted = CATALOGUES.get(kind, "object")
        order = sorted(set(CATALOGUES.values()), key=lambda name: name != wanted)
        found = [(name, flux) for name in order if (flux := _reference_flux(con, name, band))]
        if not found:
            raise TableError(f"no table has psfFlux or {band}_psfFlux to compare {exposure_id} with")
        catalogue, flux = found[0]
        own = {"visit", "detector"} <= _columns(con, catalogue) and None not in (visit, detector)
        where = f"visit = {visit} AND detector = {detector}" if own else ""
        targets.append(Target(exposure_id, catalogue, flux, where))
    return targets


def _sample_survey(out: Path) -> Path:
    from forcedsql.simulate import sample_survey

    with progress("simulating"):
        return sample_survey(out / "survey", say=say)


def _load(con: "duckdb.DuckDBPyConnection", exposures: list[Path], catalogues: dict[str, Path]) -> None:
    from forcedsql.database import iter_ingest, load_catalog

    done = []
    with progress("reading exposures", len(exposures)) as step:
        for file in iter_ingest(con, exposures):
            step()
            done.append(file)
            say(f"{file.status}: {file.error or f'{file.exposure_id}  ({file.path.name})'}")
    if all(file.status == "failed" for file in done):
        raise ReadError("no exposure could be read")
    for name, path in catalogues.items():
        say(f"table {name}: {load_catalog(con, name, path):,} rows  ({path.name})")


def _measure_and_compare(con: "duckdb.DuckDBPyConnection", target: Target, out: Path) -> "RatioPanel":
    from forcedsql.compare import FluxComparison
    from forcedsql.plots import RatioPanel

    say(f"\n--- {target.exposure_id} at the positions of table {target.catalogue}")
    _run(con, target.measure_sql)
    print_table(
        _run(
            con,
            "SELECT id, ra, dec, psfFlux, psfFluxErr, ap12Flux\n"
            f"FROM {target.table} WHERE NOT psfFlux_flag ORDER BY psfFlux DESC LIMIT 5;",
        )
    )
    print_table(_run(con, target.compare_sql))
    _save(con, target, out)
    comparison = FluxComparison.from_sql(
        con, target.table, target.catalogue, reference_flux=target.reference_flux
    )
    return RatioPanel(
        comparison=comparison, title=target.exposure_id, reference=target.catalogue.capitalize()
    )


def _save(con: "duckdb.DuckDBPyConnection", target: Target, out: Path) -> None:
    """Write what was measured, with the units that DuckDB does not hand on."""
    from forcedsql.config import MeasurementConfig
    from forcedsql.schema import source_schema
    from forcedsql.tables import annotated, write_table

    query = "SELECT flux_unit FROM exposure WHERE exposure_id = ?"
    ((flux_unit,),) = con.execute(query, [target.exposure_id]).fetchall()
    measured = con.table(target.table).to_arrow_table()
    schema = source_schema(MeasurementConfig(), flux_unit)
    write_table(annotated(measured, schema), out / f"{target.table}.parquet")


def _run(con: "duckdb.DuckDBPyConnection", sql: str) -> "pa.Table":
    say(f"\n{sql}")
    with progress("measuring"):
        outcomes = list(run_statements(con, sql))
    return outcomes[-1].rows


def _reference_flux(con: "duckdb.DuckDBPyConnection", table: str, band: str | None) -> str | None:
    columns = _columns(con, table)
    return next((name for name in ("psfFlux", f"{band}_psfFlux") if name in columns), None)


def _columns(con: "duckdb.DuckDBPyConnection", table: str) -> set[str]:
    rows = con.execute("SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [table]).fetchall()
    return {row[0] for row in rows}


def _literal(text: str) -> str:
    from forcedsql.database import quote_literal

    return quote_literal(text)


def _short(path: Path) -> str:
    """Return a path as it is best typed: from here, where it is below, in quotes where it needs them."""
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))


def _what_next(database: Path, exposure: Path, catalogue: Path) -> str:
    registered = "SELECT exposure_id, kind, band, psf_kind FROM exposure"
    commands = {
        f"forcedsql shell {database}": "SQL at a prompt; .help helps",
        f"forcedsql sql {database} '{registered}'": "what is registered",
        "forcedsql columns": "what is measured, with units",
        f"forcedsql info {_short(exposure)}": "what a file holds",
        f"forcedsql measure {_short(exposure)} {_short(catalogue)} -o forced.parquet": "without a database",
    }
    return "\nNext:\n" + "\n".join(f"  {command}\n      {what}" for command, what in commands.items())
