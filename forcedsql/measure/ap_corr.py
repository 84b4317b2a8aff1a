"""Aperture correction: PSF fluxes brought to the scale of the calibration flux."""

import numpy as np

from forcedsql.config import MeasurementConfig
from forcedsql.measure.batch import Batch
from forcedsql.plugins import plugins_in_order
from forcedsql.schema import flux_of


def apply_ap_corr(batch: Batch, config: MeasurementConfig) -> None:
    """Multiply the fluxes that take it, and their errors, by the exposure's correction.

    The error of the correction is taken as 0.  A correction that is not positive and
    finite leaves the flux alone and raises ``<flux>_flag_apCorr`` and ``<flux>_flag``;
    a map without the flux raises the former only; no map raises nothing (meas_base
    ``applyApCorr.py`` and NOTES on releases 29.x, which fill the columns).

    Parameters
    ----------
    batch : Batch
        Its `measured` columns are changed in place; ``<flux>_apCorr*`` are added.
    config : MeasurementConfig

    Raises
    ------
    UnsupportedError
        If the exposure's map is of a class that no decoder knows.
    """
    for plugin in plugins_in_order(config.plugins):
        if plugin.ap_corr:
            batch.exposure.require_supported("ap_corr")
            correct_flux(batch, flux_of(plugin, config).source, f"{plugin.name}_instFlux")


def correct_flux(batch: Batch, flux: str, name: str) -> None:
    """Correct one flux, and its error, by the field `name` of the exposure's map.

    Parameters
    ----------
    batch : Batch
        Its `measured` columns are changed in place, and those of `schema.ap_corr_columns` added.
    flux : str
        `Column.source` name of the flux.
    name : str
        Name of the correction in the exposure: ``base_PsfFlux_instFlux``.
    """
    columns = batch.measured
    correction = np.full(len(batch), np.nan)
    failed = np.zeros(len(batch), np.bool_)
    ap_corr = batch.exposure.ap_corr
    if ap_corr is not None:
        # LSST wants the error's field too before it corrects anything.
        if name in ap_corr and f"{name}Err" in ap_corr:
            correction = ap_corr[name].evaluate(batch.x, batch.y)
            good = np.isfinite(correction) & (correction > 0.0)
            failed = ~good
            for corrected in (flux, f"{flux}Err"):
                columns[corrected] = np.where(good, columns[corrected] * correction, columns[corrected])
            columns[f"{flux}_flag"] = columns[f"{flux}_flag"] | failed
            correction = np.where(good, correction, np.nan)
        else:
            failed = np.ones(len(batch), np.bool_)
    columns[f"{flux}_apCorr"] = correction
    columns[f"{flux}_apCorrErr"] = np.where(np.isfinite(correction), 0.0, np.nan)
    columns[f"{flux}_flag_apCorr"] = failed
