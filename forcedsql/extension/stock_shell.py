"""The stock DuckDB shell with the extension loaded."""

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from forcedsql.config import MeasurementConfig
from forcedsql.database.quoting import quote_literal
from forcedsql.extension.descriptor import make_descriptor
from forcedsql.extension.files import packaged_extension

DESCRIPTOR_VARIABLE = "FORCEDSQL_DESCRIPTOR_FILE"
"""Number of an open file, in the environment of the shell; see ``src/extension.c``."""


def find_shell() -> Path | None:
    """Return the program of the DuckDB shell: that of PATH, or of PyPI's ``duckdb-cli``."""
    found = shutil.which("duckdb")
    if found and not _is_script(Path(found)):
        return Path(found)
    package = find_spec("duckdb_cli")
    for folder in (package.submodule_search_locations or ()) if package else ():
        program = Path(folder) / "duckdb"
        if program.exists():
            return program
    return None


def _is_script(path: Path) -> bool:
    # duckdb-cli's own command is a script, which keeps the shell from files that we have open.
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def replace_by_shell(
    shell: Path,
    database: str,
    config: MeasurementConfig,
    *,
    read_only: bool = False,
    first: Sequence[str] = (),
    arguments: Sequence[str] = (),
) -> None:
    """Become the DuckDB shell; this process has then no more to say.

    Parameters
    ----------
    shell : Path
    database : str
        A file, or ``:memory:``.
    config : MeasurementConfig
        Decides the columns that are measured.
    read_only : bool
    first : sequence of str
        Statements to run first.
    arguments : sequence of str
        Further ones for the shell, as if they were typed after its name.

    Raises
    ------
    ForcedSQLError
        If the extension was not compiled.
    """
    load = f"LOAD {quote_literal(str(packaged_extension()))}"
    options = ["-unsigned", *(["-readonly"] if read_only else [])]
    if not sys.stdin.isatty():
        options.append("-bail")
    commands = [part for statement in (load, *first) for part in ("-cmd", statement)]
    # A file without a name: the shell can read it, and nothing is left when it ends.
    with tempfile.TemporaryFile() as file:
        file.write(make_descriptor(config).encode())
        file.flush()
        os.set_inheritable(file.fileno(), True)
        environment = os.environ | {DESCRIPTOR_VARIABLE: str(file.fileno())}
        sys.stdout.flush()
        os.execve(shell, [str(shell), *options, database, *commands, *arguments], environment)  # noqa: S606
