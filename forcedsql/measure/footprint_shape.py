"""The ellipse that stands for a source where its pixels are counted, flagged or hidden."""

import numpy as np

from forcedsql.arrays import FloatArray
from forcedsql.config import MeasurementConfig

_SIGMA_WITHOUT_PSF = 1.0


def footprint_quadrupole(psf_shapes: FloatArray | None, count: int, config: MeasurementConfig) -> FloatArray:
    """Return the second moments of footprints, `psf_footprint_scaling` times as large as the PSF.

    An exposure that has no PSF at all counts as one of a round PSF with a standard deviation of
    1 pixel, the least that a star on pixels has: its footprints are circles of
    `psf_footprint_scaling` pixels.

    Parameters
    ----------
    psf_shapes : ndarray, (n, 3) float64, pixel^2, or None
        Adaptive moments xx, yy, xy of the PSF at each position; NaN where it has no value there,
        which leaves the footprint empty.
    count : int
        Number of positions.
    config : MeasurementConfig

    Returns
    -------
    ndarray, (n, 3) float64, pixel^2
    """
    if psf_shapes is None:
        psf_shapes = np.tile([_SIGMA_WITHOUT_PSF**2, _SIGMA_WITHOUT_PSF**2, 0.0], (count, 1))
    return psf_shapes * config.psf_footprint_scaling**2
