"""Forced photometry as SQL: fluxes at known sky positions on calibrated images, inside DuckDB.

Every public name is here; each is imported when it is first used, so that ``import
forcedsql`` costs nothing.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forcedsql import errors as errors
    from forcedsql import simulate as simulate
    from forcedsql.compare import FluxComparison as FluxComparison
    from forcedsql.compare import compare_exposures as compare_exposures
    from forcedsql.compare import compare_fluxes as compare_fluxes
    from forcedsql.compare import compare_summary as compare_summary
    from forcedsql.config import MeasurementConfig as MeasurementConfig
    from forcedsql.database import attach_results as attach_results
    from forcedsql.database import connect as connect
    from forcedsql.database import engine as engine
    from forcedsql.database import ingest as ingest
    from forcedsql.database import light_curve_at as light_curve_at
    from forcedsql.database import light_curve_of as light_curve_of
    from forcedsql.database import load_catalog as load_catalog
    from forcedsql.errors import ForcedSQLError as ForcedSQLError
    from forcedsql.explain import explain as explain
    from forcedsql.export import export_table as export_table
    from forcedsql.exposure import Exposure as Exposure
    from forcedsql.gate import Gate as Gate
    from forcedsql.gate import Tolerance as Tolerance
    from forcedsql.lightcurve import LightCurve as LightCurve
    from forcedsql.measure import measure as measure
    from forcedsql.measure import residual_image as residual_image
    from forcedsql.open_options import OpenOptions as OpenOptions
    from forcedsql.plots import plot_flux_ratio as plot_flux_ratio
    from forcedsql.plots import plot_light_curve as plot_light_curve
    from forcedsql.readers import open_exposure as open_exposure
    from forcedsql.runs import run as run
    from forcedsql.tables import from_astropy as from_astropy
    from forcedsql.tables import read_table as read_table
    from forcedsql.tables import to_astropy as to_astropy
    from forcedsql.tables import write_table as write_table
    from forcedsql.writer import write_exposure as write_exposure

    __version__: str

_MODULE_OF = {
    "Exposure": "exposure",
    "FluxComparison": "compare",
    "ForcedSQLError": "errors",
    "Gate": "gate",
    "LightCurve": "lightcurve",
    "MeasurementConfig": "config",
    "OpenOptions": "open_options",
    "Tolerance": "gate",
    "attach_results": "database",
    "compare_exposures": "compare",
    "compare_fluxes": "compare",
    "compare_summary": "compare",
    "connect": "database",
    "engine": "database",
    "explain": "explain",
    "export_table": "export",
    "from_astropy": "tables",
    "ingest": "database",
    "light_curve_at": "database",
    "light_curve_of": "database",
    "load_catalog": "database",
    "measure": "measure",
    "open_exposure": "readers",
    "plot_flux_ratio": "plots",
    "plot_light_curve": "plots",
    "read_table": "tables",
    "residual_image": "measure",
    "run": "runs",
    "to_astropy": "tables",
    "write_exposure": "writer",
    "write_table": "tables",
}
_MODULES = ("errors", "simulate")

__all__ = [  # noqa: PLE0604 - every name of the table, and the modules and version beside them
    *sorted((*_MODULE_OF, *_MODULES)),
    "__version__",
]


def public_names() -> dict[str, str]:
    """Return the module below this package that each public name comes from."""
    return dict(_MODULE_OF)


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(import_module(f"forcedsql.{_MODULE_OF[name]}"), name)
    elif name in _MODULES:
        value = import_module(f"forcedsql.{name}")
    elif name == "__version__":
        value = _installed_version()
    else:
        raise AttributeError(f"module 'forcedsql' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - costs 20 ms

    try:
        return version("forcedsql")
    except PackageNotFoundError:
        return "0+uninstalled"


class _Package(ModuleType):
    """Keeps `forcedsql.measure` the function, although a subpackage has the same name.

    The import system sets each subpackage as an attribute of its parent; where a public
    name of this package is the same, the public name wins.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in _MODULE_OF):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
