"""What the tests on images of real cameras share."""

import numpy as np

from forcedsql.config import MeasurementConfig

APERTURES = ("base_TransformedCentroidFromCoord", "base_CircularApertureFlux")
NJY_PER_NANOMAGGY = 3630.7805477010028


def floats(column):
    return np.ma.filled(np.ma.asarray(column, dtype=float), np.nan)


def scatter(values):
    return 1.4826 * np.median(np.abs(values - np.median(values)))


def apertures(*radii, **options):
    """Return a configuration that measures only apertures, by the exact overlap of their circles."""
    return MeasurementConfig(
        plugins=APERTURES, do_ap_corr=False, aperture_method="exact", radii=radii, **options
    )


def aperture_columns(columns):
    return [name for name in columns if name.startswith("ap") and name.endswith("Flux")]
