"""Aperture correction: PSF fluxes brought to the scale of the calibration flux."""

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.exposure import Exposure
from forcedsql.measure.batch import Columns

_FLUX_NAME = "base_PsfFlux_instFlux"


def apply_ap_corr(exposure: Exposure, x: FloatArray, y: FloatArray, columns: Columns) -> None:
    """Multiply PSF fluxes and errors by the exposure's correction at each position.

    The error of the correction is taken as 0.  A correction that is not positive and
    finite leaves the flux alone and raises ``psfFlux_flag_apCorr`` and ``psfFlux_flag``;
    a map without the PSF flux raises the former only; no map raises nothing (meas_base
    ``applyApCorr.py`` and NOTES on releases 29.x, which fill the columns).

    Parameters
    ----------
    exposure : Exposure
    x, y : ndarray, (n,) float64, pixel
        Parent coordinates; NaN where a position was not measured.
    columns : dict
        Measured columns, changed in place; ``psfFlux_apCorr*`` are added.
    """
    n = len(x)
    correction = np.full(n, np.nan)
    failed = np.zeros(n, np.bool_)
    exposure.require_supported("ap_corr")
    if exposure.ap_corr is not None:
        # LSST wants the error's field too before it corrects anything.
        if _FLUX_NAME in exposure.ap_corr and f"{_FLUX_NAME}Err" in exposure.ap_corr:
            correction = exposure.ap_corr[_FLUX_NAME].evaluate(x, y)
            good = np.isfinite(correction) & (correction > 0.0)
            failed = ~good
            columns["psfFlux"] = np.where(good, columns["psfFlux"] * correction, columns["psfFlux"])
            columns["psfFluxErr"] = np.where(good, columns["psfFluxErr"] * correction, columns["psfFluxErr"])
            columns["psfFlux_flag"] |= failed
            correction = np.where(good, correction, np.nan)
        else:
            failed = np.ones(n, np.bool_)
    columns["psfFlux_apCorr"] = correction
    columns["psfFlux_apCorrErr"] = np.where(np.isfinite(correction), 0.0, np.nan)
    columns["psfFlux_flag_apCorr"] = failed
