"""What a wheel and a source archive hold, and that each of them works without the checkout."""

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from forcedsql.simulate import SURVEY_FILES

ROOT = Path(__file__).resolve().parent.parent
SUFFIXES = {".py", ".sql", ".toml", ".typed", ".so", ".duckdb_extension"}
"""Of what an installed package needs."""

FIND_SQL = (
    "import site, sys; {prepare}; from forcedsql.resources import data_dir, sql_dir; "
    "assert list(sql_dir().glob('*.sql')); print(sql_dir()); print(data_dir())"
)
COMMAND = "import sys; sys.path.insert(0, {site!r}); from forcedsql.cli.main import run; run()"


def run(*command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done


def pip(*arguments: str) -> None:
    run(
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        *arguments,
        "--quiet",
        "--no-deps",
        cwd=ROOT,
    )


def found_folders(prepare: str, cwd: Path) -> list[Path]:
    # -S -I would lose the dependencies; -P keeps the checkout out of the path.
    done = run(sys.executable, "-P", "-c", FIND_SQL.format(prepare=prepare), cwd=cwd)
    return [Path(p) for p in done.stdout.split()]


@pytest.fixture(scope="module")
def source_archive(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(folder), cwd=ROOT)
    return next(folder.glob("*.tar.gz"))


@pytest.fixture(scope="module")
def wheel(source_archive, tmp_path_factory) -> Path:
    """The wheel that is built from the source archive, which has no more than the archive holds."""
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "--wheel-dir", str(folder), str(source_archive))
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """A folder with nothing but the wheel in it."""
    site = tmp_path_factory.mktemp("site")
    pip("install", "--target", str(site), str(wheel))
    return site


def test_from_a_checkout(tmp_path):
    prepare = f"sys.path.insert(0, {str(ROOT)!r})"
    assert found_folders(prepare, tmp_path) == [ROOT / "sql", ROOT / "data"]


def test_from_an_editable_install(tmp_path):
    site = tmp_path / "site"
    pip("install", "--no-build-isolation", "--target", str(site), "--editable", str(ROOT))
    assert found_folders(f"site.addsitedir({str(site)!r})", tmp_path) == [ROOT / "sql", ROOT / "data"]


def test_from_a_wheel(installed, tmp_path):
    sql, _ = found_folders(f"sys.path.insert(0, {str(installed)!r})", tmp_path)
    assert sql.is_relative_to(installed / "forcedsql")


def test_a_wheel_holds_what_an_installed_package_needs_in_under_two_megabytes(wheel):
    assert wheel.stat().st_size < 2_000_000
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name) for name in archive.namelist() if ".dist-info/" not in name}
    assert {name.parts[0] for name in names} == {"forcedsql"}
    assert {name.suffix for name in names} <= SUFFIXES
    assert len([name for name in names if name.match("forcedsql/profiles/*.toml")]) == 6
    assert Path("forcedsql/py.typed") in names


def test_a_source_archive_holds_what_the_build_and_the_tests_need(source_archive):
    with tarfile.open(source_archive) as archive:
        names = {Path(*Path(name).parts[1:]) for name in archive.getnames()}
    assert {Path("data/survey", name) for name in SURVEY_FILES.values()} <= names
    assert {"build_tools", "data", "docs", "forcedsql", "sql", "tests"} <= {name.parts[0] for name in names}
    assert not [name for name in names if name.suffix in (".so", ".duckdb_extension", ".pyc")]


def test_the_demo_of_a_wheel_simulates_the_survey_once(installed, tmp_path):
    command = [sys.executable, "-P", "-c", COMMAND.format(site=str(installed)), "demo"]
    survey = tmp_path / "forcedsql-demo" / "survey"
    first = run(*command, cwd=tmp_path)
    assert first.stderr.startswith("simulating the sample survey in forcedsql-demo/survey\n")
    assert "forcedsql info forcedsql-demo/survey/deep_coadd_5063_14_i.fits" in first.stderr.split("Next:")[1]
    assert (tmp_path / "forcedsql-demo" / "flux_ratio.png").is_file()
    made = {path.name: path.stat().st_mtime_ns for path in survey.iterdir()}
    assert set(made) == set(SURVEY_FILES.values())
    second = run(*command, cwd=tmp_path)
    assert "simulating" not in second.stderr
    assert second.stdout == first.stdout
    assert {path.name: path.stat().st_mtime_ns for path in survey.iterdir()} == made
