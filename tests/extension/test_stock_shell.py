"""The stock DuckDB shell gives what Python gives, to the bit."""

import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq

from forcedsql.database import connect
from forcedsql.extension.stock_shell import find_shell
from tests.conftest import ROOT
from tests.extension.conftest import COADD, VISIT

README = (ROOT / "README.md").read_text(encoding="utf-8")
README_STATEMENTS = [
    statement.strip()
    for block in re.findall(r"```sql\n(.*?)```", README, re.DOTALL)
    for statement in block.split(";")
    if statement.strip()
]
FURTHER = [
    f"SELECT sourceId, psf_image('{VISIT}', 1700 + sourceId % 100, 1500) AS p FROM source",
    f"SELECT sourceId, cutout('{VISIT}', ra, \"dec\", 5) AS c FROM source",
    "FROM forced_lightcurve(53.22, -28.24)",
    f"""SELECT forced_phot(CASE sourceId % 3 WHEN 0 THEN NULL WHEN 1 THEN '{VISIT}' ELSE '{COADD}' END,
                           CASE WHEN sourceId % 5 > 0 THEN ra END, "dec") AS f FROM source""",
    f"SELECT sourceId FROM source WHERE forced_phot('{VISIT}', ra, \"dec\").psfFlux > 1000",
    f"SELECT pixel_to_sky('{VISIT}', range, 2.0 * range) AS p FROM range(10_000)",
    "SELECT forcedsql_config() AS c FROM range(3)",
    "SELECT forced_phot(NULL, 1.0, 2.0) AS f",
]


def as_copies(statements: list[str], folder: Path) -> list[str]:
    folder.mkdir()
    return [
        statement
        if statement.startswith("CREATE")
        else f"COPY ({statement}) TO '{folder}/{number:02d}.parquet'"
        for number, statement in enumerate(statements)
    ]


def test_every_table_is_equal_to_the_bit_to_pythons(shell, database, tmp_path):
    statements = [*README_STATEMENTS, *FURTHER]
    other = Path(shutil.copy(database, tmp_path / "other.duckdb"))
    with connect(other) as con:
        for statement in as_copies(statements, tmp_path / "python"):
            con.execute(statement)
    done = shell.run(database, *as_copies(statements, tmp_path / "shell"))
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "python").iterdir())
    assert len(names) > 10
    for name in names:
        expected, found = (pq.read_table(tmp_path / side / name) for side in ("python", "shell"))
        assert found.schema.names == expected.schema.names, name
        assert found.schema.types == expected.schema.types, name
        # repr tells every bit of a float, and NaN equals itself.
        assert repr(found.to_pylist()) == repr(expected.to_pylist()), name


def test_an_unknown_exposure_is_one_error_that_says_what_to_do(shell, database):
    done = shell.run(database, "SELECT forced_phot('visit:1:1', 53.2, -28.2)")
    assert done.returncode == 1
    assert f"no exposure 'visit:1:1' is registered in {database}, as it was when this shell" in done.stderr
    assert "(start it again after a change); 'FROM exposure' lists" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_shell_without_the_extension_says_what_to_do(stock_shell, database):
    done = subprocess.run(
        [stock_shell, str(database), "-c", f"FROM forced_photometry('{VISIT}', source)"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "open this database with forcedsql.connect() or 'forcedsql shell'" in done.stderr


def test_an_extension_without_a_descriptor_says_what_to_do(shell, extension, database, tmp_path):
    shell.extension = Path(shutil.copy(extension, tmp_path / extension.name))
    done = shell.run(database, "SELECT 1 AS a")
    assert f"{shell.extension}.descriptor cannot be read; run: forcedsql extension install" in done.stderr


def test_a_database_in_memory_gets_the_macros(shell):
    done = shell.run(":memory:", "SELECT round(ab_mag(1000.0), 3) AS m")
    assert (done.stdout, done.stderr) == ("m\n23.9\n", "")


def test_a_file_that_is_not_ours_is_not_written_to(shell, tmp_path):
    path = tmp_path / "other.duckdb"
    shell.run(path, "CREATE TABLE t (a INTEGER)")
    done = shell.run(path, "SELECT count(*) AS n FROM duckdb_functions() WHERE function_name = 'ab_mag'")
    assert done.stdout == "n\n0\n"


def test_exposures_of_attached_databases_are_known(shell, database, tmp_path):
    shell.run(tmp_path / "other.duckdb", f"ATTACH '{database}' AS survey")
    process = shell.start(
        *(shell.program, "-unsigned", "-csv", tmp_path / "other.duckdb"),
        *("-cmd", f"ATTACH '{database}' AS survey", "-cmd", f"LOAD '{shell.extension}'"),
        *("-c", f"SELECT sky_to_pixel('{VISIT}', 53.2, -28.2).x > 0 AS there"),
    )
    assert process.communicate(timeout=120)[0] == "there\ntrue\n"


def test_nothing_is_imported_from_the_current_folder(shell, database):
    for name in ("json.py", "numpy.py", "forcedsql.py", "sitecustomize.py"):
        (shell.home / name).write_text("raise SystemExit('imported from the current folder')\n")
    done = shell.run(database, f"SELECT sky_to_pixel('{VISIT}', 53.2, -28.2).x > 0 AS there")
    assert (done.returncode, done.stdout) == (0, "there\ntrue\n"), done.stderr


def test_the_program_of_path_comes_first_unless_it_is_a_script(tmp_path, monkeypatch):
    program = tmp_path / "duckdb"
    monkeypatch.setenv("PATH", str(tmp_path))
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    assert find_shell() == program
    program.write_bytes(b"#!/usr/bin/python3")
    assert find_shell() != program
