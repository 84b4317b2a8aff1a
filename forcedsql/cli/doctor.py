"""``forcedsql doctor``: is this installation whole, and does it measure right."""

import platform
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from forcedsql.cli.exits import ExitCode
from forcedsql.cli.narrate import progress, say
from forcedsql.cli.options import open_database
from forcedsql.cli.output import count
from forcedsql.errors import ForcedSQLError

LIBRARIES = (
    "duckdb",
    "duckdb-cli",
    "numpy",
    "pyarrow",
    "astropy",
    "scipy",
    "starlink-pyast",
    "cdshealpix",
    "sqlalchemy",
    "duckdb-engine",
    "matplotlib",
    "typer",
    "rich",
    "prompt-toolkit",
)

SELF_TEST_TOLERANCE = ("median_ratio=1e-4", "scatter=1e-3", "faintest=22")
"""Sources of the sample survey are measured on their own image: the same fluxes must come out."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must work: what, whether it does, and what was found."""

    name: str
    passed: bool
    found: str


def doctor(
    database: Annotated[
        str | None,
        typer.Argument(metavar="DB", help="Also compare the stated noise of its exposures with their sky."),
    ] = None,
) -> None:
    """Report versions, and test that this installation measures.

    Simulated sources are measured and compared with their catalogue. With a database, the variance
    of each exposure is compared with the scatter of its sky, and a difference of more than 20 %
    in the noise is warned about. Exit code 1 if a check fails; a warning is no failure.
    """
    import forcedsql

    typer.echo(f"forcedsql       {forcedsql.__version__}")
    typer.echo(f"python          {platform.python_version()} on {platform.platform()}")
    for name in LIBRARIES:
        typer.echo(f"{name:<15} {_version(name)}")
    failed = 0
    with progress("testing"):
        for check in run_checks():
            failed += not check.passed
            typer.echo(f"{'OK  ' if check.passed else 'FAIL'}  {check.name}: {check.found}")
    failed += 0 if database is None else check_exposures(database)
    if failed:
        say(f"forcedsql: {failed} of the checks failed")
        raise typer.Exit(ExitCode.FAILED)


def run_checks() -> Iterator[Check]:
    """Run the checks one after the other; a failure does not stop the next."""
    with TemporaryDirectory(prefix="forcedsql-") as folder:
        for name, check in _checks(Path(folder)).items():
            try:
                yield Check(name, passed=True, found=check())
            except (ForcedSQLError, ImportError, OSError) as error:
                yield Check(name, passed=False, found=" ".join(str(error).split()))


def check_exposures(database: str) -> int:
    """Report on the noise of every exposure of a database; return how many cannot be read."""
    from forcedsql.database import iter_noise
    from forcedsql.sky_noise import BELIEVABLE

    unreadable = doubtful = checked = 0
    with open_database(database) as con, progress("looking at the noise of exposures") as step:
        for found in iter_noise(con):
            step()
            checked += 1
            verdict, words = "OK  ", f"the noise of the sky is {found.ratio:.3f} times the stated one"
            if found.error:
                verdict, words = "FAIL", found.error
                unreadable += 1
            elif not abs(found.ratio - 1.0) <= BELIEVABLE:
                verdict = "WARN"
                doubtful += 1
            typer.echo(f"{verdict}  {found.exposure_id}: {words}")
    if doubtful:
        say(
            f"the variance of {doubtful} of {count(checked, 'exposure')} does not agree with the sky's own "
            "noise: was the error image taken for another kind? (forcedsql ingest --error-kind)"
        )
    return unreadable


def visit_and_sources(scratch: Path) -> tuple[Path, Path]:
    """Return the visit image of the sample survey and its source table.

    Parameters
    ----------
    scratch : Path
        A folder for the survey where it has to be simulated.

    Raises
    ------
    OutputError
        If the survey cannot be written.
    """
    from forcedsql.simulate import SURVEY_FILES, sample_survey

    folder = sample_survey(scratch / "survey")
    return folder / SURVEY_FILES["visit"], folder / SURVEY_FILES["source"]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _kernel() -> str:
    from forcedsql.measure.kernels import default_kernel

    return default_kernel().name


