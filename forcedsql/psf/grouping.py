"""Groups of a batch that can be worked on together."""

from collections.abc import Iterator

import numpy as np

from forcedsql.arrays import IntArray


def groups(*labels: IntArray) -> Iterator[tuple[tuple[int, ...], slice | IntArray]]:
    """Yield each distinct combination of labels and the items of the batch that have it.

    Parameters
    ----------
    labels : ndarray, (n,) int64
        One or more labels per item.

    Yields
    ------
    values : tuple of int
        The labels that the group shares.
    items : slice or ndarray, (m,) int64
        Index of its items: a slice over all of them (which indexes without a copy) where the
        whole batch is one group.
    """
    table = np.stack(labels, axis=1)
    if len(table) == 0:
        return
    if (table == table[0]).all():
        yield tuple(int(value) for value in table[0]), slice(None)
        return
    distinct, group = np.unique(table, axis=0, return_inverse=True)
    group = group.reshape(-1)
    for index, values in enumerate(distinct):
        yield tuple(int(value) for value in values), np.flatnonzero(group == index)
