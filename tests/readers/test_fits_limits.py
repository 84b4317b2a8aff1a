"""Headers and packed files that ask for more than they are worth, refused before anything is allocated."""

import bz2
import gzip
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.fits_file import open_fits

BLOCK = 2880
ROWS = 2000


@pytest.fixture
def small():
    stream = BytesIO()
    table = fits.BinTableHDU.from_columns([fits.Column("n", "J", array=np.arange(ROWS))])
    fits.HDUList([fits.PrimaryHDU(np.ones((4, 5), np.float32)), table]).writeto(stream)
    return stream.getvalue()


def opened(path, content):
    path.write_bytes(content)
    with open_fits(path) as file:
        assert not file.has(2)
        return file.pixels(0).values, len(file.table(1))


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress])
def test_a_file_is_read_plain_and_packed(tmp_path, small, pack):
    image, rows = opened(tmp_path / "a.fits", pack(small))
    assert (image.sum(), rows) == (20.0, ROWS)


def test_bytes_are_read_as_a_file_is(small):
    with open_fits(BytesIO(small)) as file:
        assert file.pixels(0).values.sum() == 20.0


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_file_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch, small, pack):
    monkeypatch.setattr(limits, "MAX_UNPACKED_BYTES", 24_000)
    with pytest.raises(FileLimitError, match=r"more than 24000 bytes.*unpack it first"):
        opened(tmp_path / "a.fits", pack(small) + pack(bytes(10_000)))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_a_packed_file_that_is_cut_short_or_damaged_is_refused(tmp_path, small, pack):
    content = pack(small)
    for damaged in (content[:-20], content[:60] + b"\xff" * 9 + content[69:]):
        with pytest.raises(ReadError, match="cannot be unpacked"):
            opened(tmp_path / "a.fits", damaged)


def test_what_is_packed_twice_is_not_fits(tmp_path, small):
    with pytest.raises(ReadError, match="not a FITS file"):
        opened(tmp_path / "a.fits", gzip.compress(gzip.compress(small)))


@pytest.mark.parametrize("start", [b"SIMPLE  =", b""])
def test_a_header_that_does_not_end_is_refused(tmp_path, monkeypatch, small, start):
    monkeypatch.setattr(limits, "MAX_HEADER_BYTES", 4 * BLOCK)
    endless = start + b" " * (5 * BLOCK)
    content = endless if start else small + b"XTENSION= 'IMAGE   '".ljust(5 * BLOCK)
    with pytest.raises(FileLimitError, match=f"does not end within {4 * BLOCK} bytes"):
        opened(tmp_path / "a.fits", content)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (b"NAXIS   =           2147483647", "NAXIS in HDU [01]: 2147483647"),
        (b"TFIELDS =                 1000", "TFIELDS in HDU [01]: 1000"),
        (b"NAXIS   =" + b"9" * 70, "NAXIS in HDU [01]: 9999"),
    ],
)
def test_counts_of_cards_are_bounded_before_they_are_asked_for(tmp_path, small, card, message):
    name = card[:8]
    at = small.rindex(name)
    changed = small[:at] + card.ljust(80) + small[at + 80 :]
    with pytest.raises(FileLimitError, match=rf"{message}.*at most 999"):
        opened(tmp_path / "a.fits", changed)


@pytest.mark.parametrize(
    ("card", "name"),
    [
        (b"NAXIS1  = 'NOCOMPRESS'", "NAXIS1"),
        (b"HIERARCH PCOUNT = 'x'", "PCOUNT"),
        (b"naxis2  = '2'", "naxis2"),
        (b"GCOUNT  ='T'", "GCOUNT"),
    ],
)
def test_sizes_that_are_text_are_refused(tmp_path, small, card, name):
    """astropy would repeat the text as often as the other sizes say."""
    at = small.index(b"EXTEND  =")
    changed = small[:at] + card.ljust(80) + small[at + 80 :]
    with pytest.raises(ReadError, match=f"{name} in the header of HDU 0 is text"):
        opened(tmp_path / "a.fits", changed)


def test_data_that_go_back_in_the_file_are_refused(tmp_path, small):
    """The same HDU would follow itself, again and again."""
    at = small.rindex(b"GCOUNT  =")
    changed = small[:at] + b"GCOUNT  =                   -1".ljust(80) + small[at + 80 :]
    with pytest.raises(ReadError, match="HDU 1 says that its data are -"):
        opened(tmp_path / "a.fits", changed)


def test_headers_that_take_too_much_together_are_refused(tmp_path, monkeypatch, small):
    monkeypatch.setattr(limits, "MAX_ALL_HEADER_BYTES", BLOCK)
    with pytest.raises(FileLimitError, match=f"headers up to HDU 1: {2 * BLOCK}.*at most {BLOCK}"):
        opened(tmp_path / "a.fits", small)


def test_a_table_of_too_many_rows_is_refused(tmp_path, monkeypatch, small):
    monkeypatch.setattr(limits, "MAX_TABLE_ROWS", ROWS - 1)
    path = tmp_path / "a.fits"
    path.write_bytes(small)
    with open_fits(path) as file:
        for table in (file.table, file.archive_table):
            with pytest.raises(FileLimitError, match="rows in the table of HDU 1: 2000"):
                table(1)
        # A catalogue is not looked at row by row.
        assert len(file.first_table().data) == ROWS


def test_an_image_of_too_many_tiles_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "a.fits"
    hdu = fits.CompImageHDU(np.ones((20, 20), np.int32), compression_type="RICE_1", tile_shape=(1, 20))
    hdu.writeto(path)
    monkeypatch.setattr(limits, "MAX_TABLE_ROWS", 19)
    with open_fits(path) as file, pytest.raises(FileLimitError, match="its compressed tiles: 20"):
        file.pixels(1)


def test_what_is_asked_for_must_be_there(tmp_path, small):
    path = tmp_path / "a.fits"
    path.write_bytes(small)
    with open_fits(path) as file:
        assert not file.has(-1)
        for ask, said in (
            (lambda: file.rows(1, 0, 1), "is a BinTableHDU, not an image"),
            (lambda: file.rows(0, 2, 9), "no complete image"),
            (lambda: file.pixels(1), "is a BinTableHDU, not an image"),
            (lambda: file.table(0), "not a binary table"),
        ):
            with pytest.raises(ReadError, match=said):
                ask()


def test_a_file_without_a_table_has_none(tmp_path):
    path = tmp_path / "a.fits"
    fits.PrimaryHDU(np.ones((4, 5))).writeto(path)
    with open_fits(path) as file, pytest.raises(ReadError, match="there is no table; the file holds PRIMARY"):
        file.first_table()


def test_hdus_that_nobody_reads_are_in_the_layout(tmp_path):
    path = tmp_path / "a.fits"
    ascii_table = fits.TableHDU.from_columns([fits.Column("n", "I4", array=np.arange(3))])
    fits.HDUList([fits.PrimaryHDU(), ascii_table]).writeto(path)
    with open_fits(path) as file:
        assert [hdu.kind for hdu in file.layout().hdus] == ["image", "other"]
