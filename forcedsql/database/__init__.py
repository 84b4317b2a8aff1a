"""The DuckDB side: connections that measure, the registry of exposures, catalogues."""

from forcedsql.database.catalog import load_catalog
from forcedsql.database.connection import config_of, connect
from forcedsql.database.engine import engine
from forcedsql.database.ingest import IngestedFile, ingest, iter_ingest
from forcedsql.database.light_curves import (
    Binning,
    Thresholds,
    attach_results,
    exposures_with_sky_at,
    light_curve_at,
    light_curve_of,
)
from forcedsql.database.noise import ExposureNoise, iter_noise
from forcedsql.database.opened import find_position, open_registered
from forcedsql.database.quoting import quote_identifier, quote_literal

__all__ = [
    "Binning",
    "ExposureNoise",
    "IngestedFile",
    "Thresholds",
    "attach_results",
    "config_of",
    "connect",
    "engine",
    "exposures_with_sky_at",
    "find_position",
    "ingest",
    "iter_ingest",
    "iter_noise",
    "light_curve_at",
    "light_curve_of",
    "load_catalog",
    "open_registered",
    "quote_identifier",
    "quote_literal",
]
