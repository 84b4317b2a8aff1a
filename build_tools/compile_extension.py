"""Compile the DuckDB extension with the machine's C compiler: ``python build_tools/compile_extension.py``.

It needs neither DuckDB nor Python to be compiled: DuckDB hands over its functions when it
loads the extension.  What makes a shared library an extension is the footer.
"""

import platform
import sys
import tempfile
from pathlib import Path

from compile_native import CannotCompileError, compiler, link_flags, run

PACKAGE = Path(__file__).resolve().parent.parent / "forcedsql" / "extension"
SOURCES = PACKAGE / "src"
EXTENSION = PACKAGE / "forcedsql.duckdb_extension"
VERSION = "0.1.0"

API_VERSION = "v1.2.0"
ABI = "C_STRUCT"

FLAGS = ("-std=c11", "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Wextra")

_SYSTEMS = {"linux": "linux", "darwin": "osx"}
_MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def compile_extension(target: Path = EXTENSION, options: tuple[str, ...] = ()) -> None:
    """Compile the extension into the file `target`.

    Parameters
    ----------
    target : Path
    options : tuple of str
        Further ones for the compiler, such as sanitizers.

    Raises
    ------
    CannotCompileError
        If there is no compiler, it fails, or DuckDB has no name for this platform.
    """
    footer = make_footer(duckdb_platform())
    with tempfile.TemporaryDirectory(prefix="forcedsql-") as folder:
        library = Path(folder) / "extension.so"
        sources = map(str, sorted(SOURCES.glob("*.c")))
        system = ("-ldl",) if sys.platform == "linux" else ()
        run(*compiler(), *FLAGS, *options, *link_flags(), "-pthread", *sources, *system, "-o", str(library))
        # A running process may have the old one mapped: replace the file, never overwrite it.
        finished = target.with_suffix(".new")
        finished.write_bytes(library.read_bytes() + footer)
        finished.replace(target)


def duckdb_platform() -> str:
    """Return DuckDB's name for this machine.

    Raises
    ------
    CannotCompileError
        If it has none that the extension is written for.
    """
    system, machine = _SYSTEMS.get(sys.platform), _MACHINES.get(platform.machine().lower())
    if system is None or machine is None:
        raise CannotCompileError(f"the extension is not written for {sys.platform} on {platform.machine()}")
    return f"{system}_{machine}"


def make_footer(name: str) -> bytes:
    """Return the 534 bytes that DuckDB looks for at the end of an extension.

    They are a WebAssembly section called ``duckdb_signature`` of eight fields of 32 bytes, in
    reverse order, and 256 bytes for a signature.
    """
    fields = ("", "", "", ABI, VERSION, API_VERSION, name, "4")
    section = b"\0\x93\x04\x10duckdb_signature\x80\x04"
    return section + b"".join(field.encode().ljust(32, b"\0") for field in fields) + bytes(256)


if __name__ == "__main__":
    try:
        compile_extension()
    except CannotCompileError as reason:
        sys.exit(f"compile_extension: {reason}")
