"""FITS headers looked at before astropy parses them, which takes every count in them at its word."""

import re
from typing import Any

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.file_bytes import FileBytes

_CARD = 80
_BLOCK = 2880
# Counts of numbered cards, and numbers that sizes are multiplied from: astropy asks for each of the
# first, and repeats a text as often as the others say.
_COUNT = re.compile(rb"(?:HIERARCH +)?(NAXIS|TFIELDS|ZNAXIS) *= *\+?(\d+)", re.IGNORECASE)
_TEXT = re.compile(rb"(?:HIERARCH +)?(Z?NAXIS\d*|Z?BITPIX|[PG]COUNT|TFIELDS) *= *'", re.IGNORECASE)


def require_fits_magic(file: FileBytes) -> None:
    """Refuse what does not start as FITS does, whatever else astropy would read; ReadError."""
    magic = file.read(0, min(9, file.size))
    if magic != b"SIMPLE  =":
        seen = "it is empty" if not magic else f"it starts with {magic!r}"
        raise ReadError(f"not a FITS file: {seen}; forcedsql reads FITS (.fits, .fits.gz, .fits.fz)")


def require_bounded_header(file: FileBytes, start: int, index: int) -> None:
    """Refuse a header that is too long, or counts more axes or columns than FITS has.

    Parameters
    ----------
    file : FileBytes
    start : int, byte
        Where the header begins; there may be nothing.
    index : int
        Number of its HDU, for messages.

    Raises
    ------
    ReadError
        If a size in it is text.
    FileLimitError
        If it asks for more than a reader grants.
    """
    for at in range(start, min(file.size, start + limits.MAX_HEADER_BYTES), _BLOCK):
        block = file.read(at, min(_BLOCK, file.size - at))
        cards = [block[first : first + _CARD] for first in range(0, len(block), _CARD)]
        for card in cards:
            if card.rstrip() == b"END":
                return
            if (match := _TEXT.match(card)) is not None:
                raise ReadError(f"{match[1].decode()} in the header of HDU {index} is text, not a number")
            if (match := _COUNT.match(card)) is not None:
                # More than 20 digits are not turned into a number, which takes long for many.
                count = int(match[2][:20])
                limits.require_at_most(
                    count, limits.MAX_NUMBERED_CARDS, f"{match[1].decode()} in HDU {index}"
                )
    if file.size - start >= limits.MAX_HEADER_BYTES:
        raise FileLimitError(
            f"the header of HDU {index} does not end within {limits.MAX_HEADER_BYTES} bytes, "
            "the most that forcedsql reads of one"
        )


class HeaderGuard:
    """Looks at each header of a file before astropy reads it, and at what they take together.

    Parameters
    ----------
    file : FileBytes
        Its first header has been looked at.
    """

    def __init__(self, file: FileBytes) -> None:
        self._file = file
        self._seen = 1
        self._nbytes = 0

    def look_before(self, index: int, hdus: Any) -> None:
        """Look at all headers up to that of an HDU.

        Parameters
        ----------
        index : int
        hdus : astropy.io.fits.HDUList

        Raises
        ------
        IndexError
            If there is no HDU before it.
        ReadError
            If one of them says that its data go back in the file, where reading would not end.
        FileLimitError
            If they ask for more than a reader grants.
        """
        for before in range(self._seen - 1, index):
            place = hdus[before].fileinfo()
            if place["datSpan"] < 0:
                raise ReadError(f"HDU {before} says that its data are {place['datSpan']} bytes")
            self._nbytes += place["datLoc"] - place["hdrLoc"]
            what = f"bytes of the headers up to HDU {before}"
            limits.require_at_most(self._nbytes, limits.MAX_ALL_HEADER_BYTES, what)
            require_bounded_header(self._file, place["datLoc"] + place["datSpan"], before + 1)
            self._seen += 1
