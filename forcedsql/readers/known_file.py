"""A FITS file whose layout is known: it is opened without parsing a header."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.binary_table import BinaryTable, table_form
from forcedsql.readers.cards import Cards
from forcedsql.readers.file_bytes import FileBytes, FileState
from forcedsql.readers.fits_file import FitsFile, Pixels, open_fits
from forcedsql.readers.layout import FileLayout, HduLayout


class KnownFile(FitsFile):
    """A `FitsFile` that answers from its layout, and reads only the data that are asked for.

    What is stored in an unusual way is left to astropy.

    Parameters
    ----------
    layout : FileLayout
    file : FileBytes
    path : Path
    open_fully : callable
        Opens the same file by its own headers.
    """

    def __init__(
        self, layout: FileLayout, file: FileBytes, path: Path, open_fully: Callable[[], FitsFile]
    ) -> None:
        self.path = path
        self._layout = layout
        self._file = file
        self._open_fully = open_fully
        self._fully: FitsFile | None = None
        self._tables: dict[int, Any] = {}
        self.condensed = dict(layout.condensed)

    def has(self, index: int) -> bool:
        """Tell whether the file has an HDU of this 0-based number."""
        return 0 <= index < len(self._layout.hdus)

    def cards(self, index: int) -> Cards:
        """Return the header of an HDU."""
        return self._known(index).cards

    def summary(self) -> str:
        """Name the HDUs in a few words, for messages."""
        return ", ".join(str(hdu.cards.get("EXTNAME", hdu.kind)) for hdu in self._layout.hdus)

    def pixels(self, index: int, *, axes: int = 2) -> Pixels:
        """Return the pixels of an image HDU; see `FitsFile.pixels`."""
        return self._astropy().pixels(index, axes=axes)

    def rows(self, index: int, first: int, count: int) -> Pixels:
        """Return rows of an image HDU; see `FitsFile.rows`."""
        return self._astropy().rows(index, first, count)

    def layout(self) -> FileLayout | None:
        """Return the layout."""
        return self._layout

    def table(self, index: int) -> Any:
        """Return the rows of a binary table HDU, a `BinaryTable` or what astropy makes of it."""
        if index not in self._tables:
            self._tables[index] = self._read_table(index)
        return self._tables[index]

    def archive_table(self, index: int) -> Any:
        """Return the same; see `FitsFile.archive_table`."""
        return self.table(index)

    def _read_table(self, index: int) -> Any:
        hdu = self._known(index)
        form = table_form(hdu.cards) if hdu.kind == "table" else None
        if form is None or form.heap_end > hdu.size or form.heap_start < form.row_bytes * form.rows:
            return self._astropy().table(index)
        limits.require_table(form.rows, form.heap_end, f"in the table of HDU {index}")
        return BinaryTable(form, self._file.read(hdu.start, form.heap_end))

    def _known(self, index: int) -> HduLayout:
        if not self.has(index):
            raise ReadError(f"the file has no HDU {index} (its pointers are wrong)")
        return self._layout.hdus[index]

    def _astropy(self) -> FitsFile:
        if self._fully is None:
            self._fully = self._open_fully()
        return self._fully


@contextmanager
def open_known(state: FileState, layout: FileLayout) -> Iterator[KnownFile]:
    """Open a file of a known layout.

    Raises
    ------
    ReadError
        If it is gone or has changed, or the layout is that of a file of another size.
    """
    if layout.size != state.size:
        raise ReadError(f"the layout is that of a file of {layout.size} bytes; it has {state.size}")
    with state.open() as file, ExitStack() as opened:
        yield KnownFile(layout, file, state.path, lambda: opened.enter_context(open_fits(state.path)))
