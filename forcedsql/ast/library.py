"""The AST library (Starlink User Note 211) behind a class that threads may share."""

import threading
from importlib import import_module
from typing import Any

import numpy as np

from forcedsql.arrays import BoolArray, FloatArray
from forcedsql.errors import ReadError

# AST keeps process-wide state, and pyast objects may not be used by two threads at once.
_LOCK = threading.Lock()


class AstMapping:
    """A map between two coordinate spaces that AST text describes.

    Parameters
    ----------
    text : str
        Text that `forcedsql.ast.frame_set` has checked.
    what : str
        What it is the map of, for messages.
    invertible : bool
        Whether a map that goes only one way is refused.

    Raises
    ------
    ReadError
        If AST cannot use it, or it cannot be inverted and must be.
    """

    def __init__(self, text: str, *, what: str, invertible: bool = True) -> None:
        with _LOCK:
            self._mapping = _read(text, what=what, invertible=invertible)
            self._axes: tuple[int, int] = (self._mapping.Nin, self._mapping.Nout)

    def forward(self, points: FloatArray) -> FloatArray:
        """Return where points map to; NaN where AST has no value, and for points that are not finite.

        Parameters
        ----------
        points : ndarray, (inputs, n) float64
            Any value.

        Returns
        -------
        ndarray, (outputs, n) float64
        """
        return self._transform(points, forward=True)

    def inverse(self, points: FloatArray) -> FloatArray:
        """Return which points map to these, (outputs, n) to (inputs, n); NaN where there is none."""
        return self._transform(points, forward=False)

    def _transform(self, points: FloatArray, *, forward: bool) -> FloatArray:
        finite: BoolArray = np.asarray(np.isfinite(points).all(axis=0))
        moved = np.full((self._axes[1 if forward else 0], len(finite)), np.nan)
        if finite.any():
            with _LOCK:
                values = np.asarray(self._mapping.tran(points[:, finite], forward), dtype=np.float64)
            # AST's missing value is the most negative double.
            moved[:, finite] = np.where(np.abs(values) < 1e300, values, np.nan)
        return moved


def _read(text: str, *, what: str, invertible: bool) -> Any:
    ast = import_module("starlink.Ast")
    try:
        mapping = ast.Channel(text.split("\n")).read()
        if not mapping.TranForward or (invertible and not mapping.TranInverse):
            raise ReadError(f"the {what} cannot be inverted")
        # A faulty mapping shows here, not while measuring.
        origin = mapping.tran(np.zeros((mapping.Nin, 1)))
        if invertible:
            mapping.tran(origin, False)
        # LSST simplifies too, and with it positions come out equal to the last bit.  That matters at
        # whole pixels, where it decides which pixels lie on an aperture's rim.
        mapping = mapping.simplify()
    except (ast.AstError, SystemError, TypeError, ValueError) as fault:
        reason = " ".join(str(fault).split())
        raise ReadError(f"AST cannot use the {what}: {reason}") from fault
    return mapping
