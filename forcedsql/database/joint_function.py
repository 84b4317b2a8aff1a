"""The SQL function behind ``forced_photometry_joint``: one row holds all positions of an image."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from forcedsql.arrays import FloatArray
from forcedsql.database.chunks import Structs, list_floats
from forcedsql.database.session import Session
from forcedsql.measure.driver import measure_positions
from forcedsql.schema import source_columns


class JointPhotometry:
    """Measures lists of positions, each list with its joint fit.

    Parameters
    ----------
    session : Session
        Its configuration is used with ``deblend="joint"``.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.config = replace(session.config, deblend="joint")
        self.structs = Structs.of((c.source, c.source, c.type) for c in source_columns(self.config))

    def __call__(
        self,
        ids: pa.ChunkedArray,
        ra: pa.ChunkedArray,
        dec: pa.ChunkedArray,
        neighbour_ra: pa.ChunkedArray,
        neighbour_dec: pa.ChunkedArray,
    ) -> pa.Array:
        """Return a list of measurements for each row: as long as its lists of coordinates.

        Parameters
        ----------
        ids : pyarrow.ChunkedArray, (n,) string
            Exposures; the measurements of a NULL are NULL.
        ra, dec, neighbour_ra, neighbour_dec : pyarrow.ChunkedArray, (n,) list of double, degree
        """
        rows = [
            self._measure(name.as_py(), *map(list_floats, lists))
            for name, *lists in zip(ids, ra, dec, neighbour_ra, neighbour_dec, strict=True)
        ]
        ends = np.cumsum([0, *map(len, rows)])
        empty = pa.array([], self.structs.type)
        return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.concat_arrays([empty, *rows]))

    def _measure(
        self,
        exposure_id: str | None,
        ra: FloatArray,
        dec: FloatArray,
        neighbour_ra: FloatArray,
        neighbour_dec: FloatArray,
    ) -> pa.StructArray:
        if exposure_id is None:
            return pa.nulls(len(ra), self.structs.type)
        exposure = self.session.open(self.session.keys([exposure_id])[0])
        values = measure_positions(exposure, ra, dec, self.config, neighbours=(neighbour_ra, neighbour_dec))
        return self.structs.array(values)
