"""The plan of a run: which positions fall on which exposures, by coverage and footprint.

The HEALPix coverage of the registry finds candidates by a hash join; the half spaces of the
footprints decide.  Positions that move count where they are seen at the time of each exposure
(`forcedsql.runs.moving_positions`).  Nothing is kept but numbers and hashes per exposure: the
positions of an exposure are fetched when its turn comes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import numpy as np
import pyarrow as pa

from forcedsql.config import MeasurementConfig
from forcedsql.database.messages import one_line
from forcedsql.errors import ConfigError, DatabaseError
from forcedsql.exposure_file import RegisteredExposure
from forcedsql.measure.positions import MOTION_NAMES
from forcedsql.runs.moving_positions import MOVING_PAIRS, find_paths
from forcedsql.runs.requested_positions import RequestedPositions, is_query
from forcedsql.runs.stored_result import Fingerprint

PORTION_EXPOSURES, PORTION_ROWS = 32, 200_000
"""Exposures, and rows, whose positions are fetched by one query."""

_MOTION = ", ".join(MOTION_NAMES)
_POSITION = f'p.position, p.id, p.ra, p."dec" AS "dec", {_MOTION}, p.digest'

_STILL_PAIRS = f"""
SELECT e.exposure_id, {_POSITION}
FROM run_positions p
JOIN exposure_coverage c ON c.healpix = p.cell
JOIN run_exposures e ON e.exposure_id = c.exposure_id
WHERE inside_edges(e.footprint, p.x, p.y, p.z)
"""  # noqa: S608 - names of ours

_ALL_PAIRS = f"""
{_STILL_PAIRS} AND NOT p.moves
UNION ALL
SELECT m.exposure_id, {_POSITION} FROM ({MOVING_PAIRS}) m JOIN run_positions p USING (position)
"""  # noqa: S608 - names of ours

_COUNTS = """
CREATE OR REPLACE TEMP TABLE run_counts AS
SELECT
    exposure_id,
    count(*) AS positions,
    sum(digest) AS digest,
    count(DISTINCT position) AS covered,
    grouping(exposure_id) = 1 AS is_total
FROM run_pairs GROUP BY GROUPING SETS ((exposure_id), ())
"""

_PLANNED = """
SELECT
    e.exposure_id, e.access_url, e.file_size, e.file_mtime_ns, e.sha256, o.options, o.side_files,
    e.psf_kind IS NOT NULL, e.footprint IS NOT NULL, n.positions, n.digest
FROM run_exposures e LEFT JOIN run_counts n USING (exposure_id)
LEFT JOIN exposure_options o USING (exposure_id)
ORDER BY e.exposure_id
"""


@dataclass(frozen=True, slots=True)
class PlannedExposure:
    """An exposure with the positions on it.

    Parameters
    ----------
    exposure : RegisteredExposure
    positions : int
        How many there are.
    fingerprint : Fingerprint
    has_psf : bool
    """

    exposure: RegisteredExposure
    positions: int
    fingerprint: Fingerprint
    has_psf: bool

    @property
    def exposure_id(self) -> str:
        """Id of the exposure."""
        return self.exposure.exposure_id


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run is to measure.

    Parameters
    ----------
    requested : RequestedPositions
    planned : tuple of PlannedExposure
        Exposures with positions on them, by id.
    uncovered : int
        Positions that are on no exposure, those without usable coordinates among them.
    empty : tuple of str
        Exposures that no position is on.
    without_sky : tuple of str
        Exposures without a sky projection, on which nothing can be placed.
    config_digest : str
        Of the configuration that it is for.
    """

    requested: RequestedPositions
    planned: tuple[PlannedExposure, ...]
    uncovered: int
    empty: tuple[str, ...]
    without_sky: tuple[str, ...]
    config_digest: str


