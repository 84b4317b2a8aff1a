r"""Compile the native kernel with the machine's C compiler: ``python build_tools/compile_native.py``.

The same C sources are compiled once per instruction set; the library chooses among them when
it is loaded.  Without a compiler, Python's headers or cffi there is no library, and forcedsql
runs on NumPy.

``CC`` and ``CFLAGS`` are heeded.  A library that stops at the first access out of bounds and at
undefined behaviour, and the tests under it (whose run-time library must be loaded before Python)::

    CFLAGS="-g -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
        python build_tools/compile_native.py
    LD_PRELOAD=$(cc -print-file-name=libasan.so) ASAN_OPTIONS=detect_leaks=0 \
        python -m pytest tests/native tests/measure/kernels
"""

import os
import platform
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "forcedsql" / "native"
SOURCES = PACKAGE / "src"
MODULE = "forcedsql.native._library"
LIBRARY = PACKAGE / "_library.abi3.so"

PER_INSTRUCTION_SET = (
    "psf_sums",
    "sinc_sums",
    "circle_sums",
    "overlap_sums",
    "mask_bits",
    "images",
    "moments",
    "kernel_images",
    "draw_grids",
    "warp",
    "warp_places",
    "unpack_rows",
    "workers",
)
ONCE = ("entry", "threads")
# Pixels on a circle's rim, or on the border of two others, must fall as they do in NumPy, which never
# fuses a multiply with an add.
WITHOUT_FUSED_MULTIPLY_ADD = {"circle_sums", "overlap_sums", "mask_bits", "warp_places"}

X86_64 = platform.machine().lower() in ("x86_64", "amd64")
INSTRUCTION_SETS: dict[str, tuple[str, ...]] = {"baseline": ()}
if X86_64:
    INSTRUCTION_SETS["avx2"] = ("-mavx2", "-mfma")
    INSTRUCTION_SETS["avx512"] = ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma")

FLAGS = (
    "-std=c11",
    "-O3",
    "-fPIC",
    "-fvisibility=hidden",
    "-fno-math-errno",
    "-fno-trapping-math",
    # Rows are short: a loop over one must not become a call of memcpy or memset.
    "-fno-tree-loop-distribute-patterns",
    "-Wall",
)


class CannotCompileError(Exception):
    """The library cannot be compiled on this machine; the text says why in one line."""


def compile_library(target: Path = LIBRARY) -> None:
    """Compile the library into the file `target`.

    Raises
    ------
    CannotCompileError
        If the compiler, Python's headers or cffi are missing, or the compiler fails.
    """
    if os.name != "posix":
        raise CannotCompileError("the native kernel needs POSIX threads")
    with tempfile.TemporaryDirectory(prefix="forcedsql-") as folder:
        build = Path(folder)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda unit: _compile(build, *unit), _units(build)))
        finished = build / target.name
        run(*compiler(), *link_flags(), *map(str, objects), "-lm", "-pthread", "-o", str(finished))
        # A running process may have the old library mapped: replace the file, never overwrite it.
        shutil.copy(finished, target.with_suffix(".new"))
        target.with_suffix(".new").replace(target)


def _units(build: Path) -> list[tuple[Path, str, tuple[str, ...]]]:
    """Return what is compiled: a source, the name of its object and the compiler's options."""
    defined = ("-DFORCEDSQL_X86_64",) if X86_64 else ()
    units: list[tuple[Path, str, tuple[str, ...]]] = [(_write_binding(build), "binding", ())]
    units += [(SOURCES / f"{name}.c", name, defined) for name in ONCE]
    for isa, flags in INSTRUCTION_SETS.items():
        for name in PER_INSTRUCTION_SET:
            contract = "off" if name in WITHOUT_FUSED_MULTIPLY_ADD else "fast"
            options = (*flags, f"-DISA={isa}", f"-ffp-contract={contract}", "-Wno-psabi")
            units.append((SOURCES / f"{name}.c", f"{name}_{isa}", options))
    return units


def _write_binding(build: Path) -> Path:
    """Write the C side of the Python module, made by cffi from the interface."""
    try:
        from cffi import FFI  # noqa: PLC0415 - absent where nothing is compiled
    except ImportError as error:
        raise CannotCompileError(f"cffi is not installed: {error}") from error
    header = (SOURCES / "interface.h").read_text(encoding="utf-8")
    ffi = FFI()
    ffi.cdef("\n".join(line for line in header.splitlines() if not line.startswith("#")))
    ffi.set_source(MODULE, '#include "interface.h"', py_limited_api=True)
    path = build / "binding.c"
    with redirect_stdout(sys.stderr):
        ffi.emit_c_code(str(path))
    return path


def _compile(build: Path, source: Path, name: str, options: tuple[str, ...]) -> Path:
    result = build / f"{name}.o"
    include = (f"-I{SOURCES}", f"-I{sysconfig.get_path('include')}")
    run(*compiler(), *FLAGS, *options, "-pthread", *include, "-c", str(source), "-o", str(result))
    return result


def compiler() -> list[str]:
    """Return the command of the C compiler, with the flags of the environment."""
    command = os.environ.get("CC") or "cc"
    return [*shlex.split(command), *shlex.split(os.environ.get("CFLAGS", ""))]


def link_flags() -> tuple[str, ...]:
    """Return what makes the compiler link a library that another program loads."""
    if sys.platform == "darwin":
        return ("-bundle", "-undefined", "dynamic_lookup")
    return ("-shared",)


def run(*command: str) -> None:
    """Run a compiler.

    Raises
    ------
    CannotCompileError
        If it is not there, or fails.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise CannotCompileError(f"there is no C compiler: {error}") from error
    if done.returncode:
        first = next(iter(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
        raise CannotCompileError(f"{command[0]} failed: {first}")


if __name__ == "__main__":
    try:
        compile_library()
    except CannotCompileError as reason:
        sys.exit(f"compile_native: {reason}")
