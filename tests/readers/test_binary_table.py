"""Binary tables by a known header: what astropy reads, and nothing beyond the bytes given."""

from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.errors import ReadError
from forcedsql.readers.binary_table import BinaryTable, table_form
from forcedsql.readers.layout import plain_cards

CODES = {"B": np.uint8, "I": np.int16, "J": np.int32, "K": np.int64, "E": np.float32, "D": np.float64}


def as_bytes(hdu):
    """The header and the data of a table HDU as they are in a file."""
    text = fits.HDUList([fits.PrimaryHDU(), hdu])
    stream = BytesIO()
    text.writeto(stream)
    data = stream.getvalue()
    with fits.open(BytesIO(data)) as hdus:
        start = hdus[1].fileinfo()["datLoc"]
        return plain_cards(dict(hdus[1].header)), data[start:]


@st.composite
def columns(draw):
    rows = draw(st.integers(1, 4))
    made = []
    for n in range(draw(st.integers(1, 6))):
        kind = draw(st.sampled_from([*CODES, "X", "A", "Q", "P"]))
        count = draw(st.integers(1, 5))
        rng = np.random.default_rng(draw(st.integers(0, 99)))
        if kind in CODES:
            form, array = f"{count}{kind}", rng.integers(0, 200, (rows, count)).astype(CODES[kind])
            array = array[:, 0] if count == 1 else array
        elif kind == "X":
            form, array = f"{count * 3}X", rng.integers(0, 2, (rows, count * 3)).astype(bool)
        elif kind == "A":
            form = f"{count}A"
            array = np.array(
                ["".join(rng.choice(list("ab c"), rng.integers(0, count + 1))) for _ in range(rows)]
            )
        else:
            item = draw(st.sampled_from("BIJKED"))
            form, array = f"{kind}{item}", np.empty(rows, object)
            for row in range(rows):
                array[row] = rng.integers(0, 200, rng.integers(0, 5)).astype(CODES[item])
        made.append(fits.Column(name=f"c{n}", format=form, array=array))
    return made


@settings(deadline=None, max_examples=60)
@given(columns())
def test_cells_are_those_of_astropy(made):
    hdu = fits.BinTableHDU.from_columns(made)
    cards, data = as_bytes(hdu)
    form = table_form(cards)
    assert form is not None
    table = BinaryTable(form, data)
    assert (list(table.names), len(table)) == (hdu.columns.names, len(hdu.data))
    for name in table.names:
        for row in range(len(table)):
            ours, theirs = np.asarray(table[name][row]), np.asarray(hdu.data[name][row])
            if theirs.dtype.kind == "U":
                assert str(ours).rstrip() == str(theirs).rstrip()
            else:
                assert (ours.dtype.kind, ours.shape) == (theirs.dtype.kind, theirs.shape)
                np.testing.assert_array_equal(ours, theirs)


def small_table():
    array = np.empty(2, object)
    array[:] = [np.arange(3, dtype=np.uint8), np.arange(5, dtype=np.uint8)]
    return as_bytes(
        fits.BinTableHDU.from_columns(
            [fits.Column("n", "J", array=[1, 2]), fits.Column("bytes", "QB", array=array)]
        )
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"TFORM1": "1C"},
        {"TFORM1": "2J"},
        {"TFORM1": "999999999J"},
        {"TFORM1": None},
        {"TSCAL1": 2.0},
        {"TZERO1": 32768},
        {"TNULL1": 0},
        {"TDIM1": "(1)"},
        {"TTYPE2": "N"},
        {"TFIELDS": 3},
        {"TFIELDS": 10**9},
        {"NAXIS2": -1},
        {"NAXIS2": 10**12},
    ],
)
def test_unusual_headers_are_left_to_astropy(changes):
    cards, _ = small_table()
    assert table_form(cards | changes) is None


@pytest.mark.parametrize("column", [{"NAXIS2": 3000}, {"THEAP": 10**7}])
def test_nothing_outside_the_data_is_read(column):
    cards, data = small_table()
    form = table_form(cards | column)
    assert form is not None
    with pytest.raises(ReadError, match=r"cut short|outside its table"):
        _ = BinaryTable(form, data)["bytes"]


@pytest.mark.parametrize(
    "changes",
    [
        {"TFORM1": "2PB(9)"},
        {"TFORM1": "1C"},
        {"TDIM1": "(2,2)"},
        {"NAXIS1": 5},
        {"NAXIS2": -1},
        {"NAXIS2": 2**40},
        {"TFIELDS": "x"},
        {"TTYPE1": ""},
    ],
)
def test_a_table_of_another_make_has_no_form(changes):
    cards, _ = as_bytes(fits.BinTableHDU.from_columns([fits.Column("n", "J", array=[1, 2])]))
    assert table_form(cards).rows == 2
    assert table_form(cards | changes) is None
