"""The SQL functions that measure fluxes at positions."""

import threading
from dataclasses import replace

import numpy as np
import pyarrow as pa

from forcedsql.arrays import FloatArray
from forcedsql.database.by_exposure import arrays_of_each
from forcedsql.database.cache import ExposureKey
from forcedsql.database.chunks import MeasuredChunk, Structs, list_floats
from forcedsql.database.read_ahead import Announcements
from forcedsql.database.session import Session
from forcedsql.errors import DatabaseError
from forcedsql.exposure import Exposure
from forcedsql.measure.driver import measure_positions
from forcedsql.schema import lsst_names, source_columns

MOST_THREADS = 64
"""Threads whose last chunk is kept."""


class Photometry:
    """Measures chunks of positions, with columns named in one of two ways.

    Parameters
    ----------
    session : Session
        Its configuration is used without a joint fit: that needs all positions at once, and a
        chunk is a part of them.

    Attributes
    ----------
    source, lsst : Structs
        The results.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.config = replace(session.config, deblend="none")
        self.source = Structs.of((c.source, c.source, c.type) for c in source_columns(self.config))
        self.lsst = Structs.of((name, c.source, c.type) for name, c in lsst_names(self.config))
        self.announcements = Announcements()
        # By thread, so that threads do not take each other's chunk away.  Not threading.local:
        # DuckDB's own threads get a new Python state, and with it new locals, at every call.
        self._last: dict[int, dict[ExposureKey, MeasuredChunk]] = {}

    def forced_phot(self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray) -> pa.Array:
        """Measure rows as they come, with columns of the Source table."""
        return self._measured(ids, ra, dec, self.source)

    def forced_phot_lsst(self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray) -> pa.Array:
        """Measure rows as they come, with columns of the LSST driver."""
        return self._measured(ids, ra, dec, self.lsst)

    def announce(self, places: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray) -> pa.Array:
        """Return the number of an announcement for each row of lists, NULL where there are no positions."""
        numbers = [
            self.announcements.add(*_in_order(*lists)) if all(values.is_valid for values in lists) else None
            for lists in zip(places, ra, dec, strict=True)
        ]
        return pa.array(numbers, pa.int64())

    def announced(
        self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray, numbers: pa.ChunkedArray
    ) -> pa.Array:
        """Measure announced rows, with columns of the Source table."""
        return self._measured_ahead(ids, ra, dec, numbers, self.source)

    def announced_lsst(
        self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray, numbers: pa.ChunkedArray
    ) -> pa.Array:
        """Measure announced rows, with columns of the LSST driver."""
        return self._measured_ahead(ids, ra, dec, numbers, self.lsst)

    def _measured_ahead(
        self,
        ids: pa.ChunkedArray,
        ra: pa.ChunkedArray,
        dec: pa.ChunkedArray,
        numbers: pa.ChunkedArray,
        structs: Structs,
    ) -> pa.Array:
        announcement = self.announcements.get(numbers[0].as_py() if len(numbers) else None)
        if announcement is None:
            return self._measured(ids, ra, dec, structs)

        def measure(key: ExposureKey, exposure: Exposure, a: FloatArray, b: FloatArray) -> pa.Array:
            def evaluate(some_ra: FloatArray, some_dec: FloatArray) -> pa.Array:
                return structs.array(measure_positions(exposure, some_ra, some_dec, self.config))

            results = announcement.measured((key, structs is self.lsst), a, b, evaluate)
            return evaluate(a, b) if results is None else results

        return arrays_of_each(self.session, ids, (ra, dec), structs.type, measure, known=announcement.keys)

    def _measured(
        self,
        ids: pa.ChunkedArray,
        ra: pa.ChunkedArray,
        dec: pa.ChunkedArray,
        structs: Structs,
    ) -> pa.Array:
        before = self._last.get(threading.get_ident(), {})
        now: dict[ExposureKey, MeasuredChunk] = {}

        def measure(key: ExposureKey, exposure: Exposure, a: FloatArray, b: FloatArray) -> pa.Array:
            known = before.get(key)
            rows = None if known is None else known.rows_of(a, b)
            if known is not None and rows is not None:
                now[key] = known
                return structs.array({name: values[rows] for name, values in known.columns.items()})
            columns = measure_positions(exposure, a, b, self.config)
            now[key] = MeasuredChunk(a, b, columns)
            return structs.array(columns)

        result = arrays_of_each(self.session, ids, (ra, dec), structs.type, measure)
        if len(self._last) > MOST_THREADS:
            self._last.clear()
        self._last[threading.get_ident()] = now
        return result


def _in_order(places: pa.ListScalar, ra: pa.ListScalar, dec: pa.ListScalar) -> tuple[FloatArray, FloatArray]:
    """Return positions in the order of their places: lists that several threads make are in none."""
    if not len(places) == len(ra) == len(dec):
        raise DatabaseError(
            f"announce_positions: {len(places)} places, {len(ra)} values of ra and {len(dec)} of dec; "
            "the lists must be equally long"
        )
    order = np.argsort(list_floats(places), kind="stable")
    return list_floats(ra)[order], list_floats(dec)[order]
