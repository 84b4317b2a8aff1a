"""HATS: a catalogue as a folder of Parquet files, one per HEALPix cell of adaptive size.

IVOA Note "HATS" 1.0 (2025).  Cells hold at most a given number of rows where splitting can
bring that about; LSDB and hats read the folder.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import parquet

import forcedsql
from forcedsql.arrays import IntArray
from forcedsql.errors import OutputError, TableError
from forcedsql.export.selection import HEALPIX_COLUMN, HEALPIX_ORDER, Selection
from forcedsql.file_names import unfinished_name
from forcedsql.tables.formats import translated
from forcedsql.tables.hats import PROPERTIES
from forcedsql.tables.parquet_footer import parquet_footer
from forcedsql.tables.writing import parquet_writer

DEFAULT_PARTITION_ROWS = 1_000_000

HIGHEST_ORDER = 12
"""Cells of this order (51 arcsec) are never split: many epochs of one object lie in one place."""

_CELLS_PER_FOLDER = 10_000


@dataclass(frozen=True, slots=True)
class Partition:
    """One file of a catalogue: a HEALPix cell, nested, and its rows."""

    order: int
    pixel: int
    rows: int

    @property
    def path(self) -> str:
        """Path below the folder ``dataset``."""
        folder = self.pixel // _CELLS_PER_FOLDER * _CELLS_PER_FOLDER
        return f"Norder={self.order}/Dir={folder}/Npix={self.pixel}.parquet"

    @property
    def sky_fraction(self) -> float:
        """Share of the sky that the cell covers."""
        return 1.0 / (12 << 2 * self.order)


def adaptive_partitions(cells: IntArray, rows: IntArray, most_rows: int) -> list[Partition]:
    """Split the sky into cells until none has too many rows.

    Parameters
    ----------
    cells : ndarray, (n,) int64
        Different nested HEALPix cells of order `HIGHEST_ORDER`.
    rows : ndarray, (n,) int64
        Rows in each.
    most_rows : int
        A cell with more is split in four, down to `HIGHEST_ORDER`.

    Returns
    -------
    list of Partition
        In the order of their places on the nested HEALPix curve; none is empty.
    """
    partitions: list[tuple[int, Partition]] = []
    for order in range(HIGHEST_ORDER + 1):
        shift = 2 * (HIGHEST_ORDER - order)
        pixels, inverse = np.unique(cells >> shift, return_inverse=True)
        sums = np.bincount(inverse, weights=rows, minlength=len(pixels)).astype(np.int64)
        whole = (sums <= most_rows) | (order == HIGHEST_ORDER)
        partitions += [
            (pixel << shift, Partition(order, pixel, count))
            for pixel, count in zip(pixels[whole].tolist(), sums[whole].tolist(), strict=True)
        ]
        remaining = ~whole[inverse]
        cells, rows = cells[remaining], rows[remaining]
    return [partition for _, partition in sorted(partitions, key=lambda each: each[0])]


def write_hats(rows: Selection, folder: Path, *, partition_rows: int = DEFAULT_PARTITION_ROWS) -> int:
    """Write a HATS catalogue.

    The folder appears under its name only when it is complete.  Of several that are written
    under one name at the same time, the first to be complete stays.

    Parameters
    ----------
    rows : Selection
        With its HEALPix column.
    folder : Path
        The catalogue's; its name becomes the catalogue's name.
    partition_rows : int
        Rows above which a cell is split in four.

    Returns
    -------
    int
        Number of rows.

    Raises
    ------
    TableError
        If there are no rows, or some without a position, or positions in radians.
    OutputError
        If the folder exists or cannot be written to.
    """
    _require_absent(folder)
    if rows.is_in_radians(rows.ra) or rows.is_in_radians(rows.dec):
        raise TableError(
            f"HATS wants degrees, and {rows.ra}, {rows.dec} are in radians; give a query with "
            f"degrees({rows.ra}) AS ra, degrees({rows.dec}) AS dec"
        )
    partitions = adaptive_partitions(*_histogram(rows), partition_rows)
    if not partitions:
        raise TableError("there are no rows, and a HATS catalogue needs some")
    with translated(f"cannot write {folder}", OutputError), _complete_or_not_at_all(folder) as partial:
        files = _write_partitions(rows, partial / "dataset", partitions)
        _write_dataset_metadata(rows, partial / "dataset", files)
        _write_partition_info(partial, partitions)
        _write_properties(partial, folder.name, rows, partitions, partition_rows)
    return sum(partition.rows for partition in partitions)


def _histogram(rows: Selection) -> tuple[IntArray, IntArray]:
    """Return the cells of the highest order that have rows, and how many."""
    shift = 2 * (HEALPIX_ORDER - HIGHEST_ORDER)
    table = rows.con.sql(
        f"SELECT {HEALPIX_COLUMN} >> {shift} AS cell, count(*) AS rows "  # noqa: S608 - our own names
        f"FROM {rows.relation} GROUP BY cell ORDER BY cell NULLS FIRST"
    ).to_arrow_table()
    if table["cell"].null_count:
        raise TableError(
            f"{table['rows'][0].as_py():,} rows have no position, and HATS has no place for them; "
            f"leave them out: WHERE isfinite({rows.ra}) AND isfinite({rows.dec})"
        )
    return table["cell"].to_numpy(), table["rows"].to_numpy()


def _require_absent(folder: Path) -> None:
    if folder.exists():
        raise OutputError(f"{folder} exists; remove it, or give the catalogue another name")


@contextmanager
def _complete_or_not_at_all(folder: Path) -> Iterator[Path]:
    """Give away another folder beside it to write to; it gets its own name when all is written."""
    partial = unfinished_name(folder)
    try:
        partial.mkdir()
        yield partial
        try:
            partial.replace(folder)
        except OSError:
            _require_absent(folder)  # another export may have been quicker
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_partitions(
    rows: Selection, dataset: Path, partitions: list[Partition]
) -> list[parquet.FileMetaData]:
    """Cut the rows, which come sorted by cell, into files; return the files' footers."""
    lengths = rows.text_lengths()
    footers = []
    with rows.batches() as batches:
        pieces = _pieces(batches, [partition.rows for partition in partitions])
        for partition, piece in zip(partitions, pieces, strict=True):
            path = dataset / partition.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with parquet_writer(path, rows.schema, lengths) as writer:
                for batch in piece:
                    writer.write_batch(batch)
            footer = parquet.read_metadata(path)
            footer.set_file_path(partition.path)
            footers.append(footer)
    return footers


