"""sql/ and data/ are found from a checkout, an editable install and a built wheel alike."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
MEGABYTE = 1 << 20

FIND_BOTH = (
    "import site, sys; {prepare}; from forcedsql.resources import data_dir, sql_dir; "
    "print(sql_dir()); print(data_dir()); "
    "assert list(sql_dir().glob('*.sql')) and list(data_dir().rglob('*.parquet'))"
)


def run(*command: str, cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def pip(*arguments: str) -> None:
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, cwd=ROOT)


def found_folders(prepare: str, cwd: Path) -> list[Path]:
    # -S -I would lose the dependencies; -P keeps the checkout out of the path.
    return [
        Path(p) for p in run(sys.executable, "-P", "-c", FIND_BOTH.format(prepare=prepare), cwd=cwd).split()
    ]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT))
    return next(folder.glob("*.whl"))


def test_from_a_checkout(tmp_path):
    prepare = f"sys.path.insert(0, {str(ROOT)!r})"
    assert found_folders(prepare, tmp_path) == [ROOT / "sql", ROOT / "data"]


def test_from_an_editable_install(tmp_path):
    target = tmp_path / "site"
    pip(
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--target",
        str(target),
        "--editable",
        str(ROOT),
    )
    assert found_folders(f"site.addsitedir({str(target)!r})", tmp_path) == [ROOT / "sql", ROOT / "data"]


def test_from_a_wheel(wheel, tmp_path):
    target = tmp_path / "site"
    pip("install", "--quiet", "--no-deps", "--target", str(target), str(wheel))
    folders = found_folders(f"sys.path.insert(0, {str(target)!r})", tmp_path)
    assert all(folder.is_relative_to(target / "forcedsql") for folder in folders)


def test_a_wheel_holds_the_package_and_its_data_only(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        roots = {name.split("/")[0] for name in names}
        size = sum(info.file_size for info in archive.infolist())
    assert {root for root in roots if not root.endswith(".dist-info")} == {"forcedsql"}
    assert sum(name.startswith("forcedsql/profiles/") and name.endswith(".toml") for name in names) == 6
    assert size < 5 * MEGABYTE
