"""Arrays as JSON can hold them: shape and base64 of their bytes, to the bit."""

import base64
import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from forcedsql.arrays import AnyArray


def plain_array(array: AnyArray) -> dict[str, Any]:
    """Return an array as JSON values; its bytes are little-endian."""
    # The order in memory decides the order of sums in matrix products, and so their last bits.
    order: Literal["C", "F"] = "F" if np.isfortran(array) else "C"
    data = array.astype(array.dtype.newbyteorder("<")).tobytes(order)
    return {"shape": list(array.shape), "order": order, "data": base64.b64encode(data).decode("ascii")}


def array_of_plain(value: Any, dtype: npt.DTypeLike) -> AnyArray:
    """Return the array that JSON values stand for, of native byte order.

    Raises
    ------
    ValueError, TypeError, LookupError, OverflowError
        If they are not what `plain_array` gives for this type, or the array is empty.
    """
    shape = [int(side) for side in value["shape"]]
    stored = np.dtype(dtype).newbyteorder("<")
    data = base64.b64decode(value["data"], validate=True)
    if not shape or min(shape) < 1 or math.prod(shape) * stored.itemsize != len(data):
        raise ValueError(f"{len(data)} bytes are not an array of shape {shape}")
    if stored.kind == "b" and set(data) - {0, 1}:
        raise ValueError("its bytes are neither true nor false")
    order: Literal["C", "F"] = "F" if value["order"] == "F" else "C"
    return np.frombuffer(data, stored).reshape(shape, order=order).astype(np.dtype(dtype))
