"""Positions that a query is about to ask for, measured many at a time.

DuckDB hands a function 2,048 rows at most.  On their own they cover an image thinly, and each
chunk would read all of it.  A query that announces its positions first gets them measured in
batches: the first chunk of a batch measures it, the others find their rows there.

Nothing depends on it: rows that were not announced, or come in another order, or few at a
time (LIMIT, or a filter on the positions), are measured as they come.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import count
from threading import Lock

import numpy as np
import pyarrow as pa

from forcedsql.arrays import FloatArray, IntArray
from forcedsql.database.cache import ExposureKey
from forcedsql.database.chunks import bits
from forcedsql.native import thread_limit

Measure = Callable[[FloatArray, FloatArray], pa.Array]

BATCH = 61_440
"""Positions measured at a time: half of DuckDB's row group, so that no batch lies across two."""

FEWEST = 1024
"""A chunk of fewer positions does not begin a batch: it may be all that a query asks for."""

MOST_ANNOUNCEMENTS = 4
"""Those before the last ones are forgotten, with what was measured and not fetched."""

_MOST_PLACES = 8


@dataclass(slots=True, eq=False)
class _Batch:
    results: "Future[pa.Array]"
    left: int


class Announcement:
    """Positions in the order in which a query has them.

    Parameters
    ----------
    ra, dec : ndarray, (n,) float64, degree

    Attributes
    ----------
    keys : dict of str to ExposureKey
        Exposures that the query has looked up, by id.
    """

    def __init__(self, ra: FloatArray, dec: FloatArray) -> None:
        self.keys: dict[str, ExposureKey] = {}
        self._ra, self._dec = ra, dec
        self._lock = Lock()
        self._next = {0}
        self._batches: OrderedDict[tuple[Hashable, int], _Batch] = OrderedDict()
        self._spent: set[tuple[Hashable, int]] = set()

    def measured(self, key: Hashable, ra: FloatArray, dec: FloatArray, measure: Measure) -> pa.Array | None:
        """Return what is measured at positions of a chunk, or None if they are not for a batch.

        Parameters
        ----------
        key : hashable
            The exposure and the kind of results: each has its own batches.
        ra, dec : ndarray, (n,) float64, degree
        measure : callable
            Measures any number of positions: gives an array as long as theirs.

        Returns
        -------
        pyarrow.Array, (n,), or None
        """
        start = self._place_of(ra, dec)
        if start is None:
            return None
        end = start + len(ra)
        parts = []
        for number in range(start // BATCH, (end - 1) // BATCH + 1):
            batch = self._batch(key, number, measure, may_begin=len(ra) >= FEWEST)
            if batch is None:
                return None
            first = number * BATCH
            rows = slice(max(start, first) - first, min(end, first + BATCH) - first)
            parts.append(batch.results.result()[rows])
            self._hand_out(key, number, batch, rows.stop - rows.start)
        return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)

    def _place_of(self, ra: FloatArray, dec: FloatArray) -> int | None:
        """Return where a chunk begins among the announced positions, None if it is not one run of them."""
        if not len(ra):
            return None
        with self._lock:
            start = next((likely for likely in self._next if self._is_at(likely, ra, dec)), None)
            if start is None:
                start = self._search(ra, dec)
            if start is not None:
                self._next.discard(start)
                self._next.add(start + len(ra))
        return start

    def _search(self, ra: FloatArray, dec: FloatArray) -> int | None:
        here: IntArray = np.flatnonzero(bits(self._ra) == bits(ra[:1]))
        here = here[bits(self._dec)[here] == bits(dec[:1])][:_MOST_PLACES]
        return next((start for start in here.tolist() if self._is_at(start, ra, dec)), None)

    def _is_at(self, start: int, ra: FloatArray, dec: FloatArray) -> bool:
        rows = slice(start, start + len(ra))
        return np.array_equal(bits(self._ra[rows]), bits(ra)) and np.array_equal(
            bits(self._dec[rows]), bits(dec)
        )

    def _batch(self, key: Hashable, number: int, measure: Measure, *, may_begin: bool) -> _Batch | None:
        place = key, number
        rows = slice(number * BATCH, (number + 1) * BATCH)
        with self._lock:
            batch = self._batches.get(place)
            if batch is not None:
                self._batches.move_to_end(place)
                return batch
            # No batch is measured twice, whatever becomes of it: work is bounded.
            if not may_begin or place in self._spent:
                return None
            batch = self._batches[place] = _Batch(Future(), len(self._ra[rows]))
            self._spent.add(place)
            while len(self._batches) > 2 * thread_limit():
                self._batches.popitem(last=False)
        try:
            batch.results.set_result(measure(self._ra[rows], self._dec[rows]))
        except BaseException as error:
            batch.results.set_exception(error)
            self._forget(key, number)
            raise
        return batch

    def _hand_out(self, key: Hashable, number: int, batch: _Batch, rows: int) -> None:
        with self._lock:
            batch.left -= rows
        if batch.left <= 0:
            self._forget(key, number)

    def _forget(self, key: Hashable, number: int) -> None:
        with self._lock:
            self._batches.pop((key, number), None)


class Announcements:
    """The last announcements, by their numbers."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._numbers = count(1)
        self._last: OrderedDict[int, Announcement] = OrderedDict()

    def add(self, ra: FloatArray, dec: FloatArray) -> int:
        """Return the number of a new announcement of positions, (n,) float64, degree."""
        with self._lock:
            number = next(self._numbers)
            self._last[number] = Announcement(ra, dec)
            if len(self._last) > MOST_ANNOUNCEMENTS:
                self._last.popitem(last=False)
        return number

    def get(self, number: int | None) -> Announcement | None:
        """Return an announcement, None if there is none of that number any more."""
        return None if number is None else self._last.get(number)
