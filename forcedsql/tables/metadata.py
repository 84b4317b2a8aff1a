"""What an Arrow column says of itself: unit, UCD and description, in its field's metadata."""

from collections.abc import Mapping

import pyarrow as pa

FIELD_KEYS = ("unit", "ucd", "description")
"""Metadata of an Arrow field that has a counterpart in astropy columns."""


def field_metadata(field: pa.Field) -> dict[str, str]:
    """Return what an Arrow field says of itself: those of `FIELD_KEYS` that it has."""
    metadata: Mapping[bytes, bytes] = field.metadata or {}
    return {key: metadata[key.encode()].decode() for key in FIELD_KEYS if key.encode() in metadata}


def annotated(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return a table whose columns have the units, UCDs and descriptions of a schema, by name."""
    known = {field.name: field.metadata for field in schema}
    fields = [field.with_metadata(known.get(field.name, field.metadata)) for field in table.schema]
    return pa.table(table.columns, schema=pa.schema(fields, metadata=table.schema.metadata))
