"""run: positions that move are measured where they are seen, and a changed motion is a changed position."""

import numpy as np
import pyarrow as pa

import forcedsql
from forcedsql.runs import run
from tests.runs.conftest import EXPOSURES, table_rows


def test_a_run_measures_moving_positions_where_measure_does(survey, con):
    con.execute(
        "CREATE TABLE moving AS SELECT *, 40.0 AS pm_ra, -20.0 AS pm_dec, 2000.0 AS ref_epoch FROM object"
    )
    report = run(con, "moving", executor="thread", workers=1)
    assert report.is_complete
    rows = table_rows(con)
    mine = rows.filter(pa.compute.equal(rows["exposure_id"], survey.ids[3])).sort_by("id")
    moving = con.sql("FROM moving").to_arrow_table()
    moving = moving.filter(pa.compute.is_in(moving["objectId"], value_set=mine["id"].combine_chunks()))
    exposure = forcedsql.open_exposure(survey.paths[3])
    expected = forcedsql.measure(exposure, moving, columns="source").sort_by("id")
    for name in ("ra", "dec", "x", "y", "psfFlux"):
        np.testing.assert_array_equal(mine[name].to_numpy(), expected[name].to_numpy(), err_msg=name)
    assert run(con, "moving", executor="thread", workers=1).measured == 0
    con.execute("UPDATE moving SET pm_ra = 41.0 WHERE objectId = ?", [mine["id"][0].as_py()])
    assert 1 <= run(con, "moving", executor="thread", workers=1).measured < EXPOSURES


def test_plain_positions_keep_their_digest(con):
    run(con, "object", executor="thread", workers=1)
    con.execute("CREATE TABLE still AS SELECT *, NULL::DOUBLE AS pm_ra, NULL::DOUBLE AS parallax FROM object")
    con.execute("DROP TABLE object; ALTER TABLE still RENAME TO object")
    assert run(con, "object", executor="thread", workers=1).measured == 0
