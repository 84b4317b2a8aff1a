"""LightCurve: the points of a light curve as arrays, for plots and statistics."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from forcedsql.arrays import AnyArray, BoolArray, FloatArray
from forcedsql.errors import TableError

_BAND_ORDER = "ugrizy"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LightCurve:
    """Fluxes of one position at n times.

    Parameters
    ----------
    mjd : ndarray, (n,) float64, day
        Middles of the exposures, MJD (TAI).
    flux, flux_err : ndarray, (n,) float64
        PSF fluxes and their errors, in `unit`.
    band, kind : ndarray, (n,) str
        Band, and kind of exposure: ``visit_image``, ``difference_image``; "" where unknown.
    flagged : ndarray, (n,) bool
        Points that are neither a detection nor a limit.
    detected : ndarray, (n,) bool
    limit : ndarray, (n,) float64
        Upper limits in `unit`, NaN where there is none.
    unit : str
        Unit of the fluxes.
    """

    mjd: FloatArray
    flux: FloatArray
    flux_err: FloatArray
    band: AnyArray
    kind: AnyArray
    flagged: BoolArray
    detected: BoolArray
    limit: FloatArray
    unit: str

    def __len__(self) -> int:
        return len(self.mjd)

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Take the points of a table as `forcedsql.light_curve_at` and ``light_curve_limits`` give it.

        Rows without a time, as coadds are, are left out.

        Raises
        ------
        TableError
            If a column is missing, or the fluxes are in several units.
        """
        needed = (
            "mjd",
            "psfFlux",
            "psfFluxErr",
            "band",
            "kind",
            "flux_unit",
            "flagged",
            "detected",
            "limit_flux",
        )
        missing = [name for name in needed if name not in table.column_names]
        if missing:
            raise TableError(f"a light curve needs a column {missing[0]!r}; light_curve_limits() makes it")
        table = table.filter(pc.is_valid(table["mjd"]))
        units = sorted({unit or "" for unit in table["flux_unit"].to_pylist()})
        if len(units) > 1:
            shown = ", ".join(unit or "none" for unit in units)
            raise TableError(f"the fluxes of the light curve are in several units: {shown}; choose one kind")
        return cls(
            mjd=_floats(table["mjd"]),
            flux=_floats(table["psfFlux"]),
            flux_err=_floats(table["psfFluxErr"]),
            band=_texts(table["band"]),
            kind=_texts(table["kind"]),
            flagged=_truths(table["flagged"]),
            detected=_truths(table["detected"]),
            limit=_floats(table["limit_flux"]),
            unit=units[0] if units else "",
        )

    @property
    def bands(self) -> tuple[str, ...]:
        """The bands that occur, from blue to red, then those of other names."""
        return tuple(sorted(set(self.band.tolist()), key=_place_of_band))

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of exposures that occur, visit images first."""
        return tuple(sorted(set(self.kind.tolist()), reverse=True))

    def of_kind(self, kind: str) -> "LightCurve":
        """Return the points of one kind of exposures."""
        return self._where(self.kind == kind)

    def of_band(self, band: str) -> "LightCurve":
        """Return the points of one band."""
        return self._where(self.band == band)

    def _where(self, chosen: BoolArray) -> "LightCurve":
        return LightCurve(
            mjd=self.mjd[chosen],
            flux=self.flux[chosen],
            flux_err=self.flux_err[chosen],
            band=self.band[chosen],
            kind=self.kind[chosen],
            flagged=self.flagged[chosen],
            detected=self.detected[chosen],
            limit=self.limit[chosen],
            unit=self.unit,
        )


def _place_of_band(band: str) -> tuple[int, str]:
    place = _BAND_ORDER.find(band) if len(band) == 1 else -1
    return (place if place >= 0 else len(_BAND_ORDER)), band


def _floats(column: pa.ChunkedArray) -> FloatArray:
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)


def _truths(column: pa.ChunkedArray) -> BoolArray:
    return np.asarray(column.fill_null(False).to_numpy(), dtype=bool)


def _texts(column: pa.ChunkedArray) -> AnyArray:
    return np.array([value or "" for value in column.to_pylist()], dtype=str)
