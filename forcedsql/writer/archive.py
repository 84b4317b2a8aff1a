"""The archive of an afw file: objects as rows of shared tables, and their index.

Layout from afw ``src/table/io/OutputArchive.cc`` and ``ArchiveIndexSchema.cc``: every
object has an id; the index says which rows of which table are its own; objects of equal
schema share a table.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from forcedsql.errors import ForcedSQLError
from forcedsql.writer.hdus import CardTuple, Field, Hdu, Row, Schema, table_hdu

TABLE_VERSION: CardTuple = ("AFW_TABLE_VERSION", 3, "")

_INDEX_SCHEMA = Schema(
    (
        Field("id", "int", "Archive ID of the object that owns the rows this entry points to"),
        Field("cat.archive", "int", "number of the table, counted over the archive"),
        Field("cat.persistable", "int", "number of the table, counted over the object"),
        Field("row0", "int", "first row of the object in that table"),
        Field("nrows", "int", "number of rows of the object in that table"),
        Field("name", "string", "unique name for the object's class", size=64),
        Field("module", "string", "Python module that registers the class", size=64),
    )
)


@dataclass(frozen=True, slots=True)
class Record:
    """An object as the archive stores it.

    Parameters
    ----------
    class_name, module : str
        Its afw class, and the Python module that LSST imports to read it.
    schema : Schema
    rows : sequence of mappings
        All its rows, in order.
    """

    class_name: str
    module: str
    schema: Schema
    rows: Sequence[Row]


@dataclass(slots=True)
class _Table:
    schema: Schema
    rows: list[Row] = field(default_factory=list)
    class_names: list[str] = field(default_factory=list)


Encoder = Callable[[Any, "ArchiveWriter"], Record]
"""Turns an object into its record; it puts the object's own parts into the archive first."""


class ArchiveWriter:
    """Collects objects and gives them archive ids.

    Parameters
    ----------
    encoders : mapping of type to callable
        Turns an object of exactly that class into its record.
    """

    def __init__(self, encoders: Mapping[type, Encoder]) -> None:
        self._encoders = encoders
        self._ids: dict[int, int] = {}
        self._kept: list[object] = []
        self._tables: list[_Table] = []
        self._index: list[Row] = []

    def put(self, part: object) -> int:
        """Store an object once and return its id; None is id 0.

        Raises
        ------
        ForcedSQLError
            If there is no encoder for the object's class.
        """
        if part is None:
            return 0
        if id(part) in self._ids:
            return self._ids[id(part)]
        encode = self._encoders.get(type(part))
        if encode is None:
            name = getattr(part, "kind", type(part).__name__)
            raise ForcedSQLError(f"cannot write a {name}: no afw class is known to hold it")
        archive_id = len(self._ids) + 1
        self._ids[id(part)] = archive_id
        self._kept.append(part)  # an id() is only unique while its object lives
        self._append(archive_id, encode(part, self))
        return archive_id

    def hdus(self) -> list[Hdu]:
        """Return the index HDU and, in the order of their numbers, the table HDUs."""
        cards: list[CardTuple] = [
            ("EXTTYPE", "ARCHIVE_INDEX", ""),
            ("EXTNAME", "ARCHIVE_INDEX", ""),
            ("AR_CATN", 0, "number of this catalog in the archive"),
            ("AR_NCAT", len(self._tables) + 1, "number of catalogs, with this index"),
            TABLE_VERSION,
        ]
        hdus = [table_hdu(_INDEX_SCHEMA, self._index, cards)]
        uses: dict[str, int] = {}
        for number, table in enumerate(self._tables, start=1):
            name = table.class_names[-1]
            uses[name] = uses.get(name, 0) + 1
            hdus.append(table_hdu(table.schema, table.rows, _table_cards(table, number, uses[name])))
        return hdus

    def _append(self, archive_id: int, record: Record) -> None:
        number, table = self._table_for(record.schema)
        if record.class_name not in table.class_names:
            table.class_names.append(record.class_name)
        self._index.append(
            {
                "id": archive_id,
                "cat.archive": number,
                "cat.persistable": 0,
                "row0": len(table.rows),
                "nrows": len(record.rows),
                "name": record.class_name,
                "module": record.module,
            }
        )
        table.rows += record.rows

    def _table_for(self, schema: Schema) -> tuple[int, _Table]:
        for number, table in enumerate(self._tables, start=1):
            if table.schema == schema:
                return number, table
        self._tables.append(_Table(schema))
        return len(self._tables), self._tables[-1]


def _table_cards(table: _Table, number: int, version: int) -> list[CardTuple]:
    cards: list[CardTuple] = [
        ("EXTTYPE", "ARCHIVE_DATA", ""),
        ("AR_CATN", number, "number of this catalog in the archive"),
    ]
    if version > 1:
        cards.append(("EXTVER", version, ""))
    cards += [("AR_NAME", name, "Class name for objects stored here") for name in table.class_names]
    return [*cards, ("EXTNAME", table.class_names[-1], ""), TABLE_VERSION]
