"""The pixels of exposures as kernels take them, made once per exposure."""

from threading import Lock
from weakref import WeakKeyDictionary

import numpy as np

from forcedsql.exposure import Exposure
from forcedsql.measure.kernels import Planes
from forcedsql.measure.kernels.protocol import contiguous

_planes: WeakKeyDictionary[Exposure, Planes] = WeakKeyDictionary()
_planes_lock = Lock()


def planes_of(exposure: Exposure) -> Planes:
    """Return the planes of an exposure, all rows of them read.

    Raises
    ------
    ReadError
        If the exposure's file is damaged, or has changed.
    """
    every = np.ones(exposure.shape[0], np.bool_)
    exposure.read_rows(every, every)
    return planes_so_far(exposure)


def planes_so_far(exposure: Exposure) -> Planes:
    """Return the planes of an exposure, which may lack rows that no one has looked at."""
    with _planes_lock:
        planes = _planes.get(exposure)
        if planes is None:
            image, mask, variance = exposure.planes_so_far()
            planes = Planes(
                contiguous(image, np.float32), contiguous(variance, np.float32), contiguous(mask, np.int32)
            )
            _planes[exposure] = planes
    return planes
