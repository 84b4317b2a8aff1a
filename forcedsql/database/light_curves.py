"""Light curves of one position, measured on the spot or taken from the results of runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from forcedsql.database.connection import config_of
from forcedsql.database.messages import one_line
from forcedsql.database.quoting import quote_identifier, quote_literal
from forcedsql.database.registry import registry_tables
from forcedsql.errors import ConfigError, DatabaseError, TableError

RESULT_FILES = "exposure=*/*.parquet"
"""Where in its folder a run leaves the rows of its exposures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What is a detection, and where upper limits are.

    Parameters
    ----------
    snt : float
        Least signal to noise of a detection.
    snu : float
        Upper limits are this many times the error.

    Notes
    -----
    The names and values are those of ZTF's forced photometry service (Masci et al. 2023,
    arXiv:2305.16279).
    """

    snt: float = 3.0
    snu: float = 5.0

    def __post_init__(self) -> None:
        for name, value in (("snt", self.snt), ("snu", self.snu)):
            if not value > 0.0:
                raise ConfigError(f"{name}: {value} is not above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binning:
    """Means over several nights; see ``binned_light_curve`` in ``sql/lightcurve.sql``.

    Parameters
    ----------
    days : int
        Nights in a bin.
    boundary : float
        Time at which a night begins, as a fraction of a day of MJD.
    origin : int, MJD
        Bins begin a multiple of `days` after this.
    """

    days: int = 1
    boundary: float = 0.5
    origin: int = 0

    def __post_init__(self) -> None:
        if self.days < 1:
            raise ConfigError(f"days: {self.days} is not 1 or more")
        if not 0.0 <= self.boundary < 1.0:
            raise ConfigError(f"boundary: {self.boundary} is not a fraction of a day, from 0 to below 1")

    @classmethod
    def weekly(cls, *, boundary: float = 0.5) -> "Binning":
        """Return weeks that begin on Mondays."""
        return cls(days=7, boundary=boundary, origin=-2)  # MJD 0 was a Wednesday


def light_curve_at(
    con: duckdb.DuckDBPyConnection,
    ra: float,
    dec: float,
    *,
    binning: Binning | None = None,
    thresholds: Thresholds | None = None,
) -> pa.Table:
    """Measure a position on every registered exposure that contains it.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `forcedsql.connect` gives it.
    ra, dec : float, degree
        ICRS.
    binning : Binning, optional
        Means over nights instead of exposures.
    thresholds : Thresholds, optional
        3 for detections and 5 for limits where not given.

    Returns
    -------
    pyarrow.Table
        One row per exposure (or bin, band, kind and unit) in order of time: everything that
        is measured, and flagged, snr, detected, mag, mag_err, limit_flux, limit_mag as
        ``light_curve_limits`` in ``sql/lightcurve.sql`` has them.

    Raises
    ------
    TableError
        If the measurement fails; its message says on which exposure.
    """
    call = "forced_lightcurve($ra, $dec)"
    return _light_curve(con, call, {"ra": ra, "dec": dec}, binning, thresholds)


def exposures_with_sky_at(con: duckdb.DuckDBPyConnection, ra: float, dec: float) -> list[str]:
    """Return the exposures at a position whose sky is measured together with the source there.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `forcedsql.connect` gives it; none where its configuration takes the sky off.
    ra, dec : float, degree
        ICRS.

    Returns
    -------
    list of str
        Ids of plain images; in those of other formats the sky is subtracted.
    """
    if config_of(con).subtract_background != "none":
        return []
    rows = con.execute(
        "SELECT exposure_id, coalesce(background, '') FROM exposures_at($ra, $dec) "
        "JOIN exposure_options USING (exposure_id) ORDER BY exposure_id",
        {"ra": ra, "dec": dec},
    ).fetchall()
    if not rows:
        return []
    from forcedsql.readers.plain.parts import SKY_IS_LEFT  # noqa: PLC0415 - loads what reads plain images

    return [exposure_id for exposure_id, background in rows if background.startswith(SKY_IS_LEFT)]


def light_curve_of(
    con: duckdb.DuckDBPyConnection,
    object_id: int,
    *,
    results: str = "forced_source",
    binning: Binning | None = None,
    thresholds: Thresholds | None = None,
) -> pa.Table:
    """Return the light curve of an object from results of runs.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `forcedsql.connect` gives it.
    object_id : int
        Id of the position.
    results : str
        Name of the table or view that holds the results; `attach_results` makes one of files.
    binning, thresholds
        As for `light_curve_at`.

    Returns
    -------
    pyarrow.Table
        As `light_curve_at`; no rows where the results have none of the object.

    Raises
    ------
    TableError
        If there are no results of that name, or they lack a column.
    """
    call = "light_curve($id, results := $results)"
    return _light_curve(con, call, {"id": object_id, "results": results}, binning, thresholds)


def attach_results(
    con: duckdb.DuckDBPyConnection, folder: str | Path, name: str = "results", *, temporary: bool = False
) -> None:
    """Make a view of the files that a run has left in a folder, in place of one of that name.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    folder : str or Path
        With a file per exposure, ``exposure=.../part-0.parquet``; new ones are seen by the view.
    name : str
        Name of the view.
    temporary : bool
        Keep it out of the database file; the only way where that is opened read-only.

    Raises
    ------
    DatabaseError
        If there are no results in the folder, or the view cannot be made.
    """
    if name.lower() in {table.name for table in registry_tables()}:
        raise DatabaseError(f"{name!r} is one of forcedsql's own tables; give the view another name")
    path = Path(folder).resolve()
    if set(str(path)) & set("*?["):
        raise DatabaseError(f"{folder}: DuckDB takes * ? [ in a path for wildcards; rename the folder")
    if next(path.glob(RESULT_FILES), None) is None:
        raise DatabaseError(f"there are no results in {folder}: no file is like {RESULT_FILES}")
    view = f"{'TEMP VIEW' if temporary else 'VIEW'} {quote_identifier(name)}"
    files = quote_literal(f"{path}/{RESULT_FILES}")
    try:
        con.execute(f"CREATE OR REPLACE {view} AS FROM read_parquet({files}, hive_partitioning = false)")
    except duckdb.Error as error:
        raise DatabaseError(f"cannot make the view {name!r}: {one_line(error)}") from error


def _light_curve(
    con: duckdb.DuckDBPyConnection,
    rows: str,
    values: dict[str, Any],
    binning: Binning | None,
    thresholds: Thresholds | None,
) -> pa.Table:
    thresholds = thresholds or Thresholds()
    curve = "__rows"
    binned = ""
    if binning is not None:
        curve = "__binned"
        binned = (
            ", __binned AS (FROM binned_light_curve('__rows', days := $days, boundary := $boundary, "
            "origin := $origin))"
        )
        values |= {"days": binning.days, "boundary": binning.boundary, "origin": binning.origin}
    # Measured once, although the macros name it several times.
    query = (
        f"WITH __rows AS MATERIALIZED (FROM {rows}){binned} "
        f"FROM light_curve_limits('{curve}', snt := $snt, snu := $snu)"
    )
    values |= {"snt": thresholds.snt, "snu": thresholds.snu}
    try:
        return con.sql(query, params=values).to_arrow_table()
    except duckdb.Error as error:
        raise TableError(f"cannot make the light curve: {one_line(error)}") from error
