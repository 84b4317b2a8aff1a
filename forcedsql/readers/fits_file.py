"""A FITS file opened with distrust: every fault of the file becomes a ReadError."""

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

from forcedsql.arrays import AnyArray
from forcedsql.errors import ForcedSQLError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.binary_table import BinaryTable, table_form
from forcedsql.readers.cards import Cards
from forcedsql.readers.layout import FileLayout, HduLayout, plain_cards

# The filters of the warnings module belong to the process; one thread at a time may change them.
_WARNINGS_LOCK = threading.RLock()
_PACKED_MAGIC = (b"\x1f\x8b", b"BZh")
_HDUS_IN_SUMMARY = 8
_IMAGE_HDUS = (fits.PrimaryHDU, fits.ImageHDU, fits.CompImageHDU)


@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """The pixels of one image HDU.

    Parameters
    ----------
    values : ndarray, (ny, nx)
        As stored, scaling applied; any byte order.  More or fewer axes where asked for.
    compressed : bool
        Whether the HDU is tile-compressed.
    """

    values: AnyArray
    compressed: bool


class FitsFile:
    """An open FITS file whose HDUs are read when they are asked for.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
    size : int or None
        Bytes of the file; None where it is compressed as a whole.
    stream : binary file
        The file that the HDUs are read from.
    path : Path
        Where it is.

    Attributes
    ----------
    condensed : dict of str to JSON values
        Archive objects in a form that is quickly read, by their id; see
        `forcedsql.readers.archive.Decoder`.

    Raises
    ------
    ReadError
        By every method, where the file is damaged or lacks what is asked for.
    """

    def __init__(self, hdus: Any, size: int | None, stream: BinaryIO, path: Path) -> None:
        self.path = path
        self._hdus = hdus
        self._stream = stream
        self.condensed: dict[str, Any] = {}
        self._size = size
        self._cards: dict[int, Cards] = {}
        self._tables: dict[int, Any] = {}

    def has(self, index: int) -> bool:
        """Tell whether the file has an HDU of this 0-based number, reading no further than it."""
        if not 0 <= index < limits.MAX_HDUS:
            return False
        with reading(f"HDU {index}"):
            try:
                hdu = self._hdus[index]
            except IndexError:
                return False
            # astropy parses a header when it is first touched.
            _ = hdu.header
        return True

    def cards(self, index: int) -> Cards:
        """Return the header of an HDU; cards that cannot be parsed are left out."""
        if index not in self._cards:
            header = self._hdu(index).header
            cards: dict[str, Any] = {}
            with reading(f"the header of HDU {index}"):
                for card in header.cards:
                    with suppress(fits.VerifyError, ValueError):
                        cards.setdefault(card.keyword, card.value)
            self._cards[index] = cards
        return self._cards[index]

    def summary(self) -> str:
        """Name the first HDUs in a few words, for messages."""
        present = [self._hdus[index] for index in range(_HDUS_IN_SUMMARY) if self.has(index)]
        names = [hdu.name or type(hdu).__name__ for hdu in present]
        return ", ".join(names) + (", ..." if self.has(_HDUS_IN_SUMMARY) else "")

    def pixels(self, index: int, *, axes: int = 2) -> Pixels:
        """Return the pixels of an image HDU of that many axes.

        Raises
        ------
        FileLimitError
            If it has more pixels than a reader grants.
        """
        hdu = self._hdu(index)
        if not isinstance(hdu, _IMAGE_HDUS):
            raise ReadError(f"HDU {index} is a {type(hdu).__name__}, not an image")
        with reading(f"the header of HDU {index}"):
            shape = hdu.shape
        # A damaged header may give sides as text.
        if len(shape) != axes or not all(isinstance(side, int | np.integer) and side > 0 for side in shape):
            raise ReadError(f"HDU {index} is not an image of {axes} dimensions: its shape is {shape}")
        limits.require_at_most(math.prod(shape), limits.MAX_IMAGE_PIXELS, f"pixels in HDU {index}")
        self._require_complete(index, hdu)
        compressed = isinstance(hdu, fits.CompImageHDU)
        with reading(f"the pixels of HDU {index}"):
            if compressed:
                limits.require_at_most(
                    int(np.prod(hdu.tile_shape)), limits.MAX_IMAGE_PIXELS, f"pixels in a tile of HDU {index}"
                )
            values = hdu.data
        if values is None or values.shape != shape:
            raise ReadError(f"HDU {index} has no complete image")
        return Pixels(values, compressed)

    def table(self, index: int) -> Any:
        """Return the rows of a binary table HDU, an `astropy.io.fits.FITS_rec`.

        Raises
        ------
        FileLimitError
            If it has more bytes than a reader grants.
        """
        hdu = self._hdu(index)
        if not isinstance(hdu, fits.BinTableHDU) or isinstance(hdu, fits.CompImageHDU):
            raise ReadError(f"HDU {index} is a {type(hdu).__name__}, not a binary table")
        with reading(f"the table in HDU {index}"):
            header = hdu.header
            size = int(header["NAXIS1"]) * int(header["NAXIS2"]) + int(header.get("PCOUNT", 0))
        limits.require_at_most(size, limits.MAX_TABLE_BYTES, f"bytes in the table of HDU {index}")
        self._require_complete(index, hdu)
        with reading(f"the table in HDU {index}"):
            return hdu.data

    def archive_table(self, index: int) -> Any:
        """Return the rows of a table for `forcedsql.readers.rows.Rows`; see `table`.

        Most are made of plain columns, for which astropy takes much longer than `BinaryTable`.
        """
        if index not in self._tables:
            plain = self._plain_table(index)
            self._tables[index] = self.table(index) if plain is None else plain
        return self._tables[index]

    def _plain_table(self, index: int) -> BinaryTable | None:
        hdu = self._hdu(index)
        if self._size is None or not isinstance(hdu, fits.BinTableHDU) or isinstance(hdu, fits.CompImageHDU):
            return None
        form = table_form(self.cards(index))
        if form is None or form.heap_start < form.row_bytes * form.rows:
            return None
        limits.require_at_most(form.heap_end, limits.MAX_TABLE_BYTES, f"bytes in the table of HDU {index}")
        self._require_complete(index, hdu)
        with reading(f"the table in HDU {index}"):
            self._stream.seek(hdu.fileinfo()["datLoc"])
            return BinaryTable(form, self._stream.read(form.heap_end))

    def rows(self, index: int, first: int, count: int) -> Pixels:
        """Return rows `first` to `first + count - 1` of an image HDU of two axes, (count, nx).

        Of a tile-compressed image only the tiles that these rows touch are unpacked.
        """
        hdu = self._hdu(index)
        if not isinstance(hdu, _IMAGE_HDUS):
            raise ReadError(f"HDU {index} is a {type(hdu).__name__}, not an image")
        with reading(f"rows {first} to {first + count - 1} of HDU {index}"):
            values = np.asarray(hdu.section[first : first + count, :])
        if values.shape[:1] != (count,):
            raise ReadError(f"HDU {index} has no complete image")
        return Pixels(values, isinstance(hdu, fits.CompImageHDU))

    def layout(self) -> FileLayout | None:
        """Return where the data of every HDU are and what its header says; None for a gzipped file."""
        if self._size is None:
            return None
        count = 0
        while self.has(count):
            count += 1
        hdus = tuple(self._hdu_layout(index) for index in range(count))
        return FileLayout(self._size, hdus, self.condensed)

    def _hdu_layout(self, index: int) -> HduLayout:
        hdu = self._hdu(index)
        self._require_complete(index, hdu)
        with reading(f"the header of HDU {index}"):
            place = hdu.fileinfo()
            storage: Cards = {}
            kind = "other"
            if isinstance(hdu, fits.CompImageHDU):
                kind = "tiles"
                self._stream.seek(place["hdrLoc"])
                text = self._stream.read(place["datLoc"] - place["hdrLoc"])
                storage = plain_cards(dict(fits.Header.fromstring(text)))
            elif isinstance(hdu, _IMAGE_HDUS):
                kind = "image"
            elif isinstance(hdu, fits.BinTableHDU):
                kind = "table"
        cards = plain_cards(self.cards(index))
        return HduLayout(kind, place["datLoc"], place["datSpan"], cards, storage)

    def _hdu(self, index: int) -> Any:
        if not self.has(index):
            raise ReadError(f"the file has no HDU {index} (it is cut short, or its pointers are wrong)")
        return self._hdus[index]

    def _require_complete(self, index: int, hdu: Any) -> None:
        with reading(f"HDU {index}"):
            place = hdu.fileinfo()
            end = place["datLoc"] + place["datSpan"]
        if self._size is not None and end > self._size:
            raise ReadError(f"HDU {index} is cut short: the file ends {end - self._size} bytes too early")


