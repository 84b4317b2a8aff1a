"""Pointers of a binary table into its heap, checked before astropy follows them."""

import re
from typing import Any

import numpy as np

from forcedsql.errors import ReadError
from forcedsql.readers import limits

_VARIABLE = re.compile(r"[01]?[PQ](?P<item>[LXBIJKAEDCM])")
_CHARACTER_BYTES = 5
_ITEM_BYTES = {"I": 2, "J": 4, "K": 8, "E": 4, "D": 8, "C": 8, "M": 16}


def require_sound_heap(table: Any, heap_bytes: int) -> None:
    """Refuse arrays of variable length that are not in the heap, or take too much together.

    Parameters
    ----------
    table : astropy.io.fits.FITS_rec
    heap_bytes : int, byte
        What the table has after its rows.

    Raises
    ------
    ReadError
        If a pointer leads out of the heap.
    FileLimitError
        If the arrays, which may share what is stored, are more than a reader grants.
    """
    pointers = table.view(np.ndarray)
    for column, name in zip(table.columns, pointers.dtype.names or (), strict=True):
        match = _VARIABLE.match(column.format)
        if match is None or pointers[name].size != 2 * len(pointers):
            continue
        count, offset = pointers[name].astype(np.int64).reshape(-1, 2).T
        item = _ITEM_BYTES.get(match["item"], 1)
        outside = (np.minimum(count, offset) < 0) | (np.maximum(count, offset) > heap_bytes)
        if outside.any() or (item * count + offset > heap_bytes).any():
            raise ReadError(f"column {column.name} points outside its table")
        # astropy makes each character of a text as wide as the whole text, in bytes and in Unicode.
        width = _CHARACTER_BYTES * count if match["item"] == "A" else item
        total = int((width * count.astype(np.float64)).sum())
        limits.require_at_most(total, limits.MAX_TABLE_BYTES, f"bytes in column {column.name}")
