"""subtract_background in SQL: the same rows as the direct call, however DuckDB cuts its chunks."""

import duckdb
import numpy as np
import pytest
import sep

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, ingest
from forcedsql.measure import measure

from .conftest import make_exposure

POSITIONS = """
    CREATE TABLE p AS
    SELECT i AS id, 53.1 + 0.004 * (random() - 0.5) AS ra, -28.1 + 0.004 * (random() - 0.5) AS "dec"
    FROM range(2500) t(i)
"""


def on_bright_sky():
    exposure = make_exposure()
    exposure.image[:] += 400.0 + np.arange(120.0) * 0.5
    return exposure


@pytest.mark.parametrize("method", ["local", "mesh"])
def test_chunks_and_threads_do_not_matter_and_the_mesh_is_made_once(exposure_file, monkeypatch, method):
    meshes = []
    make = sep.Background
    monkeypatch.setattr(sep, "Background", lambda *a, **k: meshes.append(1) or make(*a, **k))
    config = MeasurementConfig(subtract_background=method, mesh_size=32, radii=(3.0, 12.0))
    with connect(config=config, threads=2) as con:
        ingest(con, exposure_file("sky.fits", on_bright_sky()))
        con.execute("SELECT setseed(0.5)")
        con.execute(POSITIONS)
        got = con.sql("FROM forced_photometry('sky', p)").to_arrow_table()
        assert len(meshes) == (method == "mesh")
        want = measure(on_bright_sky(), con.sql("FROM p").to_arrow_table(), config=config, columns="source")
    for name in want.column_names:
        np.testing.assert_array_equal(got[name].to_numpy(), want[name].to_numpy(), err_msg=name)
    assert abs(np.nanmedian(got["ap12Flux"].to_numpy())) < 2000.0


def test_a_joint_fit_with_a_local_background_is_refused(exposure_file):
    with connect(config=MeasurementConfig(subtract_background="local")) as con:
        ingest(con, exposure_file("sky.fits", on_bright_sky()))
        con.execute(POSITIONS)
        with pytest.raises(duckdb.Error, match="set deblend_background=true"):
            con.sql("FROM forced_photometry_joint('sky', p)").fetchall()
