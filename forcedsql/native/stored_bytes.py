"""Pixels as compressed tiles store them, put together in C."""

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.native.library import Library


def join_bytes(library: Library, stored: AnyArray, pixels: AnyArray, columns: slice = slice(None)) -> None:
    """Put together numbers of four bytes that are stored apart, the most significant first.

    Parameters
    ----------
    library : Library
    stored : ndarray, (n, 4, width) uint8
        All first bytes of a row, then all second ones, ... (GZIP_2 of the FITS standard, section 10.4.2).
    pixels : ndarray, (n, width) of a type of four bytes
        C-contiguous, in the byte order of the machine; takes the numbers.
    columns : slice
        Those that are put together; the others of `pixels` stay as they are.
    """
    count, _, width = stored.shape
    first, end, _ = columns.indices(width)
    library.call(
        "join_bytes",
        count,
        width,
        first,
        end,
        library.given(stored, "uint8_t", count, 4, width),
        library.filled(pixels.view(np.uint32), "uint32_t", count, width),
    )
