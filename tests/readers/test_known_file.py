"""A file of a known layout answers as the file does whose headers are read."""

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.file_bytes import FileState
from forcedsql.readers.fits_file import open_fits
from forcedsql.readers.known_file import open_known

PIXELS = np.arange(30, dtype=np.float32).reshape(5, 6)


@pytest.fixture
def path(tmp_path):
    scaled = fits.Column(name="n", format="I", array=np.arange(4, dtype=np.uint16), bzero=32768)
    tables = [
        fits.BinTableHDU.from_columns([fits.Column(name="n", format="J", array=np.arange(4))], name="PLAIN"),
        fits.BinTableHDU.from_columns([scaled], name="SCALED"),
    ]
    target = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(PIXELS, name="IMAGE"), *tables]).writeto(target)
    return target


@pytest.fixture
def layout(path):
    with open_fits(path) as file:
        return file.layout()


def test_images_and_tables_are_the_same(path, layout):
    with open_known(FileState.of(path), layout) as known, open_fits(path) as full:
        assert known.summary() == "image, IMAGE, PLAIN, SCALED"
        assert known.layout() is layout
        for read in (lambda file: file.pixels(1), lambda file: file.rows(1, 2, 2)):
            one, other = read(known), read(full)
            np.testing.assert_array_equal(one.values, other.values)
            assert one.compressed is other.compressed is False
        for index in (2, 3):
            np.testing.assert_array_equal(known.table(index)["n"], full.table(index)["n"])


def test_an_hdu_that_is_not_there_is_refused(path, layout):
    with open_known(FileState.of(path), layout) as known:
        assert not known.has(4)
        with pytest.raises(ReadError, match="no HDU 4"):
            known.cards(4)


def test_a_table_of_too_many_rows_is_refused(path, layout, monkeypatch):
    monkeypatch.setattr(limits, "MAX_TABLE_ROWS", 3)
    with open_known(FileState.of(path), layout) as known, pytest.raises(FileLimitError, match="HDU 2: 4"):
        known.table(2)


def test_a_file_of_another_size_or_time_is_refused(path, layout):
    state = FileState.of(path)
    path.write_bytes(path.read_bytes() + b"\0")
    with (
        pytest.raises(ReadError, match="layout is that of a file of"),
        open_known(FileState.of(path), layout),
    ):
        pass
    with pytest.raises(ReadError, match="it has changed"), open_known(state, layout):
        pass
    path.unlink()
    with pytest.raises(ReadError, match="cannot be opened: No such file"), open_known(state, layout):
        pass
