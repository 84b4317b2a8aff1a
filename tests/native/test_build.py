"""With a compiler the wheel carries the native kernel; without one it is pure, and works."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.native.instruction_sets import loaded

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = "forcedsql/native/_library.abi3.so"


def build(folder: Path, **environment: str) -> zipfile.ZipFile:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def tag(wheel: zipfile.ZipFile) -> str:
    metadata = next(name for name in wheel.namelist() if name.endswith("/WHEEL"))
    lines = wheel.read(metadata).decode().splitlines()
    return next(line.removeprefix("Tag: ") for line in lines if line.startswith("Tag: "))


def test_without_a_compiler_the_wheel_is_pure_and_measures_with_numpy(tmp_path):
    with build(tmp_path, CC="/bin/false") as wheel:
        assert tag(wheel) == "py3-none-any"
        assert LIBRARY not in wheel.namelist()
        wheel.extractall(tmp_path / "site")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'site')!r}); "
        "from forcedsql.measure.kernels import default_kernel; "
        "print(sys.modules['forcedsql'].__file__, default_kernel().name)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "FORCEDSQL_KERNEL"}
    done = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    file, kernel = done.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    assert kernel == "numpy"


def test_with_a_compiler_the_wheel_carries_the_library_and_says_for_which_machine(tmp_path):
    if loaded() is None:
        pytest.skip("forcedsql was installed without its native kernel: no compiler, or no cffi")
    with build(tmp_path) as wheel:
        assert LIBRARY in wheel.namelist()
        python, abi, machine = tag(wheel).split("-")
        assert (python[:3], abi) == ("cp3", "abi3")
        assert machine != "any"
        assert not any(name.startswith("build_tools") for name in wheel.namelist())
