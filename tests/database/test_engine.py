"""SQLAlchemy engines whose connections measure."""

from sqlalchemy import func, insert, select, text

from forcedsql.config import MeasurementConfig
from forcedsql.database import connect, engine, ingest
from forcedsql.database.registry import exposure, measurement_run

RUN = {
    "run_id": "r1",
    "started": 1.0,
    "status": "done",
    "version": "0",
    "config": "{}",
    "config_digest": "0",
}


def test_connections_have_functions_and_macros(tmp_path, exposure_file):
    path = tmp_path / "survey.duckdb"
    with connect(path) as con:
        ingest(con, exposure_file("a.fits"))
        want = con.execute("SELECT (forced_phot('a', 53.1, -28.1)).psfFlux").fetchall()
    db = engine(path)
    with db.connect() as con:
        assert con.execute(text("SELECT (forced_phot('a', 53.1, -28.1)).psfFlux")).fetchall() == want
        assert con.scalar(select(func.ab_mag(1.0))) == 31.4
    db.dispose()


def test_declared_tables_work(tmp_path, exposure_file):
    path = tmp_path / "survey.duckdb"
    with connect(path) as con:
        ingest(con, exposure_file("a.fits"))
    db = engine(path)
    with db.begin() as con:
        assert con.scalars(select(exposure.c.exposure_id)).all() == ["a"]
        con.execute(insert(measurement_run), RUN)
    with db.connect() as con:
        assert con.scalar(select(measurement_run.c.status)) == "done"
    db.dispose()
    with connect(path) as con:
        assert con.execute("SELECT run_id FROM measurement_run").fetchall() == [("r1",)]


def test_a_database_in_memory_is_shared_by_its_connections():
    db = engine(config=MeasurementConfig(radii=(3.0,)))
    with db.begin() as con:
        con.execute(insert(measurement_run), RUN)
    with db.connect() as con:
        assert con.scalar(select(measurement_run.c.run_id)) == "r1"
        assert "3.0]" in con.scalar(text("SELECT forcedsql_config()"))
    db.dispose()


def test_a_transaction_is_rolled_back(tmp_path):
    db = engine(tmp_path / "survey.duckdb")
    with db.connect() as con:
        con.execute(insert(measurement_run), RUN)
        con.rollback()
    with db.connect() as con:
        assert con.scalar(select(func.count()).select_from(measurement_run)) == 0
    db.dispose()
