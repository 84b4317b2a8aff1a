"""Bytes of files that must not change meanwhile."""

import os

import pytest

from forcedsql.errors import ReadError
from forcedsql.readers.file_bytes import FileState


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"0123456789")
    with FileState.of(path).open() as opened:
        yield opened


@pytest.mark.parametrize("place", [(-1, 2), (0, -1), (9, 2), (11, 0)])
def test_bytes_outside_the_file_are_refused(file, place):
    with pytest.raises(ReadError, match="the file has 10"):
        file.read(*place)


def test_bytes_that_come_in_parts_are_put_together(file, monkeypatch):
    pread = os.pread
    monkeypatch.setattr(os, "pread", lambda descriptor, count, start: pread(descriptor, min(count, 3), start))
    assert file.read(1, 8) == b"12345678"


def test_a_file_that_is_cut_short_meanwhile_is_refused(file, tmp_path):
    os.truncate(tmp_path / "a", 4)
    with pytest.raises(ReadError, match="cut short at byte 4"):
        file.read(2, 5)


def test_what_the_system_cannot_read_is_refused(file, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", fail)
    with pytest.raises(ReadError, match="bytes 2 to 7 cannot be read: Input/output error"):
        file.read(2, 5)
