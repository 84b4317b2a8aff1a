"""Pointers into the heap of a table that lead elsewhere, or share so much that memory would not do."""

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.fits_file import open_fits
from tests.fuzz.fits_bytes import FitsBytes


@pytest.fixture
def file():
    """A table of five variable-length arrays, and of a plain column."""
    cells = np.empty(5, object)
    cells[:] = [np.arange(n, dtype=np.int32) for n in (2, 0, 4, 0, 0)]
    columns = [fits.Column("n", "K", array=range(5)), fits.Column("cells", "PJ()", array=cells)]
    stream = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(stream)
    return FitsBytes.parse(stream.getvalue())


def cells_of(file):
    with open_fits(BytesIO(file.to_bytes())) as opened:
        return [list(cell) for cell in opened.table(1)["cells"]]


def test_a_sound_heap_is_read(file):
    assert cells_of(file) == [[0, 1], [], [0, 1, 2, 3], [], []]


@pytest.mark.parametrize("place", [(2, 20), (7, 0), (-1, 0), (2, -8), (2**31 - 1, 0), (0, 2**31 - 1)])
def test_pointers_out_of_the_heap_are_refused(file, place):
    hdu = file.hdus[1]
    hdu.point(hdu.columns()[1], 0, *place)
    with pytest.raises(ReadError, match="column cells points outside its table"):
        cells_of(file)


def test_arrays_that_share_too_much_are_refused(file, monkeypatch):
    hdu = file.hdus[1]
    for row in range(5):
        hdu.point(hdu.columns()[1], row, 6, 0)
    assert len(cells_of(file)[0]) == 6
    monkeypatch.setattr(limits, "MAX_TABLE_BYTES", 110)
    with pytest.raises(FileLimitError, match="bytes in column cells: 120; forcedsql reads at most 110"):
        cells_of(file)


def test_a_text_is_refused_for_the_memory_that_astropy_would_take(monkeypatch):
    """That is the square of its length."""
    columns = [fits.Column("text", "PA()", array=np.array(["ab", "abcdefghij"]))]
    stream = BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(stream)
    with open_fits(BytesIO(stream.getvalue())) as opened:
        assert ["".join(text) for text in opened.table(1)["text"]] == ["ab", "abcdefghij"]
    monkeypatch.setattr(limits, "MAX_TABLE_BYTES", 519)
    with (
        open_fits(BytesIO(stream.getvalue())) as opened,
        pytest.raises(FileLimitError, match="bytes in column text: 520; forcedsql reads at most 519"),
    ):
        opened.table(1)
