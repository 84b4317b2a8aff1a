"""A FITS file opened with distrust: every fault of the file becomes a ReadError."""

import itertools
import math
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from astropy.io import fits

from forcedsql.arrays import AnyArray
from forcedsql.errors import ForcedSQLError, ReadError
from forcedsql.file_names import is_folder, why_refused
from forcedsql.readers import limits
from forcedsql.readers.binary_table import BinaryTable, table_form
from forcedsql.readers.cards import Cards, text_card
from forcedsql.readers.file_bytes import FileBytes
from forcedsql.readers.fits_headers import HeaderGuard, require_bounded_header, require_fits_magic
from forcedsql.readers.heap_checks import require_sound_heap
from forcedsql.readers.layout import FileLayout, HduLayout, plain_cards
from forcedsql.readers.plane_rows import stored_plane
from forcedsql.readers.tile_checks import require_sound_tiles
from forcedsql.readers.unpacking import unpacked

# The filters of the warnings module belong to the process; one thread at a time may change them.
_WARNINGS_LOCK = threading.RLock()
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
    file : FileBytes
        The file that the HDUs are in.
    packed : bool
        Whether that is only an unpacked copy of the one at `path`.
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

    def __init__(self, hdus: Any, file: FileBytes, path: Path, *, packed: bool) -> None:
        self.path = path
        self._hdus = hdus
        self._file = file
        self._packed = packed
        self.condensed: dict[str, Any] = {}
        self._guard = HeaderGuard(file)
        self._cards: dict[int, Cards] = {}
        self._tables: dict[int, Any] = {}

    def has(self, index: int) -> bool:
        """Tell whether the file has an HDU of this 0-based number, reading no further than it."""
        if not 0 <= index < limits.MAX_HDUS:
            return False
        with reading(f"HDU {index}"):
            try:
                self._guard.look_before(index, self._hdus)
                hdu = self._hdus[index]
            except IndexError:
                return False
            # astropy parses a header when it is first touched.
            _ = hdu.header
        return True

    def indices(self) -> Iterator[int]:
        """Return the numbers of the HDUs in order, reading no further than the one that is taken."""
        return itertools.takewhile(self.has, itertools.count())

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
        present = [index for index in range(_HDUS_IN_SUMMARY) if self.has(index)]
        names = [self._name(index) for index in present]
        return ", ".join(names) + (", ..." if self.has(_HDUS_IN_SUMMARY) else "")

    def _name(self, index: int) -> str:
        named = text_card(self.cards(index), "EXTNAME")
        return named or ("PRIMARY" if index == 0 else type(self._hdus[index]).__name__)

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
        if compressed and (pixels := self._unpacked(index, range(shape[0]))) is not None:
            return Pixels(pixels, compressed)
        with reading(f"the pixels of HDU {index}"):
            values = hdu.data
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
        data = self._checked_table(index, hdu).data
        limits.require_at_most(len(data), limits.MAX_TABLE_ROWS, f"rows in the table of HDU {index}")
        return data

    def first_table(self) -> Any:
        """Return the first table as an astropy HDU, binary or ASCII, whose size is one that a reader grants.

        Raises
        ------
        ReadError
            If there is none, or it is cut short.
        FileLimitError
            If it has more bytes than a reader grants.
        """
        for index in self.indices():
            hdu = self._hdus[index]
            if isinstance(hdu, fits.BinTableHDU | fits.TableHDU) and not isinstance(hdu, fits.CompImageHDU):
                return self._checked_table(index, hdu)
        raise ReadError(f"there is no table; the file holds {self.summary()}")

    def _checked_table(self, index: int, hdu: Any) -> Any:
        with reading(f"the table in HDU {index}"):
            header = hdu.header
            heap = int(header.get("PCOUNT", 0))
            size = int(header["NAXIS1"]) * int(header["NAXIS2"]) + heap
        limits.require_at_most(size, limits.MAX_TABLE_BYTES, f"bytes in the table of HDU {index}")
        self._require_complete(index, hdu)
        with reading(f"the table in HDU {index}"):
            if hdu.data is not None and isinstance(hdu, fits.BinTableHDU):
                require_sound_heap(hdu.data, heap)
        return hdu

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
        if not isinstance(hdu, fits.BinTableHDU) or isinstance(hdu, fits.CompImageHDU):
            return None
        form = table_form(self.cards(index))
        if form is None or form.heap_start < form.row_bytes * form.rows:
            return None
        limits.require_table(form.rows, form.heap_end, f"in the table of HDU {index}")
        self._require_complete(index, hdu)
        with reading(f"the table in HDU {index}"):
            return BinaryTable(form, self._file.read(hdu.fileinfo()["datLoc"], form.heap_end))

    def rows(self, index: int, first: int, count: int) -> Pixels:
        """Return rows `first` to `first + count - 1` of an image HDU of two axes, (count, nx).

        Of a tile-compressed image only the tiles that these rows touch are unpacked.
        """
        hdu = self._hdu(index)
        if not isinstance(hdu, _IMAGE_HDUS):
            raise ReadError(f"HDU {index} is a {type(hdu).__name__}, not an image")
        compressed = isinstance(hdu, fits.CompImageHDU)
        if compressed and (pixels := self._unpacked(index, range(first, first + count))) is not None:
            return Pixels(pixels, compressed)
        with reading(f"rows {first} to {first + count - 1} of HDU {index}"):
            values = np.asarray(hdu.section[first : first + count, :])
        if values.shape[:1] != (count,):
            raise ReadError(f"HDU {index} has no complete image")
        return Pixels(values, compressed)

    def _unpacked(self, index: int, rows: range) -> AnyArray | None:
        """Return rows of a compressed image, None for those that astropy is left to unpack."""
        layout = self._hdu_layout(index)
        try:
            plane = stored_plane(layout)
            if plane is not None and plane.compressed:
                return plane.read(self._file, rows.start, len(rows))
            require_sound_tiles(layout, self._file.read, rows)
        except ReadError as fault:
            raise type(fault)(f"HDU {index}: {fault}") from fault
        return None

    def layout(self) -> FileLayout | None:
        """Return where the data of every HDU are and what its header says; None for a gzipped file."""
        if self._packed:
            return None
        hdus = tuple(self._hdu_layout(index) for index in self.indices())
        return FileLayout(self._file.size, hdus, self.condensed)

    def _hdu_layout(self, index: int) -> HduLayout:
        hdu = self._hdu(index)
        self._require_complete(index, hdu)
        with reading(f"the header of HDU {index}"):
            place = hdu.fileinfo()
            storage: Cards = {}
            kind = "other"
            if isinstance(hdu, fits.CompImageHDU):
                kind = "tiles"
                text = self._file.read(place["hdrLoc"], place["datLoc"] - place["hdrLoc"])
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
        if end > self._file.size:
            missing = end - self._file.size
            raise ReadError(f"HDU {index} is cut short: the file ends {missing} bytes too early")


