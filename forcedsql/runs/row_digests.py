"""A hash of each row of a table of numbers, the same on every machine and in every version."""

import hashlib
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Digests = npt.NDArray[np.uint64]


def row_digests(columns: Mapping[str, pa.Array]) -> Digests:
    """Return a hash of each row.

    It depends on names and values, not on the order of rows.  A NULL leaves nothing behind:
    a column of nothing else is as good as none.

    Parameters
    ----------
    columns : mapping of str to pyarrow.Array, (n,)
        int64 or float64; every NaN is the same, and -0 is 0.

    Returns
    -------
    ndarray, (n,) uint64
    """
    digests = np.zeros(len(next(iter(columns.values()))), np.uint64)
    for name, column in columns.items():
        values = column.fill_null(0).to_numpy(zero_copy_only=False)
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), np.nan, values + 0.0)
        salt = np.frombuffer(hashlib.sha256(name.encode()).digest()[:8], "<u8")[0]
        mixed = _mix(digests ^ _mix(values.view(np.uint64) ^ salt))
        missing = column.is_null().to_numpy(zero_copy_only=False)
        digests = np.where(missing, digests, mixed)
    return digests


def _mix(bits: Digests) -> Digests:
    """Return bits in which each depends on all (Steele, Lea & Flood 2014, OOPSLA, 453: SplitMix64)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
