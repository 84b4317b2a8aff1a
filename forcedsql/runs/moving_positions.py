"""Positions that move: each is on the exposures that contain it when they are taken.

A proper motion v (along the sky, radian / yr) and a parallax move the unit vector u to

    u + (t - ref_epoch) v - parallax e(t),

e being the Earth's barycentric position in au (Lindegren et al. 2012, A&A 538, A78, eq. 4): what
`forcedsql.measure.space_motion` does, but for the light's travel time within the solar system.
Footprints do not ask for unit length.  An exposure that does not say when it was taken counts as
taken at the epoch of the catalogue; measuring on it fails, and says so.
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import erfa
import numpy as np
import pyarrow as pa

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.database.footprint import COVERAGE_ORDER, unit_vectors

_MAS = np.deg2rad(1.0 / 3.6e6)
_JULIAN_YEAR, _MJD_2000, _MJD_0 = 365.25, 51544.5, 2400000.5
_FARTHEST_EARTH = 1.02
"""The most that the Earth is away from the barycentre, in au."""

_SURPLUS = 10.0 * _MAS
"""Added to how far a position may go: more than all that is left out."""

_NARROWEST_CELL = 0.4 * np.sqrt(4.0 * np.pi / (12 * 4**COVERAGE_ORDER))
"""Less than the height of any cell (radian): near the poles 0.48 of the root of its area."""

_ARROW_NAME = "forcedsql_moving"

MOVING_PAIRS = """
SELECT exposure_id, position
FROM (
    SELECT
        exposure_id, position, footprint, coalesce(year - ref_epoch, 0) AS years,
        x + years * vx - parallax * earth_x AS at_x,
        y + years * vy - parallax * earth_y AS at_y,
        z + years * vz - parallax * earth_z AS at_z
    FROM (
        SELECT DISTINCT c.exposure_id, p.position
        FROM run_paths p JOIN exposure_coverage c ON c.healpix = p.cell
        UNION
        SELECT e.exposure_id, p.position FROM run_paths p, run_epochs e WHERE p.cell IS NULL
    )
    JOIN run_motions USING (position)
    JOIN run_epochs USING (exposure_id)
    JOIN run_exposures USING (exposure_id)
)
WHERE isfinite(at_x + at_y + at_z) AND inside_edges(footprint, at_x, at_y, at_z)
"""
"""Ids of exposures and numbers of the moving positions on them."""


@dataclass(frozen=True, slots=True, eq=False)
class _Motions:
    """How n positions move.

    Parameters
    ----------
    position : ndarray, (n,) int64
        Their numbers.
    cell : ndarray, (n,) int64
        HEALPix cells of the catalogue's places.
    place : ndarray, (n, 3) float64
        Unit vectors at `ref_epoch`.
    velocity : ndarray, (n, 3) float64, radian / yr
    parallax : ndarray, (n,) float64, radian
    ref_epoch : ndarray, (n,) float64, Julian year
        NaN where it is not known.
    """

    position: IntArray
    cell: IntArray
    place: FloatArray
    velocity: FloatArray
    parallax: FloatArray
    ref_epoch: FloatArray

    def columns(self) -> dict[str, pa.Array]:
        """Return the columns of ``run_motions``."""
        return {
            "position": pa.array(self.position),
            **{axis: pa.array(self.place[:, i]) for i, axis in enumerate("xyz")},
            **{f"v{axis}": pa.array(self.velocity[:, i]) for i, axis in enumerate("xyz")},
            "parallax": pa.array(self.parallax),
            "ref_epoch": pa.array(self.ref_epoch, from_pandas=True),
        }


def find_paths(con: duckdb.DuckDBPyConnection) -> bool:
    """Make the tables that `MOVING_PAIRS` reads, and return whether any position moves.

    ``run_epochs`` has the time of each of ``run_exposures`` and the place of the Earth then,
    ``run_motions`` the motions of those of ``run_positions`` that move, and ``run_paths`` the
    HEALPix cells in which each of them may be when an exposure is taken, NULL for any cell.
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a motion beyond all bounds goes far
        motions = _read_motions(con)
        if not len(motions.position):
            return False
        years = _make_epochs(con)
        _make_table(con, "run_motions", motions.columns())
        _make_table(con, "run_paths", _paths(motions, years))
    return True


