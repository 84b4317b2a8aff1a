"""The survey's tables: `object` and `source` in DP1 columns, and the truth."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from forcedsql.arrays import AnyArray, FloatArray
from forcedsql.config import MeasurementConfig
from forcedsql.schema import aperture_source_prefix, source_schema
from forcedsql.simulate.pipeline import (
    aperture_fluxes,
    measured_positions,
    pixel_flags,
    psf_fluxes,
    selected,
)
from forcedsql.simulate.scene import Setting, SimulatedExposure, Sources
from forcedsql.simulate.sky import PIXEL_SCALE, Sky

CATALOGUE_RADII = (3.0, 6.0, 9.0, 12.0, 17.0, 25.0)
"""Apertures of the tables, in pixels: those of DP1 up to 25."""

_FAINTEST = 5.0
"""Least true signal-to-noise ratio of a source in a table."""

_LOST_SOURCE_MARGIN = 2.0
"""Sources nearer to the border than this, in pixels, have no row."""

_UNITS = {
    "coord_ra": ("deg", "ICRS right ascension"),
    "coord_dec": ("deg", "ICRS declination"),
    "ra": ("deg", "ICRS right ascension of the measured centroid"),
    "dec": ("deg", "ICRS declination of the measured centroid"),
    "x": ("pix", "column of the measured centroid, in parent pixels"),
    "y": ("pix", "row of the measured centroid, in parent pixels"),
    "flux": ("nJy", "true total flux in the band"),
    "sigma": ("arcsec", "true size before the PSF; 0 for a star"),
}


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """What a pipeline catalogued on one exposure.

    Parameters
    ----------
    index : ndarray, (n,) int64
        Number of each row's source in the simulated sky.
    x, y : ndarray, (n,) float64, pixel
        Measured positions.
    columns : mapping of str to ndarray
        Measured columns by their DP1 ``Source`` names.
    extended : ndarray, (n,) bool
    """

    index: AnyArray
    x: FloatArray
    y: FloatArray
    columns: Mapping[str, AnyArray]
    extended: AnyArray


def measure_catalogue(
    simulated: SimulatedExposure, setting: Setting, noise: FloatArray, rng: np.random.Generator
) -> Catalogue:
    """Catalogue the sources that stand out of an exposure.

    Parameters
    ----------
    simulated : SimulatedExposure
    setting : Setting
    noise : ndarray, (ny, nx) float64, nJy
        The noise that the fluxes have: the exposure's own, or another realisation of it.
    rng : numpy.random.Generator
        For the errors of the centroids.
    """
    everything = simulated.sources
    variance = simulated.exposure.variance.astype(np.float64)
    index = np.flatnonzero(_is_on_image(everything, setting))
    sources = selected(everything, index)
    at_truth = psf_fluxes(sources, sources.x, sources.y, setting, noise, variance)
    strong = ~(sources.flux < _FAINTEST * at_truth.error)
    index, sources = index[strong], selected(sources, strong)
    error = np.nan_to_num(at_truth.error[strong], nan=setting.conditions.sky_sigma)
    x, y = measured_positions(sources, error, setting, rng)
    psf = psf_fluxes(sources, x, y, setting, noise, variance)
    columns: dict[str, AnyArray] = {
        "psfFlux": psf.flux,
        "psfFluxErr": psf.error,
        "psfFlux_flag": psf.edge | ~np.isfinite(psf.flux),
        "psfFlux_flag_edge": psf.edge,
        "psfFlux_apCorr": psf.correction,
    }
    for radius in CATALOGUE_RADII:
        name = aperture_source_prefix(radius)
        aperture = aperture_fluxes(sources, x, y, radius, setting, noise, variance)
        columns |= {name: aperture.flux, f"{name}Err": aperture.error}
        columns[f"{name}_flag"] = ~np.isfinite(aperture.flux)
    for name, values in pixel_flags(simulated, x, y, setting).items():
        columns[f"pixelFlags_{name}"] = values
    return Catalogue(index, x, y, columns, sources.sigma > 0.0)


def object_table(catalogue: Catalogue, setting: Setting, ids: AnyArray) -> pa.Table:
    """Return a catalogue as DP1 ``Object`` rows of one band; fluxes are float32, as there."""
    info, band = setting.info, setting.info.band
    ra, dec = setting.wcs.pixel_to_sky(catalogue.x, catalogue.y)
    rows = len(ids)
    identity = {
        "objectId": ids,
        "coord_ra": ra,
        "coord_dec": dec,
        "x": catalogue.x,
        "y": catalogue.y,
        "tract": np.full(rows, info.tract),
        "patch": np.full(rows, int(info.patch)),
        "refBand": [band] * rows,
        "refExtendedness": catalogue.extended.astype(np.float32),
    }
    measured = {
        f"{band}_{name}": values.astype(np.float32) if values.dtype == np.float64 else values
        for name, values in catalogue.columns.items()
        if name != "psfFlux_apCorr"
    }
    extendedness = {f"{band}_extendedness": catalogue.extended.astype(np.float32)}
    return _table({**identity, **measured, **extendedness}, prefix=f"{band}_")


def source_table(catalogue: Catalogue, setting: Setting, ids: AnyArray) -> pa.Table:
    """Return a catalogue as DP1 ``Source`` rows of one visit and detector."""
    info = setting.info
    ra, dec = setting.wcs.pixel_to_sky(catalogue.x, catalogue.y)
    rows = len(ids)
    identity = {
        "sourceId": ids,
        "coord_ra": ra,
        "coord_dec": dec,
        "ra": ra,
        "dec": dec,
        "x": catalogue.x,
        "y": catalogue.y,
        "visit": np.full(rows, info.visit),
        "detector": np.full(rows, info.detector, dtype=np.int16),
        "band": [info.band] * rows,
        "physical_filter": [info.physical_filter] * rows,
    }
    extendedness = {"extendedness": catalogue.extended.astype(np.float64)}
    return _table({**identity, **catalogue.columns, **extendedness})


def truth_table(sky: Sky, tables: Iterable[tuple[str, AnyArray, Catalogue]]) -> pa.Table:
    """Return the simulated sky and, per table, the id of each source's row (null for none).

    Parameters
    ----------
    sky : Sky
    tables : iterable of (id column, ids, catalogue)
    """
    columns: dict[str, object] = {
        "ra": sky.ra,
        "dec": sky.dec,
        "flux": sky.flux,
        "sigma": sky.sigma * PIXEL_SCALE,
        "is_star": sky.sigma == 0.0,
        "is_blended": sky.blended,
    }
    links: dict[str, object] = {}
    for name, ids, catalogue in tables:
        row_ids = np.zeros(len(sky.ra), dtype=np.int64)
        row_ids[catalogue.index] = ids
        links[name] = pa.array(row_ids, mask=row_ids == 0)
    return _table({**links, **columns})


def _is_on_image(sources: Sources, setting: Setting) -> AnyArray:
    column, row = sources.x - setting.xy0[0], sources.y - setting.xy0[1]
    low, (height, width) = _LOST_SOURCE_MARGIN, setting.shape
    return (column > low) & (column < width - 1 - low) & (row > low) & (row < height - 1 - low)


def _table(columns: Mapping[str, object], prefix: str = "") -> pa.Table:
    """Build a table whose measured columns have the units and meanings of `forcedsql.schema`."""
    known = source_schema(MeasurementConfig(radii=CATALOGUE_RADII), "nJy")
    fields, arrays = [], []
    for name, values in columns.items():
        array = values if isinstance(values, pa.Array) else pa.array(values)
        plain = name.removeprefix(prefix)
        metadata = None
        if plain in known.names and name not in _UNITS:
            metadata = known.field(plain).metadata
        elif name in _UNITS:
            unit, meaning = _UNITS[name]
            metadata = {"unit": unit, "description": meaning}
        fields.append(pa.field(name, array.type, metadata=metadata))
        arrays.append(array)
    return pa.table(arrays, schema=pa.schema(fields))
