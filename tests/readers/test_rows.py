"""Typed access to rows: every way in which a column can be another than the one that is asked for."""

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers.rows import Rows


def column(name, form, values):
    return fits.Column(name=name, format=form, array=np.array(values))


@pytest.fixture
def rows():
    table = fits.BinTableHDU.from_columns(
        [
            column("n", "J", [1, 2, 3]),
            column("two", "2D", [[1.0, 2.0]] * 3),
            column("three", "3D", [[1.0, 2.0, 3.0]] * 3),
            column("flags", "1X", [[True]] * 3),
            column("text", "4A", ["a", "b", "c"]),
            column("wide", "2I", [[1, 2]] * 3),
            column("bytes", "2B", [[1, 2]] * 3),
        ]
    ).data
    return Rows(table, flag_names=("first", "second"), row0=1, count=2, owner="it")


def test_rows_count_from_the_first_of_the_object(rows):
    assert (rows.integer("n"), rows.integer("n", 1), rows.integers("n")) == (2, 3, [2, 3])
    assert (rows.text("text"), rows.texts("text")) == ("b", ["b", "c"])
    assert rows.pair("two") == (1.0, 2.0)
    assert rows.flag("first")
    assert rows.blob("bytes", limit=2) == b"\1\2"


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda r: r.pair("n"), "n is not a point"),
        (lambda r: r.flag("third"), "has no flag 'third'"),
        (lambda r: r.flag("second"), "fewer flags than names"),
        (lambda r: r.blob("wide", limit=9), "unexpected type"),
        (lambda r: r.integer("n", 2), "it has 2 rows, row 2 is missing"),
        (lambda r: r.integer("n", -1), "row -1 is missing"),
        (lambda r: r.integer("wide"), "has 2 elements where one"),
        (lambda r: r.integers("wide"), "several elements where one"),
        (lambda r: r.integer("text"), "unexpected type"),
        (lambda r: r.integer("other"), "no column 'other'"),
    ],
)
def test_what_is_not_there_or_of_another_type_is_refused(rows, ask, said):
    with pytest.raises(ReadError, match=f"it: .*{said}"):
        ask(rows)


def test_more_elements_than_are_granted_are_refused(rows):
    for ask in (
        lambda: rows.pair("three"),
        lambda: rows.blob("bytes", limit=1),
        lambda: rows.vector("two", limit=1),
    ):
        with pytest.raises(FileLimitError, match="in it"):
            ask()


def test_bytes_are_no_wider_numbers():
    cells = np.array([[1, 2]], np.uint16)
    table = type("Table", (dict,), {"names": ("wide",)})(wide=cells)
    rows = Rows(table, flag_names=(), row0=0, count=1, owner="it")
    with pytest.raises(ReadError, match="wide is not made of bytes"):
        rows.blob("wide", limit=9)