def _read_motions(con: duckdb.DuckDBPyConnection) -> _Motions:
    rows = con.sql(
        'SELECT position, cell, ra, "dec", coalesce(pm_ra, 0) AS pm_ra, coalesce(pm_dec, 0) AS pm_dec, '
        "coalesce(parallax, 0) AS parallax, coalesce(ref_epoch, 'nan') AS ref_epoch "
        "FROM run_positions WHERE moves AND cell IS NOT NULL"
    ).to_arrow_table()
    of = {name: column.to_numpy() for name, column in zip(rows.column_names, rows.columns, strict=True)}
    ra, dec = np.deg2rad(of["ra"]), np.deg2rad(of["dec"])
    east = np.column_stack([-np.sin(ra), np.cos(ra), np.zeros_like(ra)])
    north = np.column_stack([-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)])
    return _Motions(
        position=of["position"],
        cell=of["cell"],
        place=unit_vectors(of["ra"], of["dec"]),
        velocity=_MAS * (of["pm_ra"][:, None] * east + of["pm_dec"][:, None] * north),
        parallax=_MAS * of["parallax"],
        ref_epoch=of["ref_epoch"],
    )


def _make_epochs(con: duckdb.DuckDBPyConnection) -> FloatArray:
    """Make the table ``run_epochs``, and return the Julian years in it that are known."""
    exposures = con.sql("SELECT exposure_id, coalesce(mjd, 'nan') AS mjd FROM run_exposures").to_arrow_table()
    mjd = exposures["mjd"].to_numpy()
    known = np.isfinite(mjd)
    year = np.where(known, 2000.0 + (mjd - _MJD_2000) / _JULIAN_YEAR, np.nan)
    earth = np.zeros((len(mjd), 3))
    with warnings.catch_warnings():
        # A time outside 1900 to 2100 is no reason not to plan.  TAI is as good as TDB here.
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        earth[known] = erfa.epv00(_MJD_0, mjd[known])[1]["p"]
    columns = {"exposure_id": exposures["exposure_id"], "year": pa.array(year, from_pandas=True)}
    columns |= {f"earth_{axis}": pa.array(earth[:, i]) for i, axis in enumerate("xyz")}
    _make_table(con, "run_epochs", columns)
    return np.asarray(year[known])


def _paths(motions: _Motions, years: FloatArray) -> dict[str, pa.Array]:
    """Return the columns of ``run_paths``: numbers of positions, and cells that they may be in.

    Those are the cell of the catalogue's place; the cell in the middle of the exposures' times
    and, where the way from there may lead out of it, those around it; or any.
    """
    first, last = (years.min(), years.max()) if len(years) else (np.nan, np.nan)
    speed = np.linalg.norm(motions.velocity, axis=1)
    reach = np.nan_to_num(last - first) / 2.0 * speed + _FARTHEST_EARTH * np.abs(motions.parallax) + _SURPLUS
    goes_far = ~(reach < _NARROWEST_CELL)
    to_middle = np.nan_to_num((first + last) / 2.0 - motions.ref_epoch)[:, None] * motions.velocity
    middle, from_border = _cells_of(motions.place + np.where(goes_far[:, None], 0.0, to_middle))
    around = _neighbours(middle[from_border < reach])
    leaves = np.repeat(motions.position[from_border < reach], around.shape[1])
    moved = motions.cell != middle
    known = np.concatenate([motions.position, motions.position[moved], leaves])
    cells = np.concatenate([middle, motions.cell[moved], around.ravel()])
    anywhere = motions.position[goes_far]
    return {
        "position": pa.array(np.concatenate([known, anywhere])),
        "cell": pa.concat_arrays([pa.array(cells), pa.nulls(len(anywhere), pa.int64())]),
    }


def _cells_of(vectors: FloatArray) -> tuple[IntArray, FloatArray]:
    """Return HEALPix cells, (n,), and how far at least (radian) their borders are, for (n, 3) vectors."""
    from astropy import units as u  # noqa: PLC0415 - loads in 0.3 s, and only where something moves
    from astropy.coordinates import Latitude, Longitude  # noqa: PLC0415
    from cdshealpix import nested  # noqa: PLC0415

    lon = Longitude(np.arctan2(vectors[:, 1], vectors[:, 0]), u.rad)
    lat = Latitude(np.arctan2(vectors[:, 2], np.hypot(vectors[:, 0], vectors[:, 1])), u.rad)
    cells, *offsets = nested.lonlat_to_healpix(lon, lat, COVERAGE_ORDER, return_offsets=True)
    from_border = np.min([np.minimum(offset, 1.0 - offset) for offset in offsets], axis=0)
    return cells.astype(np.int64), from_border * _NARROWEST_CELL


def _neighbours(cells: IntArray) -> IntArray:
    """Return (n, 9) HEALPix cells, those around each with itself; -1 where three meet and not four."""
    from cdshealpix import nested  # noqa: PLC0415 - only where something moves

    around: IntArray = nested.neighbours(cells, COVERAGE_ORDER).reshape(-1, 9)
    return around


def _make_table(con: duckdb.DuckDBPyConnection, name: str, columns: Mapping[str, pa.Array]) -> None:
    con.register(_ARROW_NAME, pa.table(dict(columns)))
    try:
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS FROM {_ARROW_NAME}")
    finally:
        con.unregister(_ARROW_NAME)
