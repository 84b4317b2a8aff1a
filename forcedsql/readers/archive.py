"""The object archive inside an afw FITS file: its index, its shared tables, its objects.

An index table says which rows of which tables make up each object; objects refer to one
another by id (afw ``src/table/io/InputArchive.cc``, ``ArchiveIndexSchema.cc``).
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from forcedsql.errors import ConfigError, ReadError, UnsupportedError
from forcedsql.readers import limits
from forcedsql.readers.cards import Cards, text_card
from forcedsql.readers.fits_file import FitsFile
from forcedsql.readers.rows import Rows


class UnknownClassError(UnsupportedError):
    """An archive object is of a class for which there is no decoder.

    Parameters
    ----------
    class_name : str
    """

    def __init__(self, class_name: str) -> None:
        super().__init__(f"archive objects of class {class_name} cannot be read")
        self.class_name = class_name


@dataclass(frozen=True, slots=True)
class ArchiveClass:
    """A class of objects that an archive holds.

    Parameters
    ----------
    name, module : str
        As the archive's index spells them; the module is often empty.
    count : int
        Number of objects.
    known : bool
        Whether there is a decoder for it.
    """

    name: str
    module: str
    count: int
    known: bool


@dataclass(frozen=True, slots=True)
class _Span:
    table: int
    row0: int
    count: int


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    module: str
    spans: Mapping[int, _Span]


@dataclass(frozen=True, slots=True, eq=False)
class ArchiveObject:
    """What a decoder gets: one object's rows, and a way to the objects it refers to."""

    archive: "Archive"
    object_id: int
    class_name: str

    def rows(self, catalog: int = 0) -> Rows:
        """Return the object's rows in one of its catalogs.

        Raises
        ------
        ReadError
            If it has no such catalog.
        """
        return self.archive.rows(self.object_id, catalog)

    def has(self, catalog: int) -> bool:
        """Tell whether the object has rows in this one of its catalogs."""
        return self.archive.has(self.object_id, catalog)

    def row(self, catalog: int = 0) -> Rows:
        """Return the only row in one of the object's catalogs.

        Raises
        ------
        ReadError
            If it has not exactly one row there.
        """
        rows = self.rows(catalog)
        if len(rows) != 1:
            raise ReadError(f"{self.label} has {len(rows)} rows where one is expected")
        return rows

    def refer(self, object_id: int, kind: str) -> Any:
        """Return another object of the archive; see `Archive.get`."""
        if object_id == 0:
            raise ReadError(f"{self.label} lacks the {kind} that it needs")
        return self.archive.get(object_id, kind)

    @property
    def label(self) -> str:
        """Class and id, for messages."""
        return f"archive object {self.object_id} ({self.class_name})"


@dataclass(frozen=True, slots=True)
class Decoder:
    """How objects of one archive class become Python values.

    Parameters
    ----------
    kind : str
        What the value is used as: "psf", "kernel", "function", "field", "wcs", ...
    decode : callable
        From an `ArchiveObject` to the value.
    condense : callable, optional
        From the value to what JSON can hold, for classes that take long to decode; it is kept
        with the file's layout.
    expand : callable, optional
        From that, which is not to be trusted, back to the value.
    """

    kind: str
    decode: Callable[[ArchiveObject], Any]
    condense: Callable[[Any], Any] | None = None
    expand: Callable[[Any], Any] | None = None


