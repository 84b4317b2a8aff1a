"""The sql folder: every statement runs, in both forms, and the examples too."""

import re

import pytest

from forcedsql.database import ingest, macros
from forcedsql.database.functions import OPEN_WITH_FORCEDSQL
from forcedsql.resources import sql_dir

PUBLIC = {
    "ab_mag", "ab_mag_err", "njy", "snr", "flux_limit", "sky_separation", "in_cone", "healpix_nested",
    "exposures_at", "forced_photometry", "forced_photometry_joint", "forced_measurement",
    "forced_lightcurve", "light_curve", "light_curve_limits", "binned_light_curve", "nightly_light_curve",
    "weekly_light_curve", "local_noon", "forced_source_dp1", "compare_fluxes", "compare_summary",
}  # fmt: skip


def test_every_sql_file_is_loaded():
    assert {path.name for path in sql_dir().glob("*.sql")} == set(macros.FILES)


def test_every_macro_is_stored_and_described(con):
    stored = {
        name
        for (name,) in con.execute(
            "SELECT DISTINCT function_name FROM duckdb_functions()"
            " WHERE function_type IN ('macro', 'table_macro') AND NOT internal"
        ).fetchall()
    }
    assert stored >= PUBLIC
    text = macros.macro_text()
    for name in re.findall(r"CREATE OR REPLACE MACRO (\w+)", text):
        before = text[: text.index(f"CREATE OR REPLACE MACRO {name}(")].rstrip().splitlines()[-1]
        assert before.startswith("--"), f"{name} has no comment above it"


def test_the_macros_can_be_made_for_one_connection_only(con):
    for statement in macros.statements(con, temporary=True):
        assert "CREATE OR REPLACE TEMP MACRO" in statement
        con.execute(statement)


def test_the_signpost_is_the_same_in_sql_and_python():
    names = set(re.findall(r'"(\w+: open [^"]+)"\(', macros.macro_text()))
    assert names == {
        f"{n}: {OPEN_WITH_FORCEDSQL}"
        for n in (
            "announced_positions",
            "forced_lightcurve",
            "forced_measurement",
            "forced_photometry",
            "forced_photometry_joint",
            "move_position",
        )
    }


def test_the_digest_follows_the_text(con, monkeypatch):
    before = macros.schema_digest()
    assert macros.stored_digest(con, "memory") == before
    monkeypatch.setattr(macros, "macro_text", lambda: "-- another text")
    assert macros.schema_digest() != before


@pytest.mark.parametrize("path", sorted((sql_dir() / "examples").glob("*.sql")), ids=lambda p: p.stem)
def test_the_examples_run(con, exposure_file, path):
    ingest(con, exposure_file("a.fits"))
    con.execute("SET VARIABLE exposure = 'a'")
    con.execute(
        'CREATE TABLE source AS SELECT range AS sourceId, 53.1 + range * 1e-5 AS ra, -28.1 AS "dec",'
        " 5000.0 AS psfFlux, 10.0 AS psfFluxErr FROM range(20)"
    )
    counts = []
    for statement in con.extract_statements(path.read_text(encoding="utf-8")):
        con.execute(statement)
        counts.append(len(con.fetchall()))
    assert all(counts)
