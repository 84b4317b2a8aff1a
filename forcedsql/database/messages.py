"""What DuckDB says of an error, as one line."""


def one_line(error: Exception) -> str:
    """Return DuckDB's message without the excerpt of the query under it."""
    lines = []
    for line in str(error).splitlines():
        if line.startswith("LINE "):
            break
        if line.strip():
            lines.append(line.strip())
    text = " ".join(lines)
    # What a measuring function raises arrives behind DuckDB's own words and the error's class.
    _, wrapped, reason = text.rpartition("Python exception occurred while executing the UDF: ")
    return reason.split(": ", maxsplit=1)[-1] if wrapped else text
