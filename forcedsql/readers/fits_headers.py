"""FITS headers looked at before astropy parses them, which takes every count in them at its word."""

import re

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.file_bytes import FileBytes

_CARD = 80
_BLOCK = 2880
# Counts of numbered cards: astropy asks for each of them.
_COUNT = re.compile(rb"(NAXIS|TFIELDS|ZNAXIS) *= *\+?(\d+)")


def require_fits_magic(file: FileBytes) -> None:
    """Refuse what does not start as FITS does, whatever else astropy would read; ReadError."""
    magic = file.read(0, min(9, file.size))
    if magic != b"SIMPLE  =":
        seen = "it is empty" if not magic else f"it starts with {magic!r}"
        raise ReadError(f"not a FITS file: {seen}; forcedsql reads FITS (.fits, .fits.gz, .fits.fz)")


def require_bounded_header(file: FileBytes, start: int) -> None:
    """Refuse a header that is too long, or counts more axes or columns than FITS has.

    Parameters
    ----------
    file : FileBytes
    start : int, byte
        Where the header begins; there may be nothing.

    Raises
    ------
    FileLimitError
        If it asks for more than a reader grants.
    """
    for at in range(start, min(file.size, start + limits.MAX_HEADER_BYTES), _BLOCK):
        block = file.read(at, min(_BLOCK, file.size - at))
        cards = [block[first : first + _CARD] for first in range(0, len(block), _CARD)]
        for card in cards:
            if card.rstrip() == b"END":
                return
            if (match := _COUNT.match(card)) is not None:
                # More than 20 digits are not turned into a number, which takes long for many.
                count = int(match[2][:20])
                limits.require_at_most(count, limits.MAX_NUMBERED_CARDS, f"{match[1].decode()} in a header")
    if file.size - start >= limits.MAX_HEADER_BYTES:
        raise FileLimitError(
            f"the header at byte {start} does not end within {limits.MAX_HEADER_BYTES} bytes, "
            "the most that forcedsql reads of one"
        )
