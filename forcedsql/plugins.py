"""Measurement plugins: what one is, and where each is found by its name.

A plugin measures one thing at many positions and declares the columns that it gives.
Those of forcedsql are listed here; another package adds its own by an entry point of the
group ``forcedsql.plugins``, named as the plugin and pointing to a `Plugin`::

    [project.entry-points."forcedsql.plugins"]
    my_PeakPixel = "my_package.peak_pixel:PLUGIN"

Listing names imports no plugin; each is loaded when a configuration that asks for it is
first used.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from forcedsql.arrays import AnyArray
from forcedsql.errors import ConfigError

if TYPE_CHECKING:
    from forcedsql.config import MeasurementConfig
    from forcedsql.schema import Column

ENTRY_POINTS = "forcedsql.plugins"
"""Group of the entry points by which other packages add plugins."""

CENTROID_ORDER, SHAPE_ORDER, FLUX_ORDER, AP_CORR_ORDER, CATALOG_ORDER = 0.0, 1.0, 2.0, 3.0, 4.0
"""Stages of a measurement, with LSST's numbers (meas_base ``python/lsst/meas/base/pluginsBase.py``)."""

FORCED_CENTROID = "base_TransformedCentroidFromCoord"
"""The plugin that turns the requested sky positions into pixels."""

LOCAL_BACKGROUND = "base_LocalBackground"
"""The plugin that measures what ``subtract_background="local"`` subtracts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginOption:
    """One option of a plugin, set as ``base_Variance.scale = 3``.

    Parameters
    ----------
    name : str
        As LSST spells it.
    default : bool, int, float, str, or tuple of those
        Its type is the type of every value.
    meaning : str
        One line for a person.
    """

    name: str
    default: Any
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """A measurement: its columns and the function that fills them.

    Parameters
    ----------
    name : str
        Unique; LSST's name where LSST has the plugin.
    summary : str
        One line for a person.
    order : float
        Stage at which it runs: `CENTROID_ORDER`, `SHAPE_ORDER`, `FLUX_ORDER`, or
        `CATALOG_ORDER` for what only combines other plugins' results.  Plugins of one order
        run, and have their columns, by name.
    columns : callable
        From a `MeasurementConfig` to the `Column` objects measured under it, in order.
    measure : callable
        From a `forcedsql.measure.batch.Batch` and a `MeasurementConfig` to one array per
        column, (n,), by `Column.source` name.  Faults of the data are flags and NaN, never
        exceptions.  ``Batch.measured`` holds what earlier plugins have measured.
    options : tuple of PluginOption
    needs_psf : bool
        Whether the batch must carry PSF images and shapes.
    ap_corr : bool
        Whether its flux, the column ``<name>_flux``, takes the exposure's aperture correction.
    slots : tuple of str
        Slots that it reads, as ``shape``; a configuration must fill them.
    aliases : callable, optional
        From a configuration to further LSST names: prefix to the prefix that it stands for.
    reach : callable, optional
        From a batch whose pixels are not read yet, and a configuration, to how many rows and
        columns on each side of the positions the plugin looks at, an int; see
        `forcedsql.measure.reach`.
        Without it the whole image is read.
    reads_mask : bool
        Whether it looks at the mask that far, and not at image and variance only.
    """

    name: str
    summary: str
    order: float
    columns: "Callable[[MeasurementConfig], Sequence[Column]]"
    measure: "Callable[[Any, MeasurementConfig], dict[str, AnyArray]]"
    options: tuple[PluginOption, ...] = ()
    needs_psf: bool = False
    ap_corr: bool = False
    slots: tuple[str, ...] = ()
    aliases: "Callable[[MeasurementConfig], Mapping[str, str]] | None" = None
    reach: "Callable[[Any, MeasurementConfig], int] | None" = None
    reads_mask: bool = True


BUILT_IN: Mapping[str, str] = {
    "base_CircularApertureFlux": "forcedsql.measure.aperture_flux:PLUGIN",
    "base_ClassificationExtendedness": "forcedsql.measure.classification:EXTENDEDNESS_PLUGIN",
    "base_ClassificationSizeExtendedness": "forcedsql.measure.classification:SIZE_PLUGIN",
    "base_CompensatedGaussianFlux": "forcedsql.measure.compensated_flux:GAUSSIAN_PLUGIN",
    "base_CompensatedTophatFlux": "forcedsql.measure.compensated_flux:TOPHAT_PLUGIN",
    "base_FPPosition": "forcedsql.measure.focal_plane:PLUGIN",
    "base_FootprintArea": "forcedsql.measure.classification:AREA_PLUGIN",
    "base_GaussianFlux": "forcedsql.measure.gaussian_flux:PLUGIN",
    "base_InputCount": "forcedsql.measure.input_count:PLUGIN",
    "base_Jacobian": "forcedsql.measure.local_calibration:JACOBIAN_PLUGIN",
    LOCAL_BACKGROUND: "forcedsql.measure.local_background:PLUGIN",
    "base_LocalPhotoCalib": "forcedsql.measure.local_calibration:PHOTO_CALIB_PLUGIN",
    "base_LocalWcs": "forcedsql.measure.local_calibration:LOCAL_WCS_PLUGIN",
    "base_PeakLikelihoodFlux": "forcedsql.measure.peak_likelihood:PLUGIN",
    "base_PixelFlags": "forcedsql.measure.pixel_flags:PLUGIN",
    "base_PsfFlux": "forcedsql.measure.psf_flux:PLUGIN",
    "base_ScaledApertureFlux": "forcedsql.measure.scaled_aperture_flux:PLUGIN",
    "base_SdssCentroid": "forcedsql.measure.sdss_centroid:PLUGIN",
    "base_SdssShape": "forcedsql.measure.sdss_shape:PLUGIN",
    FORCED_CENTROID: "forcedsql.measure.forced_centroid:PLUGIN",
    "base_Variance": "forcedsql.measure.variance:PLUGIN",
}
"""The plugins of forcedsql: name to ``module:attribute``."""


def plugin_names() -> tuple[str, ...]:
    """Return the names of all plugins there are, third parties' last; none is loaded."""
    return (*sorted(BUILT_IN), *sorted(_third_party()))