@contextmanager
def open_fits(path: Path) -> Iterator[FitsFile]:
    """Open a FITS file, plain or packed by gzip or bzip2, for reading.

    Raises
    ------
    ReadError
        If there is no such file, or it is not FITS.
    """
    try:
        stream = path.open("rb")
    except OSError as fault:
        raise ReadError(_why_unopened(path, fault)) from fault
    with stream:
        packed = _require_fits_magic(stream)
        with reading("its first header"):
            # Reading without memory mapping keeps no array tied to the open file.
            hdus = fits.open(stream, mode="readonly", memmap=False)
        try:
            yield FitsFile(hdus, None if packed else path.stat().st_size, stream, path)
        finally:
            with reading("its end"):
                hdus.close()


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn whatever astropy raises on a damaged file into a ReadError, and silence its warnings.

    Parameters
    ----------
    what : str
        The part being read, for the message.
    """
    with _WARNINGS_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except ForcedSQLError:
            raise
        except Exception as fault:
            reason = " ".join(str(fault).split()) or type(fault).__name__
            raise ReadError(f"{what} cannot be read: {reason}") from fault


def _why_unopened(path: Path, fault: OSError) -> str:
    if path.is_dir():
        return "it is a directory; name a FITS file"
    if isinstance(fault, FileNotFoundError):
        return "there is no such file"
    return f"it cannot be opened: {fault.strerror}"


def _require_fits_magic(stream: BinaryIO) -> bool:
    """Return whether the stream is packed by gzip or bzip2, with its position at the start."""
    magic = stream.read(9)
    stream.seek(0)
    packed = magic.startswith(_PACKED_MAGIC)
    if not (packed or magic == b"SIMPLE  ="):
        seen = "it is empty" if not magic else f"it starts with {magic!r}"
        raise ReadError(f"not a FITS file: {seen}; forcedsql reads FITS (.fits, .fits.gz, .fits.fz)")
    return packed
