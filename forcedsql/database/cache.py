"""Opened exposures, kept within a byte budget and shared by threads."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from itertools import islice
from threading import Lock
from typing import NamedTuple

from forcedsql.exposure import Exposure
from forcedsql.native import thread_limit

DEFAULT_CACHE_BYTES = 2**30
_STILL_GROWING = 4
"""How many exposures per thread, of those used last, may have grown since they were looked at."""
OTHER_BYTES = 2**18
"""What an exposure takes without its pixels: PSF, projections, tables."""


class ExposureKey(NamedTuple):
    """What tells one state of one exposure from every other.

    Parameters
    ----------
    exposure_id, path : str
    mtime_ns : int, nanosecond
        Modification time of the file as it is now.
    sha256 : str
        Checksum of the file as it was registered.
    options, side_files : str
        How a plain FITS image is opened, and the state of the other files that it is made of;
        see the table ``exposure_options``.  Empty for exposures that describe themselves.
    """

    exposure_id: str
    path: str
    mtime_ns: int
    sha256: str
    options: str = ""
    side_files: str = ""


class ExposureCache:
    """The most recently used exposures.

    Parameters
    ----------
    budget : int, byte
        Kept at most; the exposure used last is kept however large it is.  Exposures grow as
        their pixels are read: `trim` brings them back into the budget.
    """

    def __init__(self, budget: int = DEFAULT_CACHE_BYTES) -> None:
        self.budget = budget
        self._lock = Lock()
        self._entries: OrderedDict[ExposureKey, Future[Exposure]] = OrderedDict()
        self._bytes: dict[ExposureKey, int] = {}

    def get(self, key: ExposureKey, open_: Callable[[], Exposure]) -> Exposure:
        """Return the exposure of a key, opened by `open_` if it is not at hand.

        Several threads that ask for one key at a time share one opening; if that fails,
        each of them gets the error, and the next to ask tries again.
        """
        with self._lock:
            entry = self._entries.get(key)
            opening = entry is None
            if entry is None:
                entry = self._entries[key] = Future()
            self._entries.move_to_end(key)
        if opening:
            self._open(key, entry, open_)
        return entry.result()

    def __contains__(self, key: ExposureKey) -> bool:
        return key in self._entries

    def _open(self, key: ExposureKey, entry: "Future[Exposure]", open_: Callable[[], Exposure]) -> None:
        try:
            entry.set_result(open_())
        except BaseException as error:
            with self._lock:
                self._entries.pop(key, None)
            entry.set_exception(error)
            raise
        self._trim(_STILL_GROWING * thread_limit())

    def trim(self) -> None:
        """Let go of the exposures used longest ago, as far as all together are over the budget."""
        self._trim(len(self._entries))

    def _trim(self, looked_at: int) -> None:
        with self._lock:
            self._look_at(looked_at)
            excess = sum(self._bytes.values()) - self.budget
            if excess <= 0:
                return
            for key in [key for key in self._entries if key in self._bytes][:-1]:
                del self._entries[key]
                excess -= self._bytes.pop(key)
                if excess <= 0:
                    break

    def _look_at(self, count: int) -> None:
        """See how large the exposures used last are now; of the others it is remembered."""
        for key, entry in islice(reversed(self._entries.items()), count):
            if entry.done():
                self._bytes[key] = size_of(entry.result())

    @property
    def size(self) -> int:
        """Bytes held."""
        with self._lock:
            self._look_at(len(self._entries))
            return sum(self._bytes.values())

    def __len__(self) -> int:
        return len(self._entries)

    def clear(self) -> None:
        """Let go of every exposure."""
        with self._lock:
            self._entries.clear()
            self._bytes.clear()


def size_of(exposure: Exposure) -> int:
    """Return the bytes of an exposure: of its pixels and background, and about those of all else."""
    from forcedsql.measure.mesh_background import mesh_bytes  # noqa: PLC0415 - loads scipy

    return exposure.nbytes + mesh_bytes(exposure) + OTHER_BYTES
