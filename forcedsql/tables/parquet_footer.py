"""What the footer of a Parquet file says of its columns: units, UCDs and descriptions.

Two conventions stand side by side: VOParquet (IVOA Note "Parquet in the VO" 1.0, 2025), a
VOTable document whose table has fields and no data; and the YAML header by which astropy's
own ``format="parquet"`` finds units.
"""
# ruff: noqa: PLC0415 - astropy is loaded when a footer has to be read

import io
import json
from collections.abc import Iterable, Mapping
from typing import Any
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.compute as pc

from forcedsql.tables.metadata import field_metadata

VERSION_KEY = "IVOA.VOTable-Parquet.version"
CONTENT_KEY = "IVOA.VOTable-Parquet.content"
ASTROPY_KEY = "table_meta_yaml"
_LENGTH_PREFIX = "table::len::"

_VERSION = "1.0"
_NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"

_DATATYPES = {
    pa.bool_(): "boolean",
    pa.uint8(): "unsignedByte",
    pa.int8(): "short",
    pa.int16(): "short",
    pa.uint16(): "int",
    pa.int32(): "int",
    pa.uint32(): "long",
    pa.int64(): "long",
    pa.float32(): "float",
    pa.float64(): "double",
}
"""VOTable's name of each type; unsigned ones that it lacks go into the next wider."""


def parquet_footer(schema: pa.Schema, text_lengths: Mapping[str, int]) -> dict[str, str]:
    """Return the key-value metadata that describe the columns of a Parquet file.

    Parameters
    ----------
    schema : pyarrow.Schema
        ``unit``, ``ucd`` and ``description`` in the metadata of its fields are passed on.
    text_lengths : mapping of str to int
        Characters in the longest text of each column of text; see `text_lengths_of`.
    """
    return {
        VERSION_KEY: _VERSION,
        CONTENT_KEY: _votable(schema, text_lengths),
        ASTROPY_KEY: _astropy_header(schema),
        **{f"{_LENGTH_PREFIX}{name}": str(length) for name, length in text_lengths.items()},
    }


def described_by_footer(schema: pa.Schema, footer: Mapping[bytes, bytes]) -> pa.Schema:
    """Return the schema of a file with what its footer says taken over to the fields.

    Parameters
    ----------
    schema : pyarrow.Schema
        If any field has units, UCDs or descriptions, they stay as they are.
    footer : mapping of bytes to bytes
        Key-value metadata of the file, by whichever program.
    """
    described: Mapping[str, Mapping[str, str]] = {}
    if not any(map(field_metadata, schema)):
        described = _by_votable(footer) or _by_astropy(footer)
    fields = [
        field.with_metadata(described[field.name]) if described.get(field.name) else field for field in schema
    ]
    ours = (VERSION_KEY, CONTENT_KEY, ASTROPY_KEY, _LENGTH_PREFIX)
    kept = {k: v for k, v in (schema.metadata or {}).items() if not k.decode().startswith(ours)}
    return pa.schema(fields, metadata=kept or None)


def _by_votable(footer: Mapping[bytes, bytes]) -> dict[str, dict[str, str]]:
    if CONTENT_KEY.encode() not in footer:
        return {}
    from astropy.io import votable

    document = votable.parse(io.BytesIO(footer[CONTENT_KEY.encode()]), verify="ignore")
    return {
        field.name: _said(unit=field.unit, ucd=field.ucd, description=field.description)
        for field in document.get_first_table().fields
    }


def _by_astropy(footer: Mapping[bytes, bytes]) -> dict[str, dict[str, str]]:
    if ASTROPY_KEY.encode() not in footer:
        return {}
    from astropy.table.meta import get_header_from_yaml

    header = get_header_from_yaml(footer[ASTROPY_KEY.encode()].decode().splitlines())
    return {
        column["name"]: _said(
            unit=column.get("unit"),
            ucd=(column.get("meta") or {}).get("ucd"),
            description=column.get("description"),
        )
        for column in header["datatype"]
    }


def _said(**attributes: Any) -> dict[str, str]:
    # Writers break long descriptions into lines.
    return {key: " ".join(str(value).split()) for key, value in attributes.items() if value}


def text_lengths_of(columns: Iterable[tuple[pa.Field, pa.ChunkedArray | pa.Array]]) -> dict[str, int]:
    """Return the characters of the longest text in each column of text, at least 1."""
    return {
        field.name: max(pc.max(pc.utf8_length(column)).as_py() or 0, 1)
        for field, column in columns
        if is_text(field.type)
    }


def is_text(type_: pa.DataType) -> bool:
    """Tell whether a type is text."""
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_))


def _astropy_header(schema: pa.Schema) -> str:
    """Return astropy's YAML header, as JSON, which is YAML too and quicker to write."""
    columns = []
    for field in schema:
        metadata = field_metadata(field)
        column: dict[str, Any] = {"name": field.name, "datatype": str(field.type)}
        column |= {key: metadata[key] for key in ("unit", "description") if key in metadata}
        if "ucd" in metadata:
            column["meta"] = {"ucd": metadata["ucd"]}
        columns.append(column)
    return json.dumps({"datatype": columns})


def _votable(schema: pa.Schema, text_lengths: Mapping[str, int]) -> str:
    # Not by astropy.io.votable, which breaks long descriptions into lines.
    document = ElementTree.Element("VOTABLE", version="1.4", xmlns=_NAMESPACE)
    table = ElementTree.SubElement(ElementTree.SubElement(document, "RESOURCE"), "TABLE")
    for column in schema:
        metadata = field_metadata(column)
        datatype, arraysize = _votable_type(column.type, text_lengths.get(column.name))
        attributes = {"name": column.name, "datatype": datatype, "arraysize": arraysize}
        attributes |= {key: metadata.get(key, "") for key in ("unit", "ucd")}
        field = ElementTree.SubElement(table, "FIELD", {k: v for k, v in attributes.items() if v})
        if "description" in metadata:
            ElementTree.SubElement(field, "DESCRIPTION").text = metadata["description"]
    return ElementTree.tostring(document, encoding="unicode")


def _votable_type(type_: pa.DataType, length: int | None) -> tuple[str, str]:
    """Return VOTable's datatype and arraysize; what it cannot hold is called text, as the Note says."""
    if type_ in _DATATYPES:
        return _DATATYPES[type_], ""
    if is_text(type_):
        return "unicodeChar", "*" if length is None else f"{length}*"
    if pa.types.is_list(type_) and type_.value_type in _DATATYPES:
        return _DATATYPES[type_.value_type], "*"
    if pa.types.is_fixed_size_list(type_) and type_.value_type in _DATATYPES:
        return _DATATYPES[type_.value_type], str(type_.list_size)
    return "char", "*"