def check_plugin_names(names: Iterable[str], *, option: str) -> None:
    """Refuse names of plugins that do not exist.

    Raises
    ------
    ConfigError
        It lists those that there are.
    """
    unknown = set(names) - set(BUILT_IN)
    if unknown:
        unknown -= set(_third_party())
    if unknown:
        raise ConfigError(f"{option}: {min(unknown)!r} is not known; there are {', '.join(plugin_names())}")


@cache
def find_plugin(name: str) -> Plugin:
    """Return a plugin by name, loaded when it is first asked for.

    Raises
    ------
    ConfigError
        If there is none of that name, or another package's cannot be loaded.
    """
    check_plugin_names([name], option="plugins")
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        found: Plugin = getattr(import_module(module), attribute)
        return found
    return _load(_third_party()[name])


def plugins_in_order(names: Iterable[str]) -> tuple[Plugin, ...]:
    """Return plugins in the order in which they run: by stage, then by name."""
    return tuple(sorted(map(find_plugin, set(names)), key=lambda p: (p.order, p.name)))


def _third_party() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=ENTRY_POINTS) if point.name not in BUILT_IN}


def _load(point: EntryPoint) -> Plugin:
    package = point.dist.name if point.dist else "an unknown package"
    try:
        found = point.load()
    except Exception as error:
        raise ConfigError(
            f"plugins: {point.name!r} of {package} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(found, Plugin) or found.name != point.name:
        raise ConfigError(f"plugins: {point.value} of {package} is not a Plugin of the name {point.name!r}")
    return found
