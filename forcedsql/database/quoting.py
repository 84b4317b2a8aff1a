"""The one place where names and texts become part of a SQL statement.

Values are bound as parameters wherever DuckDB takes them; what is left (names of tables and
columns, the text of a comment) goes through here.
"""


def quote_identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier, its own double quotes doubled."""
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """Return a text as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
