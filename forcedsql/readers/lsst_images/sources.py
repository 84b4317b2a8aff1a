"""What the JSON tree points to: arrays and table columns in other HDUs of the same file."""

import itertools
import math
import re
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import AnyArray, FloatArray
from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.cards import integer_card, text_card
from forcedsql.readers.fits_file import FitsFile, Pixels, reading
from forcedsql.readers.lsst_images.tree import MAX_BYTES, Node, parse_tree
from forcedsql.readers.rows import Rows

_POINTER = re.compile(
    r"fits:(?P<name>[-\w/]{1,200})(,(?P<version>[1-9]\d{0,3}))?(\[(?P<column>[1-9]\d{0,2})\])?"
)
_JSON_HDU = ("JSON", 1)
_MAX_AXES = 8
_MAX_COLUMNS = 500
_MAX_COLUMN_VALUES = 10_000_000


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Parameters
    ----------
    name : str
    values : ndarray, (rows, ...)
        Numbers; the further axes are those of one cell.
    """

    name: str
    values: AnyArray


class Sources:
    """The HDUs of an lsst.images file by name.

    Parameters
    ----------
    file : FitsFile
        Open for as long as arrays are asked for.

    Raises
    ------
    ReadError
        By every method, where the file is damaged or lacks what the tree points to.
    FileLimitError
        By every method, where it asks for more than a reader grants.
    """

    def __init__(self, file: FitsFile) -> None:
        self._file = file
        self._hdus: dict[tuple[str, int], int] = {}
        for index in itertools.islice(file.indices(), 1, None):
            cards = file.cards(index)
            key = text_card(cards, "EXTNAME").upper(), integer_card(cards, "EXTVER") or 1
            self._hdus.setdefault(key, index)

    def tree(self) -> Node:
        """Return the JSON tree that describes the file."""
        table = self._file.table(self._hdu(*_JSON_HDU))
        if len(table) < 1:
            raise ReadError("its JSON table is empty")
        rows = Rows(table, flag_names=(), row0=0, count=1, owner="its JSON table")
        return parse_tree(rows.blob("JSON", limit=MAX_BYTES))

    def pixels(self, node: Node) -> Pixels:
        """Return the pixels of a two-dimensional image that a node points to."""
        return self._image(node, axes=2, limit=limits.MAX_IMAGE_PIXELS)

    def array(self, node: Node, *, axes: int, limit: int) -> FloatArray:
        """Return an array of numbers, given in the tree or in an image HDU.

        Parameters
        ----------
        node : Node
            ``{"data": [...]}`` or ``{"source": "fits:NAME", "shape": [...]}``.
        axes : int
            Number of axes that it must have.
        limit : int
            Most elements that it may have.

        Returns
        -------
        ndarray, float64
        """
        if node.has("source"):
            values = self._image(node, axes=axes, limit=limit).values
        else:
            values = node.child("data").numbers()
        limits.require_at_most(values.size, limit, f"numbers in {node.path}")
        if values.ndim != axes or values.dtype.kind not in "iuf":
            raise ReadError(f"{node.path} is an array of {values.ndim} axes of {values.dtype}, not {axes}")
        return np.array(values, dtype=np.float64, order="C")

    def columns(self, node: Node) -> list[Column]:
        """Return the columns of a table, given in the tree or in a table HDU."""
        return [self._column(column) for column in node.child("columns").elements(limit=_MAX_COLUMNS)]

    def _column(self, node: Node) -> Column:
        name, data = node.child("name").label(), node.child("data")
        values = self._table_column(data) if data.has("source") else data.child("data").numbers()
        limits.require_at_most(values.size, _MAX_COLUMN_VALUES, f"values in {node.path}")
        return Column(name, values)

    def _image(self, node: Node, *, axes: int, limit: int) -> Pixels:
        key, column = _target(node)
        if column is not None:
            raise ReadError(f"{node.path} points to a table column where an image is expected")
        shape = _shape(node)
        limits.require_at_most(math.prod(shape), limit, f"pixels in {node.path}")
        pixels = self._file.pixels(self._hdu(*key), axes=axes)
        if pixels.values.shape != shape:
            raise ReadError(f"{node.path} is to be {shape}, but its HDU is {pixels.values.shape}")
        return pixels

    def _table_column(self, node: Node) -> AnyArray:
        key, column = _target(node)
        table = self._file.table(self._hdu(*key))
        if column is None or column > len(table.names):
            raise ReadError(f"{node.path} points to no column of a table with {len(table.names)}")
        cell = _shape(node)
        limits.require_at_most(math.prod(cell) * len(table), _MAX_COLUMN_VALUES, f"values in {node.path}")
        with reading(f"the column of {node.path}"):
            values = np.asarray(table.field(column - 1))
        if values.dtype.kind not in "biuf" or values.size != math.prod(cell) * len(table):
            raise ReadError(f"{node.path} is to hold {cell} per row, but holds {values.shape} {values.dtype}")
        return values.reshape(len(table), *cell)

    def _hdu(self, name: str, version: int) -> int:
        if (name, version) not in self._hdus:
            raise ReadError(f"it has no HDU {name!r}, version {version}")
        return self._hdus[name, version]


def _target(node: Node) -> tuple[tuple[str, int], int | None]:
    """Return the name and version of the HDU that a node points to, and the column where it names one."""
    source = node.child("source").text()
    match = _POINTER.fullmatch(source)
    if match is None:
        raise ReadError(f"{node.path} points to {source[:60]!r}, which is no HDU of the file")
    column = match["column"]
    return (match["name"].upper(), int(match["version"] or 1)), int(column) if column else None


def _shape(node: Node) -> tuple[int, ...]:
    sizes = node.child("shape").elements(limit=_MAX_AXES)
    return tuple(size.integer(low=1, high=limits.MAX_IMAGE_PIXELS) for size in sizes)