def _sql_files() -> str:
    from forcedsql.resources import sql_dir

    folder = sql_dir()
    number = len(list(folder.glob("*.sql")))
    if not number:
        raise ForcedSQLError(f"there is no .sql file in {folder}; install forcedsql again")
    return f"{number} files in {folder}"


def _sample_survey(scratch: Path) -> str:
    folder = visit_and_sources(scratch)[0].parent
    return "simulated for these tests" if folder.is_relative_to(scratch) else str(folder)


def _measure_directly(scratch: Path) -> str:
    import numpy as np

    from forcedsql.compare import FluxComparison
    from forcedsql.measure import measure
    from forcedsql.readers import open_exposure
    from forcedsql.tables import read_table

    image, sources = visit_and_sources(scratch)
    table = read_table(sources)
    measured = measure(open_exposure(image), table, columns="source")
    comparison = FluxComparison.from_arrays(
        *(np.asarray(t["psfFlux"].to_numpy(), dtype=float) for t in (measured, table))
    )
    return _judged(comparison.summary(), len(comparison))


def _measure_by_sql(scratch: Path) -> str:
    from forcedsql.compare import compare_summary
    from forcedsql.database import connect, ingest, load_catalog, quote_literal

    image, sources = visit_and_sources(scratch)
    with connect() as con:
        (file,) = ingest(con, image)
        if file.status == "failed":
            raise ForcedSQLError(file.error)
        rows = load_catalog(con, "source", sources)
        exposure_id = quote_literal(file.exposure_id)
        con.execute(f"CREATE TABLE measured AS FROM forced_photometry({exposure_id}, source)")
        return _judged(compare_summary(con, "measured", "source"), rows)


def _judged(summary: object, rows: int) -> str:
    from forcedsql.gate import Tolerance

    Tolerance.from_settings(SELF_TEST_TOLERANCE).check(summary)
    return f"{rows} sources measured, fluxes as in the catalogue"


def _measure_in_shell(scratch: Path) -> str:
    from forcedsql.extension.files import packaged_extension
    from forcedsql.extension.stock_shell import find_shell

    try:
        packaged_extension()
    except ForcedSQLError as reason:
        return f"not here: {reason}"
    shell = find_shell()
    if shell is None:
        return "not here: there is no DuckDB shell; pip install duckdb-cli"
    image, _ = visit_and_sources(scratch)
    pixel = _pixel_in_shell(shell, scratch, image)
    return f"{shell} gives the position of a pixel, {pixel}"


def _pixel_in_shell(shell: Path, folder: Path, image: Path) -> str:
    from forcedsql.config import MeasurementConfig
    from forcedsql.database import connect, ingest, quote_literal
    from forcedsql.extension.files import NAME, install_extension

    with connect(folder / "doctor.duckdb") as con:
        (file,) = ingest(con, image)
        query = f"SELECT pixel_to_sky({quote_literal(file.exposure_id)}, 1700, 1500)::VARCHAR AS sky"
        ((expected,),) = con.sql(query).fetchall()
    extension = install_extension(MeasurementConfig(), folder / NAME)
    load = f"LOAD {quote_literal(str(extension))}"
    command = (shell, "-unsigned", "-readonly", "-noheader", "-list", folder / "doctor.duckdb")
    done = subprocess.run(  # noqa: S603 - a program of this installation
        [*map(str, command), "-c", load, "-c", query],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.stdout.strip() != expected:
        raise ForcedSQLError(f"{shell}: {done.stdout}{done.stderr}, and not {expected}")
    return str(expected)


def _checks(scratch: Path) -> dict[str, Callable[[], str]]:
    """Return the checks by their names; what they write, they write into the folder `scratch`."""
    return {
        "kernel": _kernel,
        "SQL files": _sql_files,
        "sample survey": partial(_sample_survey, scratch),
        "measurement": partial(_measure_directly, scratch),
        "measurement by SQL": partial(_measure_by_sql, scratch),
        "DuckDB shell": partial(_measure_in_shell, scratch),
    }