def _pieces(batches: pa.RecordBatchReader, sizes: list[int]) -> Iterator[Iterator[pa.RecordBatch]]:
    """Yield as many rows as each size says, in batches; each piece is to be read before the next."""
    rest: pa.RecordBatch | None = None

    def take(size: int) -> Iterator[pa.RecordBatch]:
        nonlocal rest
        while size:
            batch = batches.read_next_batch() if rest is None else rest
            yield batch.slice(0, size)
            rest = batch.slice(size) if len(batch) > size else None
            size -= min(size, len(batch))

    for size in sizes:
        yield take(size)


def _write_dataset_metadata(rows: Selection, dataset: Path, footers: list[parquet.FileMetaData]) -> None:
    schema = rows.schema.with_metadata(parquet_footer(rows.schema, rows.text_lengths()))
    parquet.write_metadata(schema, dataset / "_common_metadata")
    parquet.write_metadata(schema, dataset / "_metadata", metadata_collector=footers)


def _write_partition_info(folder: Path, partitions: list[Partition]) -> None:
    lines = ["Norder,Npix", *(f"{partition.order},{partition.pixel}" for partition in partitions)]
    (folder / "partition_info.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_properties(
    folder: Path, name: str, rows: Selection, partitions: list[Partition], partition_rows: int
) -> None:
    kilobytes = sum(path.stat().st_size for path in folder.rglob("*.parquet")) // 1024
    properties = {
        "obs_collection": "_".join(name.split()),
        "dataproduct_type": "object",
        "hats_nrows": sum(partition.rows for partition in partitions),
        "hats_col_ra": rows.ra,
        "hats_col_dec": rows.dec,
        "hats_col_healpix": HEALPIX_COLUMN,
        "hats_col_healpix_order": HEALPIX_ORDER,
        "hats_npix_suffix": ".parquet",
        "hats_max_rows": partition_rows,
        "hats_order": max(partition.order for partition in partitions),
        "hats_frame": "equatorial",
        "moc_sky_fraction": f"{sum(partition.sky_fraction for partition in partitions):.6g}",
        "hats_estsize": max(kilobytes, 1),
        "hats_builder": f"forcedsql {forcedsql.__version__}",
        "hats_creation_date": f"{datetime.now(UTC):%Y-%m-%dT%H:%MZ}",
        "hats_version": "v1.0",
    }
    lines = ["#HATS catalog", *(f"{key}={_escaped(str(value))}" for key, value in properties.items())]
    # The Note calls the file properties, newer readers look for hats.properties.
    for file_name in PROPERTIES:
        (folder / file_name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _escaped(value: str) -> str:
    """Return a value as a Java properties file has it."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
