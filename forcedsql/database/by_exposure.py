"""Rows of a chunk by their exposure: each one is opened once, several at a time."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray, BoolArray, IntArray
from forcedsql.database.cache import ExposureKey
from forcedsql.database.chunks import floats, groups_by_id, struct_array
from forcedsql.database.session import Session
from forcedsql.database.workers import map_in_threads
from forcedsql.exposure import Exposure

Columns = dict[str, AnyArray]
Fields = Sequence[tuple[str, str, pa.DataType]]
"""Fields of a struct: the name, that of the column it is filled from, and the type."""
Value = TypeVar("Value")


def each_exposure(
    session: Session,
    ids: pa.ChunkedArray,
    evaluate: Callable[[ExposureKey, Exposure, IntArray], Value],
    *,
    known: dict[str, ExposureKey] | None = None,
) -> list[tuple[IntArray, Value]]:
    """Evaluate the rows of each exposure, several exposures at a time.

    Parameters
    ----------
    session : Session
    ids : pyarrow.ChunkedArray, (n,) string
        Rows with a NULL are left out.
    evaluate : callable
        Gets an exposure and its rows, (m,) int64.
    known : dict of str to ExposureKey, optional
        Exposures that need not be looked up; takes those that were.

    Returns
    -------
    list of (ndarray (m,) int64, value)
        Rows, and what came out.
    """
    groups = list(groups_by_id(ids))
    known = {} if known is None else known
    unknown = [name for name, _ in groups if name not in known]
    if unknown:
        known.update(zip(unknown, session.keys(unknown), strict=True))
    keys = [known[name] for name, _ in groups]
    layouts = session.layouts(keys)

    def work(group: tuple[ExposureKey, IntArray]) -> tuple[IntArray, Value]:
        key, rows = group
        exposure = session.open(key, layouts.get(key, ""))
        return rows, evaluate(key, exposure, rows)

    parts = map_in_threads(work, [(key, rows) for key, (_, rows) in zip(keys, groups, strict=True)])
    session.cache.trim()
    return parts


def structs_of_each(
    session: Session,
    ids: pa.ChunkedArray,
    columns: Sequence[pa.ChunkedArray],
    fields: Fields,
    evaluate: Callable[..., Columns],
    *,
    known: dict[str, ExposureKey] | None = None,
) -> pa.Array:
    """Evaluate columns exposure by exposure, and put what comes out together as structs.

    Parameters
    ----------
    session : Session
    ids : pyarrow.ChunkedArray, (n,) string
        The struct of a NULL is NULL.
    columns : sequence of pyarrow.ChunkedArray, (n,)
    fields : sequence of (str, str, pyarrow.DataType)
    evaluate : callable
        Gets a key, its exposure and the columns' rows, each (m,) float64; returns columns, (m,).
    known : dict of str to ExposureKey, optional
        See `each_exposure`.

    Returns
    -------
    pyarrow.Array, (n,) struct
    """
    given = [floats(column) for column in columns]
    parts = each_exposure(
        session,
        ids,
        lambda key, exposure, rows: evaluate(key, exposure, *(values[rows] for values in given)),
        known=known,
    )
    null: BoolArray | None = None
    if len(parts) == 1 and len(parts[0][0]) == len(ids):
        results = parts[0][1]
    else:
        null = np.ones(len(ids), np.bool_)
        results = {source: np.zeros(len(ids), type_.to_pandas_dtype()) for _, source, type_ in fields}
        for rows, values in parts:
            null[rows] = False
            for source, column in results.items():
                column[rows] = values[source]
    return struct_array({name: (results[source], type_) for name, source, type_ in fields}, null)
