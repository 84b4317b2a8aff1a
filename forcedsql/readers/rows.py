"""Typed access to rows of an afw archive table."""

from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray, FloatArray
from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.fits_file import reading


class Rows:
    """Consecutive rows of one table, which belong to one archive object.

    Parameters
    ----------
    table : astropy.io.fits.FITS_rec
    flag_names : sequence of str
        Names of the bits of the table's ``flags`` column, in order (its TFLAG cards).
    row0, count : int
        First row and number of rows.
    owner : str
        The object, for messages.

    Raises
    ------
    ReadError
        By every accessor, where the column is missing or of another type.

    Notes
    -----
    Encoding: afw ``src/table/io/FitsWriter.cc``.  Every accessor takes the row's number within
    the object, 0 by default.
    """

    def __init__(self, table: Any, *, flag_names: tuple[str, ...], row0: int, count: int, owner: str) -> None:
        self._table = table
        self._flag_names = flag_names
        self._row0 = row0
        self._count = count
        self._owner = owner

    def __len__(self) -> int:
        return self._count

    def has(self, name: str) -> bool:
        """Tell whether the table has a column of this name."""
        return name in self._table.names

    def integer(self, name: str, row: int = 0) -> int:
        """Return a scalar integer."""
        return int(self._scalar(name, row, "iub"))

    def number(self, name: str, row: int = 0) -> float:
        """Return a scalar number."""
        return float(self._scalar(name, row, "fiu"))

    def vector(self, name: str, row: int = 0, *, limit: int = limits.MAX_COEFFICIENTS) -> FloatArray:
        """Return an array of numbers, (k,) float64.

        Raises
        ------
        FileLimitError
            If it has more than `limit` elements.
        """
        values = self._cell(name, row, "fiu")
        limits.require_at_most(values.size, limit, f"elements of {name} in {self._owner}")
        return np.atleast_1d(values).astype(np.float64)

    def ids(self, name: str, row: int = 0) -> tuple[int, ...]:
        """Return an array of archive ids."""
        values = self._cell(name, row, "iu")
        limits.require_at_most(values.size, limits.MAX_KERNEL_COMPONENTS, f"{name} in {self._owner}")
        return tuple(int(value) for value in np.atleast_1d(values))

    def pair(self, name: str, row: int = 0) -> tuple[float, float]:
        """Return a point (x, y): two columns, or one of two elements in files before 2014."""
        if self.has(name):
            values = self.vector(name, row, limit=2)
            if values.size != 2:
                raise ReadError(f"{self._owner}: {name} is not a point (x, y)")
            return float(values[0]), float(values[1])
        return self.number(f"{name}_x", row), self.number(f"{name}_y", row)

    def flag(self, name: str, row: int = 0) -> bool:
        """Return one named bit of the packed flags."""
        if name not in self._flag_names:
            raise ReadError(f"{self._owner}: its table has no flag {name!r}")
        bits = np.atleast_1d(self._cell("flags", row, "biu"))
        position = self._flag_names.index(name)
        if position >= bits.size:
            raise ReadError(f"{self._owner}: its table has fewer flags than names of flags")
        return bool(bits[position])

    def text(self, name: str, row: int = 0) -> str:
        """Return a fixed-length string."""
        return str(self._scalar(name, row, "US")).rstrip("\x00 ")

    def blob(self, name: str, row: int = 0, *, limit: int) -> bytes:
        """Return a variable-length run of bytes.

        Raises
        ------
        FileLimitError
            If it is longer than `limit`.
        """
        values = self._cell(name, row, "u")
        limits.require_at_most(values.size, limit, f"bytes of {name} in {self._owner}")
        if values.dtype.itemsize != 1:
            raise ReadError(f"{self._owner}: {name} is not made of bytes")
        return values.tobytes()

    def integers(self, name: str) -> list[int]:
        """Return a scalar integer of every row."""
        return [int(value) for value in self._column(name, "iub")]

    def texts(self, name: str) -> list[str]:
        """Return a fixed-length string of every row."""
        return [str(value).rstrip("\x00 ") for value in self._column(name, "US")]

    def variable_texts(self, name: str) -> list[str]:
        """Return a variable-length string of every row."""
        self._require_column(name)
        with reading(f"column {name} of {self._owner}"):
            cells = self._table[name][self._row0 : self._row0 + self._count]
        for cell in cells:
            self._require_type(name, np.asarray(cell), "U")
        # astropy gives such a string as an array of characters, each "" where there is a space.
        return ["".join(character or " " for character in cell).rstrip("\x00 ") for cell in cells]

    def _scalar(self, name: str, row: int, kinds: str) -> Any:
        values = self._cell(name, row, kinds)
        if values.size != 1:
            raise ReadError(f"{self._owner}: {name} has {values.size} elements where one is expected")
        return values.reshape(())[()]

    def _cell(self, name: str, row: int, kinds: str) -> AnyArray:
        self._require_column(name)
        if not 0 <= row < self._count:
            raise ReadError(f"{self._owner}: it has {self._count} rows, row {row} is missing")
        with reading(f"column {name} of {self._owner}"):
            values = np.asarray(self._table[name][self._row0 + row])
        self._require_type(name, values, kinds)
        return values

    def _column(self, name: str, kinds: str) -> AnyArray:
        self._require_column(name)
        with reading(f"column {name} of {self._owner}"):
            values = np.asarray(self._table[name])[self._row0 : self._row0 + self._count]
        self._require_type(name, values, kinds)
        if values.ndim != 1:
            raise ReadError(f"{self._owner}: {name} has several elements where one is expected")
        return values

    def _require_column(self, name: str) -> None:
        if not self.has(name):
            raise ReadError(f"{self._owner}: its table has no column {name!r}")

    def _require_type(self, name: str, values: AnyArray, kinds: str) -> None:
        if values.dtype.kind not in kinds:
            raise ReadError(f"{self._owner}: {name} has the unexpected type {values.dtype}")
