"""Photometric calibration and aperture correction of an exposure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.fields.bounded_field import BoundedField

AB_ZERO_POINT = 31.4
"""AB magnitude of 1 nJy (Oke & Gunn 1983, with 3631 Jy as zero)."""

ApCorrMap = Mapping[str, BoundedField]
"""Aperture corrections by flux name, as afw writes them: ``base_PsfFlux_instFlux``."""


@dataclass(frozen=True, slots=True)
class PhotoCalib:
    """Factor from an exposure's own flux unit to nJy.

    Parameters
    ----------
    mean : float
        Mean factor over the exposure, nJy per unit.
    error : float
        Its 1-sigma error, nJy per unit; not propagated into fluxes (afw
        ``src/image/PhotoCalib.cc`` does not either).
    field : BoundedField, optional
        The factor as a function of position, mean included; None where it is constant.
    """

    mean: float
    error: float = 0.0
    field: BoundedField | None = None

    def factor(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return nJy per unit at parent pixel positions, (n,) float64."""
        if self.field is None:
            return np.full(np.shape(x), self.mean)
        return self.field.evaluate(x, y)
