"""Rows of a chunk by their exposure: each one is opened once, several at a time."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import pyarrow as pa

from forcedsql.arrays import IntArray
from forcedsql.database.cache import ExposureKey
from forcedsql.database.chunks import floats, groups_by_id, in_rows
from forcedsql.database.session import Session
from forcedsql.database.workers import map_in_threads
from forcedsql.exposure import Exposure

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


def arrays_of_each(
    session: Session,
    ids: pa.ChunkedArray,
    columns: Sequence[pa.ChunkedArray],
    type_: pa.DataType,
    evaluate: Callable[..., pa.Array],
    *,
    known: dict[str, ExposureKey] | None = None,
) -> pa.Array:
    """Evaluate columns exposure by exposure, and put what comes out together in the order of the rows.

    Parameters
    ----------
    session : Session
    ids : pyarrow.ChunkedArray, (n,) string
        What comes out for a NULL is NULL.
    columns : sequence of pyarrow.ChunkedArray, (n,)
    type_ : pyarrow.DataType
        Of what comes out.
    evaluate : callable
        Gets a key, its exposure and the columns' rows, each (m,) float64; returns an array, (m,).
    known : dict of str to ExposureKey, optional
        See `each_exposure`.

    Returns
    -------
    pyarrow.Array, (n,)
    """
    given = [floats(column) for column in columns]
    parts = each_exposure(
        session,
        ids,
        lambda key, exposure, rows: evaluate(key, exposure, *(values[rows] for values in given)),
        known=known,
    )
    return in_rows(len(ids), parts, type_)
