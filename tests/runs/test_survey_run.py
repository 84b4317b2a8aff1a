"""run: results, what they agree with, and that doing it again does only what is needed."""

import numpy as np
import pyarrow as pa

import forcedsql
from forcedsql.runs import run
from tests.runs.conftest import EXPOSURES, OUTSIDE, content_hash, exposure_path, folder_rows, table_rows


def test_a_table_gets_the_rows_that_measure_gives(survey, con):
    report = run(con, "object", executor="thread", workers=2)
    assert report.is_complete
    assert report.measured == EXPOSURES
    rows = table_rows(con)
    assert len(rows) == report.rows
    exposure_id = survey.ids[3]
    mine = rows.filter(pa.compute.equal(rows["exposure_id"], exposure_id)).sort_by("id")
    exposure = forcedsql.open_exposure(exposure_path(survey.folder, 3))
    expected = forcedsql.measure(exposure, mine.select(["id", "ra", "dec"]), columns="source")
    for name in expected.column_names:
        np.testing.assert_array_equal(mine[name].to_numpy(), expected[name].to_numpy(), err_msg=name)


def test_every_position_is_accounted_for(survey, con, tmp_path):
    report = run(con, "object", out=tmp_path / "out", executor="thread", workers=1)
    rows = folder_rows(tmp_path / "out")
    assert report.requested == survey.positions
    assert report.uncovered == OUTSIDE
    assert report.unplaced == 2
    assert (
        len(rows)
        == report.rows
        == len(set(zip(*rows.select(["exposure_id", "id"]).to_pydict().values(), strict=True)))
    )
    assert len(set(rows["id"].to_pylist())) == survey.positions - OUTSIDE


def test_folder_and_table_threads_and_processes_give_the_same_rows(con, tmp_path):
    run(con, "object", executor="thread", workers=1)
    run(con, "object", out=tmp_path / "out", executor="process", workers=2)
    assert content_hash(folder_rows(tmp_path / "out")) == content_hash(table_rows(con))
