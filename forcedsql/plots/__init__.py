"""Figures, one module each."""

from forcedsql.plots.exposure_panels import plot_exposure_panels
from forcedsql.plots.flux_ratio import RatioPanel, plot_flux_ratio, plot_flux_ratios
from forcedsql.plots.light_curve import plot_light_curve
from forcedsql.plots.psf_field import plot_psf_field
from forcedsql.plots.stamps import plot_stamps

__all__ = [
    "RatioPanel",
    "plot_exposure_panels",
    "plot_flux_ratio",
    "plot_flux_ratios",
    "plot_light_curve",
    "plot_psf_field",
    "plot_stamps",
]
