"""The extension's numbers for DuckDB's functions are right for the DuckDB at hand."""

import ctypes
import re
import shutil
import subprocess

import duckdb
import pytest

from tests.conftest import ROOT
from tests.extension.compiling import CannotCompileError, compile_extension, duckdb_platform, make_footer

SOURCES = ROOT / "forcedsql" / "extension" / "src"
PLACES = {
    f"duckdb_{name}": int(place)
    for place, name in re.findall(r"X\((\d+), [^,]+, (\w+), \(", (SOURCES / "api.h").read_text())
}

PROBE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include "api.h"
#define OUT __attribute__((visibility("default")))
enum { COUNT = 400 };
static void *places[COUNT];
OUT bool probe_init_c_api(duck_info info, struct duck_access *access) {
    void *const *found = access->get_api(info, DUCK_API_VERSION);
    if (found) memcpy(places, found, sizeof places);
    return found != NULL;
}
OUT const char *probe_name(int place) {
    Dl_info found;
    bool is_named = places[place] && dladdr(places[place], &found) && found.dli_saddr == places[place];
    return is_named ? found.dli_sname : "";
}
"""


@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    """Tells the name of DuckDB's function at each place of the array that extensions get."""
    if shutil.which("cc") is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("probe")
    (folder / "probe.c").write_text(PROBE)
    library = folder / "probe.so"
    options = ("-shared", "-fPIC", f"-I{SOURCES}", folder / "probe.c", "-o", library, "-ldl")
    subprocess.run(["cc", *map(str, options)], check=True)
    path = folder / "probe.duckdb_extension"
    path.write_bytes(library.read_bytes() + make_footer(duckdb_platform()))
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as con:
        con.execute(f"LOAD '{path}'")
        library = ctypes.CDLL(str(path))
        library.probe_name.restype = ctypes.c_char_p
        yield lambda place: library.probe_name(place).decode()


def test_there_is_a_number_for_every_function_that_the_sources_call():
    called = set()
    for path in SOURCES.glob("*.c"):
        called |= set(re.findall(r"\bduck\.(\w+)\(", path.read_text()))
    assert {f"duckdb_{name}" for name in called} == set(PLACES)


def test_every_number_is_that_of_the_function(probe):
    if probe(0) != "duckdb_open":
        pytest.skip("this DuckDB does not tell the names of its functions")
    assert {name: probe(place) for name, place in PLACES.items()} == {name: name for name in PLACES}


def test_without_a_compiler_the_build_says_so(monkeypatch, tmp_path):
    monkeypatch.setenv("CC", "/no/such/compiler")
    with pytest.raises(CannotCompileError, match="there is no C compiler"):
        compile_extension(tmp_path / "forcedsql.duckdb_extension")
    assert not list(tmp_path.iterdir())


def test_the_footer_has_the_length_that_duckdb_reads():
    assert len(make_footer("linux_amd64")) == 534
