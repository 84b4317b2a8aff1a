"""The one place where names and texts become part of a SQL statement.

Values are bound as parameters wherever DuckDB takes them; what is left (names of tables and
columns, the text of a comment) goes through here.
"""

from forcedsql.errors import DatabaseError


def quote_identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier, its own double quotes doubled.

    Raises
    ------
    DatabaseError
        If it has characters that SQL cannot be written with.
    """
    return '"' + _encodable(name).replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return a text as a SQL string literal; DatabaseError as `quote_identifier`."""
    return "'" + _encodable(text).replace("'", "''") + "'"


def _encodable(text: str) -> str:
    # DuckDB gives up on half a surrogate pair without saying which text it was in.
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as fault:
        raise DatabaseError(f"{text[:100]!r} is no text in Unicode: {fault.reason}") from fault
    return text