def make_plan(
    con: duckdb.DuckDBPyConnection,
    requested: RequestedPositions,
    config: MeasurementConfig,
    *,
    exposures: str | None = None,
) -> Plan:
    """Plan a run over the positions of the table ``run_positions``.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
    requested : RequestedPositions
    config : MeasurementConfig
        Says whether positions move, and is part of the fingerprints.
    exposures : str, optional
        A query that returns ``exposure_id``, or a condition on the table ``exposure``; all
        exposures where not given.

    Raises
    ------
    DatabaseError
        If no exposure is registered.
    ConfigError
        If `exposures` is not usable, or selects none.
    """
    _select_exposures(con, exposures)
    some_move = config.space_motion == "auto" and find_paths(con)
    con.execute(f"CREATE OR REPLACE TEMP VIEW run_pairs AS {_ALL_PAIRS if some_move else _STILL_PAIRS}")
    con.execute(_COUNTS)
    planned, empty, without_sky = [], [], []
    config_digest = config.digest()
    for *file, has_psf, has_sky, positions, digest in con.execute(_PLANNED).fetchall():
        exposure = RegisteredExposure(*file)
        if not has_sky:
            without_sky.append(exposure.exposure_id)
        elif positions is None:
            empty.append(exposure.exposure_id)
        else:
            made_from = Fingerprint(config_digest, exposure.digest, f"{positions}:{int(digest):x}")
            planned.append(PlannedExposure(exposure, int(positions), made_from, bool(has_psf)))
    ((covered,),) = con.execute("SELECT covered FROM run_counts WHERE is_total").fetchall()
    return Plan(
        requested=requested,
        planned=tuple(planned),
        uncovered=requested.count - covered,
        empty=tuple(empty),
        without_sky=tuple(without_sky),
        config_digest=config_digest,
    )


def in_portions(planned: Sequence[PlannedExposure]) -> Iterator[tuple[PlannedExposure, ...]]:
    """Yield planned exposures in order, as many at a time as one query serves well."""
    portion: list[PlannedExposure] = []
    for each in planned:
        if portion and sum(one.positions for one in portion) + each.positions > PORTION_ROWS:
            yield tuple(portion)
            portion = []
        portion.append(each)
        if len(portion) == PORTION_EXPOSURES:
            yield tuple(portion)
            portion = []
    if portion:
        yield tuple(portion)


def positions_on(con: duckdb.DuckDBPyConnection, planned: Sequence[PlannedExposure]) -> dict[str, pa.Table]:
    """Return the positions on planned exposures, each in order of id, ra and dec.

    Returns
    -------
    dict of str to pyarrow.Table
        By exposure id: id (int64), ra and dec (float64, degree, ICRS), and the columns of
        `MOTION_NAMES`.
    """
    query = (
        f'SELECT id, ra, "dec", {_MOTION} FROM run_pairs WHERE exposure_id = ANY(?) '  # noqa: S608 - names of ours
        'ORDER BY exposure_id, id, ra, "dec"'
    )
    in_order = sorted(planned, key=lambda each: each.exposure_id)
    rows = con.sql(query, params=[[each.exposure_id for each in in_order]]).to_arrow_table()
    found, first = {}, 0
    for each in in_order:
        # A copy: what is pickled of a slice is the whole table that it is of.
        found[each.exposure_id] = rows.take(np.arange(first, first + each.positions))
        first += each.positions
    return found


def _select_exposures(con: duckdb.DuckDBPyConnection, exposures: str | None) -> None:
    """Make the table ``run_exposures``, a row per exposure that the run may measure."""
    selection = ""
    if exposures is not None:
        asked = exposures.strip().rstrip(";")
        query = asked if is_query(asked) else f"SELECT exposure_id FROM exposure WHERE {asked}"  # noqa: S608 - the user's own condition on the user's own database
        selection = f"SEMI JOIN (\n{query}\n) s USING (exposure_id)"
    try:
        con.execute(f"CREATE OR REPLACE TEMP TABLE run_exposures AS FROM exposure {selection}")
    except duckdb.Error as error:
        raise ConfigError(
            f"exposures: {one_line(error)}; give a query that returns exposure_id, or a "
            "condition on the columns of the table exposure, such as band = 'i'"
        ) from error
    ((selected, registered),) = con.execute(
        "SELECT (SELECT count(*) FROM run_exposures), (SELECT count(*) FROM exposure)"
    ).fetchall()
    if not registered:
        raise DatabaseError("no exposure is registered; register some with: forcedsql ingest DB FILES...")
    if not selected:
        raise ConfigError(f"exposures: none of the {registered} registered exposures is in {exposures!r}")
