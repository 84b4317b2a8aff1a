"""Rows of pixels that are gzipped one by one, unpacked in C."""

from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray, IntArray
from forcedsql.native.library import Library


def unpack_rows(
    library: Library,
    libdeflate: Any,
    packed: bytes,
    ends: IntArray,
    pixels: AnyArray,
    columns: slice = slice(None),
    *,
    shuffled: bool,
) -> IntArray:
    """Unpack gzip members, each of which holds a row of big-endian numbers.

    Parameters
    ----------
    library : Library
    libdeflate : cdata
        As `forcedsql.native.libdeflate_functions` gives it.
    packed : bytes
        The members, one after the other; they may be damaged.
    ends : ndarray, (n,) int64, byte
        Where each of them ends, rising, the last one with `packed`.
    pixels : ndarray, (n, width)
        C-contiguous, in the byte order of the machine; takes the numbers.
    columns : slice
        Those that are filled in; the others stay as they are.
    shuffled : bool
        All first bytes of a row are stored before all second ones, ... (GZIP_2 of the FITS
        standard 4.0, section 10.4.2).

    Returns
    -------
    ndarray, (n,) int64
        How many bytes each member held, -1 where it is damaged or holds more than its row.
        Rows of which there are too few are not filled in.

    Raises
    ------
    ValueError
        If the ends are not those of parts of `packed`, or the pixels cannot take the rows.
    """
    if len(ends) and (np.diff(ends, prepend=0).min() < 0 or ends[-1] != len(packed)):
        raise ValueError(f"rows do not end in order, the last one at byte {len(packed)}")
    count, width = pixels.shape
    first, end, step = columns.indices(width)
    if step != 1:
        raise ValueError(f"columns are filled in one after the other, not in steps of {step}")
    held = np.empty(count, np.int64)
    library.call(
        "unpack_rows",
        libdeflate,
        count,
        width,
        pixels.itemsize,
        first,
        end,
        shuffled,
        library.ffi.from_buffer("uint8_t[]", packed),
        library.given(ends, "int64_t", count),
        library.filled(pixels.view(np.uint8), "uint8_t", count, width * pixels.itemsize),
        library.filled(held, "int64_t", count),
    )
    return held
