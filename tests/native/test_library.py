"""Which kernel runs is chosen by what is installed and by FORCEDSQL_KERNEL, and arrays are checked."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from forcedsql.errors import ConfigError
from forcedsql.measure.kernels import NativeKernel, NumpyKernel, default_kernel
from forcedsql.native import Library, native_library
from forcedsql.native import library as library_module
from tests.native.instruction_sets import loaded

ROOT = Path(__file__).resolve().parents[2]


def test_numpy_can_be_asked_for(monkeypatch):
    monkeypatch.setenv("FORCEDSQL_KERNEL", "numpy")
    assert native_library() is None
    assert default_kernel().name == "numpy"


@pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")
def test_the_native_kernel_is_the_default_and_names_itself(monkeypatch, threads):
    monkeypatch.delenv("FORCEDSQL_KERNEL", raising=False)
    threads(2)
    kernel = default_kernel()
    assert isinstance(kernel, NativeKernel)
    assert kernel.name == f"native ({kernel.library.instruction_set}, 2 threads)"
    threads(1)
    assert kernel.name.endswith("1 thread)")


def test_an_unknown_kernel_is_refused(monkeypatch):
    monkeypatch.setenv("FORCEDSQL_KERNEL", "fortran")
    with pytest.raises(ConfigError, match="FORCEDSQL_KERNEL=fortran is not one of numpy, native"):
        default_kernel()


@pytest.fixture
def without_library(monkeypatch):
    def refuse(name):
        raise ImportError(f"no module\nnamed {name}")

    library_module._load.cache_clear()
    monkeypatch.setattr(library_module, "import_module", refuse)
    yield
    library_module._load.cache_clear()


def test_without_a_library_numpy_runs(monkeypatch, without_library):
    monkeypatch.delenv("FORCEDSQL_KERNEL", raising=False)
    assert isinstance(default_kernel(), NumpyKernel)


def test_a_library_that_is_asked_for_must_be_there(monkeypatch, without_library):
    monkeypatch.setenv("FORCEDSQL_KERNEL", "native")
    with pytest.raises(ConfigError, match="there is no native kernel: no module named forcedsql"):
        default_kernel()


@pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")
def test_a_library_of_another_interface_is_not_used(monkeypatch):
    monkeypatch.setattr(library_module, "INTERFACE", -1)
    library_module._load.cache_clear()
    monkeypatch.delenv("FORCEDSQL_KERNEL", raising=False)
    assert native_library() is None
    library_module._load.cache_clear()


def test_arrays_of_a_wrong_shape_or_type_do_not_reach_c(library):
    with pytest.raises(ValueError, match=r"shape \(3,\) was passed where \(4,\)"):
        library.given(np.zeros(3), "double", 4)
    with pytest.raises(ValueError, match="float32 was passed where C writes double"):
        library.filled(np.zeros(3, np.float32), "double", 3)
    with pytest.raises(ValueError, match="contiguous"):
        library.filled(np.zeros(6)[::2], "double", 3)


def test_a_function_that_finds_no_memory_is_named():
    class FullMachine:
        def forcedsql_psf_sums(self, *_):
            return 1

    with pytest.raises(MemoryError, match="psf_sums: no memory left"):
        Library(None, FullMachine()).call("psf_sums", 3)


def test_an_unknown_instruction_set_is_refused(library):
    assert library.lib.forcedsql_use_instruction_set(b"mmx") == -1


@pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")
def test_a_process_that_forks_can_measure_in_the_child():
    script = (
        "import os, numpy as np\n"
        "from tests.measure.kernels.test_native_kernel import everything, make_planes\n"
        "planes = make_planes(1)\n"
        "before = everything(planes, 400)\n"
        "child = os.fork()\n"
        "same = all(map(np.array_equal, before, everything(planes, 400)))\n"
        "os._exit(0 if same else 1) if child == 0 else None\n"
        "raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    environment = os.environ | {"FORCEDSQL_KERNEL": "native", "FORCEDSQL_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment, timeout=60, check=False)
    assert done.returncode == 0
