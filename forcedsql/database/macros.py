"""The SQL macros of the ``sql`` folder, stored in each database file.

A macro that measures calls a Python function by a name that says what to do where the
function is missing (see ``functions.OPEN_WITH_FORCEDSQL``), so the same stored macro serves
connections, their cursors, and as a signpost any plain DuckDB shell.  The measured columns
are those of the function's struct, so the macros do not depend on the configuration.
"""

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from forcedsql.database.quoting import quote_literal
from forcedsql.database.registry import table_statements
from forcedsql.resources import sql_dir

if TYPE_CHECKING:
    import duckdb

FILES = (
    "fluxes.sql",
    "sky.sql",
    "exposures.sql",
    "photometry.sql",
    "lightcurve.sql",
    "joint.sql",
    "compare.sql",
)
"""In the order in which they build on each other."""

_VERSION_MACRO = "forcedsql_schema_digest"


def macro_text() -> str:
    """Return the SQL that makes every macro."""
    return "\n".join((sql_dir() / name).read_text(encoding="utf-8") for name in FILES)


def schema_digest() -> str:
    """Return a hash of the tables and macros of this version."""
    return hashlib.sha256("\n".join((*table_statements(), macro_text())).encode()).hexdigest()[:16]


def stored_digest(con: "duckdb.DuckDBPyConnection", database: str) -> str | None:
    """Return the hash of the tables and macros that a database holds, or None."""
    rows = con.execute(
        "SELECT macro_definition FROM duckdb_functions() WHERE function_name = ? AND database_name = ?",
        [_VERSION_MACRO, database],
    ).fetchall()
    return str(rows[0][0]).strip("'") if rows else None


def statements(con: "duckdb.DuckDBPyConnection", *, temporary: bool) -> Iterator[str]:
    """Yield the statements that make the macros, in the file or for one connection only."""
    kind = "TEMP MACRO" if temporary else "MACRO"
    for statement in con.extract_statements(macro_text()):
        yield statement.query.replace("CREATE OR REPLACE MACRO", f"CREATE OR REPLACE {kind}", 1)
    if not temporary:
        yield f"CREATE OR REPLACE MACRO {_VERSION_MACRO}() AS {quote_literal(schema_digest())}"