@contextmanager
def open_fits(path: Path | BytesIO) -> Iterator[FitsFile]:
    """Open a FITS file, plain or packed by gzip or bzip2, or bytes of one, for reading.

    Raises
    ------
    ReadError
        If there is no such file, or it is not FITS.
    """
    with _stream_of(path) as stream, unpacked(stream) as source:
        file = FileBytes(source.fileno(), os.fstat(source.fileno()).st_size)
        require_fits_magic(file)
        require_bounded_header(file, 0, 0)
        with reading("its first header"):
            # Reading without memory mapping keeps no array tied to the open file.
            hdus = fits.open(source, mode="readonly", memmap=False)
        try:
            yield FitsFile(
                hdus, file, path if isinstance(path, Path) else Path("-"), packed=source is not stream
            )
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


def _stream_of(path: Path | BytesIO) -> BinaryIO:
    if isinstance(path, BytesIO):
        return path
    try:
        return path.open("rb")
    except (OSError, ValueError) as fault:
        raise ReadError(_why_unopened(path, fault)) from fault


def _why_unopened(path: Path, fault: OSError | ValueError) -> str:
    if is_folder(path):
        return "it is a directory; name a FITS file"
    if isinstance(fault, FileNotFoundError):
        return "there is no such file"
    return f"it cannot be opened: {why_refused(fault)}"
