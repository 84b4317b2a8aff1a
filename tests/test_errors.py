"""The text of every error is one printable line, whatever a file wrote into it."""

import pytest

from forcedsql.errors import ConfigError, ReadError, TableError


@pytest.mark.parametrize("kind", [ReadError, ConfigError, TableError])
def test_a_text_of_several_lines_becomes_one(kind):
    assert str(kind("rows\n\tof\r\na file ")) == "rows of a file"


def test_what_a_terminal_would_obey_is_escaped():
    assert str(ReadError("\x1b[2Jcolumn\x00 \udc80\u2028")) == r"\x1b[2Jcolumn\x00 \udc80"


def test_the_start_and_the_end_of_a_long_text_are_kept():
    for filler in ("x", "\x00", "word "):
        text = str(ReadError(f"file: {filler * 1_000_000}; at most 10 are read"))
        assert text.startswith("file: ")
        assert text.endswith("; at most 10 are read")
        assert len(text) < 1100


def test_a_usual_text_stays_as_it_is():
    assert str(ReadError("α of  'b'")) == "α of  'b'"
