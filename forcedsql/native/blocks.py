"""Blocks of images of several sizes, as the C functions take them."""

from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray, FloatArray, IntArray
from forcedsql.native.library import Library


def sizes_within(sizes: IntArray | None, count: int, largest: int) -> IntArray:
    """Return heights or widths of n images, (n,) int64; ValueError if one is larger than its plane.

    None stands for images that fill their planes.
    """
    if sizes is None:
        return np.full(count, largest)
    if len(sizes) and not (sizes.min() >= 0 and sizes.max() <= largest):
        raise ValueError(f"images of {sizes.min()} to {sizes.max()} pixels in a plane of {largest}")
    return sizes


def rows_contiguous(block: AnyArray) -> bool:
    """Tell whether the elements of each row of a block, (n, h, w), follow one another in memory."""
    whole = all(stride >= 0 and stride % block.itemsize == 0 for stride in block.strides)
    return whole and (block.shape[2] < 2 or block.strides[2] == block.itemsize)


def readable(images: FloatArray) -> FloatArray:
    """Return images, (n, h, w) float64, with contiguous rows: themselves, or a copy."""
    images = np.asarray(images, dtype=np.float64)
    return images if rows_contiguous(images) else np.ascontiguousarray(images)


def block_of(library: Library, images: FloatArray) -> tuple[Any, int, int]:
    """Return the address of a block of images, and the elements between images and between rows."""
    address = library.ffi.cast("double *", images.__array_interface__["data"][0])
    return address, images.strides[0] // images.itemsize, images.strides[1] // images.itemsize