class Archive:
    """The objects of one file, decoded when they are asked for and kept.

    Parameters
    ----------
    file : FitsFile
        Open for as long as objects are asked for.
    index_hdu : int
        0-based number of the HDU of the index.
    decoders : mapping of str to Decoder
        By class name.

    Raises
    ------
    ReadError
        If the index is not readable.
    FileLimitError
        If it has more rows than a reader grants.
    """

    def __init__(self, file: FitsFile, index_hdu: int, decoders: Mapping[str, Decoder]) -> None:
        self._file = file
        self._index_hdu = index_hdu
        self._decoders = decoders
        self._entries = _read_index(self._table(0))
        self._values: dict[int, Any] = {}
        self._open: list[int] = []
        self._rows_given = 0

    def classes(self) -> tuple[ArchiveClass, ...]:
        """Return the classes of all objects, by name."""
        counts = Counter((entry.name, entry.module) for entry in self._entries.values())
        return tuple(
            ArchiveClass(name, module, count, name in self._decoders)
            for (name, module), count in sorted(counts.items())
        )

    def class_name(self, object_id: int) -> str:
        """Return the name of an object's class; ReadError if there is no such object."""
        return self._entry(object_id).name

    def get(self, object_id: int, kind: str) -> Any:
        """Return the decoded object of an id.

        Parameters
        ----------
        object_id : int
        kind : str
            The kind that is wanted, as its class's `Decoder` gives it.

        Raises
        ------
        UnknownClassError
            If no decoder knows the class of the object, or of one that it needs.
        ReadError
            If there is no such object, it is of another kind, refers to itself or is damaged.
        FileLimitError
            If it, the depth of its references, or all rows so far ask for more than a reader grants.
        """
        entry = self._entry(object_id)
        if entry.name not in self._decoders:
            raise UnknownClassError(entry.name)
        decoder = self._decoders[entry.name]
        if decoder.kind != kind:
            raise ReadError(f"archive object {object_id} is a {entry.name} where a {kind} is expected")
        if object_id not in self._values:
            self._values[object_id] = self._decode(object_id, entry, decoder)
        return self._values[object_id]

    def has(self, object_id: int, catalog: int) -> bool:
        """Tell whether an object has rows in one of its catalogs."""
        return catalog in self._entry(object_id).spans

    def rows(self, object_id: int, catalog: int) -> Rows:
        """Return the rows of an object in one of its catalogs; see `ArchiveObject.rows`."""
        entry = self._entry(object_id)
        owner = f"archive object {object_id} ({entry.name})"
        if catalog not in entry.spans:
            raise ReadError(f"{owner} has no catalog {catalog}")
        span = entry.spans[catalog]
        if span.table < 1:
            raise ReadError(f"{owner} has a catalog in table {span.table}, which cannot be")
        rows = self._table(span.table, row0=span.row0, count=span.count, owner=owner)
        # Objects that share rows could be more work than the file is long.
        self._rows_given += len(rows)
        limits.require_at_most(self._rows_given, limits.MAX_TABLE_ROWS, "rows of objects of the archive")
        return rows

    def _decode(self, object_id: int, entry: _Entry, decoder: Decoder) -> Any:
        if object_id in self._open:
            raise ReadError(f"archive object {object_id} ({entry.name}) refers to itself")
        limits.require_at_most(len(self._open), limits.MAX_NESTING, "depth of references in the archive")
        self._open.append(object_id)
        try:
            return self._decode_or_expand(object_id, entry, decoder)
        except ConfigError as fault:
            raise ReadError(f"archive object {object_id} is not usable: {fault}") from fault
        finally:
            self._open.pop()

    def _decode_or_expand(self, object_id: int, entry: _Entry, decoder: Decoder) -> Any:
        condensed = self._file.condensed.get(str(object_id))
        if decoder.expand is not None and condensed is not None:
            return decoder.expand(condensed)
        value = decoder.decode(ArchiveObject(self, object_id, entry.name))
        if decoder.condense is not None:
            self._file.condensed[str(object_id)] = decoder.condense(value)
        return value

    def _entry(self, object_id: int) -> _Entry:
        try:
            return self._entries[object_id]
        except KeyError:
            raise ReadError(f"the archive has no object {object_id}") from None

    def _table(
        self, table: int, *, row0: int = 0, count: int | None = None, owner: str = "the archive's index"
    ) -> Rows:
        hdu = self._index_hdu + table
        content = self._file.archive_table(hdu)
        total = len(content)
        if count is None:
            count = total
        if row0 < 0 or count < 0 or row0 + count > total:
            raise ReadError(f"{owner} has rows {row0} to {row0 + count - 1} of a table with {total}")
        return Rows(
            content, flag_names=_flag_names(self._file.cards(hdu)), row0=row0, count=count, owner=owner
        )


def _flag_names(cards: Cards) -> tuple[str, ...]:
    names: list[str] = []
    while (key := f"TFLAG{len(names) + 1}") in cards:
        names.append(text_card(cards, key))
    return tuple(names)


def _read_index(index: Rows) -> dict[int, _Entry]:
    entries: dict[int, _Entry] = {}
    spans: dict[int, dict[int, _Span]] = {}
    for object_id, catalog, table, row0, count, name, module in zip(
        *(index.integers(column) for column in ("id", "cat.persistable", "cat.archive", "row0", "nrows")),
        *(index.texts(column) for column in ("name", "module")),
        strict=True,
    ):
        own = spans.setdefault(object_id, {})
        own[catalog] = _Span(table, row0, count)
        entries[object_id] = _Entry(name, module, own)
    return entries
