"""What a CSV file cannot say of its columns, in a file beside it."""

import json
from pathlib import Path

import pyarrow as pa

from forcedsql.errors import OutputError
from forcedsql.tables import field_metadata

SUFFIX = "-metadata.json"


def write_description(schema: pa.Schema, path: Path) -> Path:
    """Describe a CSV file's columns in ``<file>-metadata.json`` (W3C CSVW, 2015).

    Parameters
    ----------
    schema : pyarrow.Schema
        Its fields' units and descriptions go to ``schema:unitText`` and ``dc:description``.
    path : Path
        The CSV file.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    document = {
        "@context": "http://www.w3.org/ns/csvw",
        "url": path.name,
        "tableSchema": {"columns": [_column(field) for field in schema]},
    }
    target = path.with_name(path.name + SUFFIX)
    try:
        target.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror}") from error
    return target


def _column(field: pa.Field) -> dict[str, str]:
    said = field_metadata(field)
    column = {"titles": field.name, "datatype": _datatype(field.type)}
    for key, name in (("description", "dc:description"), ("unit", "schema:unitText")):
        if key in said:
            column[name] = said[key]
    return column


def _datatype(type_: pa.DataType) -> str:
    """Return the name of a type in XML Schema, of those that CSVW knows."""
    if pa.types.is_boolean(type_):
        return "boolean"
    if pa.types.is_integer(type_):
        return "integer"
    return "double" if pa.types.is_floating(type_) else "string"
