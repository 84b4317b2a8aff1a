"""HATS catalogue folders: Parquet files by HEALPix tile (IVOA Note "HATS", version 1.0)."""

from pathlib import Path

import pyarrow as pa

from forcedsql.errors import TableError
from forcedsql.tables.metadata import field_metadata
from forcedsql.tables.parquet_footer import described_by_footer

PROPERTIES = ("hats.properties", "properties")
COLLECTION = "collection.properties"

_POSITIONS = {"hats_col_ra": "pos.eq.ra;meta.main", "hats_col_dec": "pos.eq.dec;meta.main"}


def is_hats(folder: Path) -> bool:
    """Tell whether a folder says that it is a HATS catalogue, or a collection of them."""
    return any((folder / name).is_file() for name in (*PROPERTIES, COLLECTION))


def read_hats(folder: Path) -> pa.Table:
    """Read a HATS catalogue, of a collection its main one.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    pyarrow.Table
        All rows, tile by tile; the columns that the catalogue names as its positions have the
        UCDs of such.

    Raises
    ------
    TableError
        If it has no tiles, or not the number of rows that it states.
    """
    import pyarrow.dataset as ds  # noqa: PLC0415 - loaded when a HATS catalogue is met
    from pyarrow import parquet  # noqa: PLC0415

    folder, properties = _main_catalogue(folder)
    files = sorted(path for path in (folder / "dataset").glob("Norder=*/**/*.parquet") if path.is_file())
    if not files:
        raise TableError(f"the HATS catalogue {folder} has no tiles dataset/Norder=*/Dir=*/Npix=*.parquet")
    table = ds.dataset([str(path) for path in files], format="parquet", partitioning=None).to_table()
    stated = properties.get("hats_nrows", "")
    if stated.isdigit() and int(stated) != table.num_rows:
        raise TableError(
            f"the HATS catalogue {folder} has {table.num_rows:,} rows and states {int(stated):,}; "
            "some of its files are missing"
        )
    described = described_by_footer(table.schema, parquet.read_metadata(files[0]).metadata or {})
    return table.cast(_with_positions(described, properties))


def _main_catalogue(folder: Path) -> tuple[Path, dict[str, str]]:
    if (folder / COLLECTION).is_file():
        name = _properties(folder / COLLECTION).get("hats_primary_table_url", "")
        main = (folder / name).resolve()
        if not name or not main.is_relative_to(folder.resolve()) or not main.is_dir():
            raise TableError(f"the HATS collection {folder} names no catalogue inside of it: {name!r}")
        folder = main
    for name in PROPERTIES:
        if (folder / name).is_file():
            return folder, _properties(folder / name)
    raise TableError(f"{folder} has no {PROPERTIES[0]} and is no HATS catalogue")


def _properties(path: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in path.read_text(encoding="utf-8").splitlines())
    return {key.strip(): value.strip() for key, equals, value in lines if equals and not key.startswith("#")}


def _with_positions(schema: pa.Schema, properties: dict[str, str]) -> pa.Schema:
    for key, ucd in _POSITIONS.items():
        index = schema.get_field_index(properties.get(key, ""))
        if index >= 0:
            field = schema.field(index)
            schema = schema.set(index, field.with_metadata({"ucd": ucd} | field_metadata(field)))
    return schema
