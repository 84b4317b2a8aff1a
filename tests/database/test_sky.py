"""Sky macros against astropy and cdshealpix."""

import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.coordinates import Latitude, Longitude, angular_separation
from cdshealpix import nested


def positions(n: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    ra = rng.uniform(0, 360, n)
    dec = np.rad2deg(np.arcsin(rng.uniform(-1, 1, n)))
    dec[:200] = rng.choice([-1, 1], 200) * rng.uniform(89.9, 90, 200)
    ra[200:300] = rng.uniform(-1e-6, 1e-6, 100)
    return ra, dec


def test_separation_is_astropys_from_nothing_to_antipodes(con):
    ra1, dec1 = positions()
    ra2, dec2 = np.roll(ra1, 1), np.roll(dec1, 1)
    ra2[:50], dec2[:50] = ra1[:50] + 1e-7, dec1[:50]
    ra2[50:100], dec2[50:100] = ra1[50:100] + 180.0, -dec1[50:100] + 1e-7
    pairs = pa.table({"a": ra1, "b": dec1, "c": ra2, "d": dec2})  # noqa: F841 - DuckDB finds it
    got = con.sql("SELECT sky_separation(a, b, c, d) AS s FROM pairs").to_arrow_table()["s"].to_numpy()
    want = np.rad2deg(angular_separation(*np.deg2rad([ra1, dec1, ra2, dec2])))
    # 1e-12 deg is 4e-9 arcsec, the rounding of the coordinates themselves.
    np.testing.assert_allclose(got, want, atol=1e-12)


@pytest.mark.parametrize(
    ("position", "inside"),
    [("359.99, 0", True), ("0.01, 0.01", True), ("0, 0.11", False), ("180, 0", False), ("NULL, 0", None)],
)
def test_a_cone_reaches_over_right_ascension_0(con, position, inside):
    assert con.execute(f"SELECT in_cone({position}, 0, 0, 0.1)").fetchall() == [(inside,)]


def test_a_cone_holds_the_pole(con):
    assert con.execute("SELECT in_cone(200, 89.95, 20, 89.95, 0.11)").fetchall() == [(True,)]
    assert con.execute("SELECT in_cone(200, 89.95, 20, 89.95, 0.09)").fetchall() == [(False,)]


def test_integers_and_decimals_are_angles_too(con):
    assert con.execute("SELECT sky_separation(10, 90::TINYINT, 20.5, 80.0::DECIMAL(5, 2))").fetchall()[0][
        0
    ] == pytest.approx(10.0)


@pytest.mark.parametrize("order", [0, 1, 9, 20, 29])
def test_healpix_cells_are_cdshealpixs(con, order):
    ra, dec = positions()
    points = pa.table({"ra": ra, "dec": dec})  # noqa: F841 - DuckDB finds it
    got = (
        con.sql(f'SELECT healpix_nested({order}, ra, "dec") AS h FROM points')  # noqa: S608
        .to_arrow_table()["h"]
        .to_numpy()
    )
    want = nested.lonlat_to_healpix(Longitude(ra, u.deg), Latitude(dec, u.deg), order).astype(np.int64)
    # At order 29 cells are 0.4 mas across: positions within rounding of an edge may fall either side.
    assert (got != want).mean() <= (0.001 if order == 29 else 0.0)


def test_poles_and_right_ascensions_out_of_range_have_cells(con):
    ((north, south, wrapped, same),) = con.execute(
        "SELECT healpix_nested(0, 1, 90), healpix_nested(0, 1, -90), healpix_nested(9, -350, 5),"
        " healpix_nested(9, 10, 5)"
    ).fetchall()
    assert (north, south) == (0, 8)
    assert wrapped == same


@pytest.mark.parametrize(
    "position", ["NULL, 1", "1, NULL", "'nan'::DOUBLE, 1", "1, 'nan'::DOUBLE", "'inf'::DOUBLE, 1", "1, 91"]
)
def test_what_is_no_position_has_no_cell(con, position):
    assert con.execute(f"SELECT healpix_nested(9, {position})").fetchall() == [(None,)]
