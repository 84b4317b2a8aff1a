"""Rows of pixels that are gzipped one by one, unpacked to where they belong.

libdeflate takes a third to a half of zlib's time.  C calls it for all rows at once; where that is
not possible, Python calls it row by row.
"""

import deflate
import numpy as np

from forcedsql.arrays import AnyArray, IntArray
from forcedsql.errors import ReadError
from forcedsql.native import libdeflate_functions, native_library
from forcedsql.native import packed_rows as native_rows

LENGTH_BYTES = 4
"""A gzip member ends in the length of what it holds."""

_PADDING = b"\xff" * 64
"""libdeflate reads the end of its input byte by byte, and rows of one value pack to nothing but an end.

It cannot be the missing rest of a member, which would end in a length of 4 GB.
"""


def unpack_rows(packed: bytes, length: IntArray, pixels: AnyArray, columns: slice, *, shuffled: bool) -> None:
    """Unpack gzip members, each of which holds a row of big-endian numbers.

    Parameters
    ----------
    packed : bytes
        The members, one after the other.
    length : ndarray, (n,) int64, byte
        Of each member, `LENGTH_BYTES` at least.
    pixels : ndarray, (n, width)
        In the byte order of the machine; takes the numbers.
    columns : slice
        Those that are filled in; the others stay as they are.
    shuffled : bool
        All first bytes of a row are stored before all second ones, ... (GZIP_2 of the FITS
        standard 4.0, section 10.4.2).

    Raises
    ------
    ReadError
        If a member is damaged, or does not hold `width` numbers.
    """
    ends, row_bytes = np.cumsum(length), pixels.shape[1] * pixels.itemsize
    sizes = np.frombuffer(packed, np.uint8)[ends[:, None] + np.arange(-LENGTH_BYTES, 0)].view("<u4")
    if (sizes != row_bytes).any():
        raise ReadError("a compressed tile does not hold one row of pixels")
    library = native_library()
    functions = None if library is None else libdeflate_functions(library)
    if library is None or functions is None or not pixels.flags.c_contiguous:
        held = _unpack_one_by_one(packed, ends, pixels, columns, shuffled=shuffled)
    else:
        held = native_rows.unpack_rows(library, functions, packed, ends, pixels, columns, shuffled=shuffled)
    if (held < 0).any():
        raise ReadError("a compressed tile is damaged")
    if (held != row_bytes).any():
        raise ReadError(
            f"compressed tiles hold {held.sum()} bytes where {row_bytes * len(held)} are expected"
        )


def _unpack_one_by_one(
    packed: bytes, ends: IntArray, pixels: AnyArray, columns: slice, *, shuffled: bool
) -> IntArray:
    """Do what `forcedsql.native.packed_rows.unpack_rows` does."""
    held, row_bytes = np.empty(len(ends), np.int64), pixels.shape[1] * pixels.itemsize
    begin = 0
    for row, end in enumerate(ends.tolist()):
        try:
            stored = deflate.gzip_decompress(packed[begin:end] + _PADDING, row_bytes)
        except deflate.DeflateError:
            held[row] = -1
        else:
            held[row] = len(stored)
            if len(stored) == row_bytes:
                _put_in_order(np.frombuffer(stored, np.uint8), pixels[row], columns, shuffled=shuffled)
        begin = end
    return held


def _put_in_order(stored: AnyArray, pixels: AnyArray, columns: slice, *, shuffled: bool) -> None:
    """Write columns of an unpacked row to pixels, (width,)."""
    size = pixels.itemsize
    numbers = stored.reshape(size, -1).T if shuffled else stored.reshape(-1, size)
    pixels[columns] = np.ascontiguousarray(numbers[columns]).view(pixels.dtype.newbyteorder(">"))[:, 0]
