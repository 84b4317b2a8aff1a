"""Measured against catalogue fluxes: ratios and pulls, per magnitude bin and per exposure.

The comparison of two tables of a database is made by the SQL macros ``compare_fluxes``,
``compare_summary`` and ``compare_exposures`` (``sql/compare.sql``); `FluxComparison` holds its
rows as arrays, or makes the same from arrays that are matched already.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from forcedsql.arrays import AnyArray, FloatArray
from forcedsql.errors import TableError
from forcedsql.fields.calibration import AB_ZERO_POINT

if TYPE_CHECKING:
    import duckdb

MAD_TO_SIGMA = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

OUTLIER_SCATTERS = 5.0
"""Scatters from the median beyond which a pull is an outlier."""


def compare_fluxes(
    con: "duckdb.DuckDBPyConnection",
    measured: str,
    reference: str,
    flux: str = "psfFlux",
    *,
    reference_flux: str | None = None,
    measured_id: str | None = None,
    reference_id: str | None = None,
) -> pa.Table:
    """Match two tables by id and compare one flux, row by row.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `forcedsql.connect` gives it.
    measured, reference : str
        Names of tables or views with an id, the flux and its error (``psfFluxErr``).
    flux : str
        Name of the flux column.
    reference_flux : str, optional
        Its name in the reference, where that is another (``i_psfFlux``).
    measured_id, reference_id : str, optional
        Names of the id columns; found by their usual names where not given.

    Returns
    -------
    pyarrow.Table
        id, measured, measured_err, reference, reference_err (all in nJy), ratio
        (measured / reference), pull (their difference over its error), magnitude (AB, of
        the reference).

    Raises
    ------
    TableError
        If a table or a column is not there.
    """
    names = {"reference_flux": reference_flux, "measured_id": measured_id, "reference_id": reference_id}
    return _macro(con, "compare_fluxes", measured, reference, flux, **names)


def compare_summary(
    con: "duckdb.DuckDBPyConnection",
    measured: str,
    reference: str,
    flux: str = "psfFlux",
    *,
    bin_width: float = 1.0,
    reference_flux: str | None = None,
    measured_id: str | None = None,
    reference_id: str | None = None,
) -> pa.Table:
    """Compare one flux of two tables, per bin of AB magnitude.

    Parameters
    ----------
    con, measured, reference, flux, reference_flux, measured_id, reference_id
        As for `compare_fluxes`.
    bin_width : float, mag
        Width of the bins.

    Returns
    -------
    pyarrow.Table
        magnitude (bright edge of the bin), n, median_ratio, scatter (1.4826 times the
        median absolute deviation of the ratio), median_pull, pull_scatter, outlier_fraction
        (share of pulls more than 5 scatters from their median); brightest first.

    Raises
    ------
    TableError
        If a table or a column is not there.
    """
    names = {"reference_flux": reference_flux, "measured_id": measured_id, "reference_id": reference_id}
    return _macro(con, "compare_summary", measured, reference, flux, bin=bin_width, **names)


def compare_exposures(
    con: "duckdb.DuckDBPyConnection",
    measured: str,
    reference: str,
    flux: str = "psfFlux",
    *,
    by: str = "exposure_id",
    brightest: float = -np.inf,
    faintest: float = np.inf,
    reference_flux: str | None = None,
    measured_id: str | None = None,
    reference_id: str | None = None,
) -> pa.Table:
    """Compare one flux of two tables, exposure by exposure.

    Parameters
    ----------
    con, measured, reference, flux, reference_flux, measured_id, reference_id
        As for `compare_fluxes`.
    by : str
        Column of the measured table that names the exposure, or whatever else is to be
        compared one by one.
    brightest, faintest : float, mag
        Range of AB magnitudes of the sources that count, the second not included.

    Returns
    -------
    pyarrow.Table
        A column named as `by` says, and n to outlier_fraction as `compare_summary` has them;
        an exposure without a source that counts has n = 0 and NULL.

    Raises
    ------
    TableError
        If a table or a column is not there.
    """
    names = {"reference_flux": reference_flux, "measured_id": measured_id, "reference_id": reference_id}
    chosen = {"group_column": by, "brightest": brightest, "faintest": faintest}
    rows = _macro(con, "compare_exposures", measured, reference, flux, **chosen, **names)
    return rows.rename_columns([by, *rows.column_names[1:]])


def has_column(con: "duckdb.DuckDBPyConnection", table: str, column: str) -> bool:
    """Tell whether a table or view has a column, whatever its case; False if there is no such table."""
    found = con.execute(
        "SELECT 1 FROM duckdb_columns() WHERE lower(table_name) = lower($table) "
        "AND lower(column_name) = lower($column)",
        {"table": table, "column": column},
    ).fetchall()
    return bool(found)


def _macro(
    con: "duckdb.DuckDBPyConnection", name: str, measured: str, reference: str, flux: str, **options: Any
) -> pa.Table:
    """Return the rows of a macro of ``sql/compare.sql``; `options` are its named parameters."""
    import duckdb  # noqa: PLC0415 - comparing arrays needs no database

    from forcedsql.database.messages import one_line  # noqa: PLC0415

    named = "".join(f", {option} := ${option}" for option in options)
    values = {"measured": measured, "reference": reference, "flux": flux, **options}
    try:
        return con.sql(f"FROM {name}($measured, $reference, $flux{named})", params=values).to_arrow_table()
    except duckdb.Error as error:
        raise TableError(
            f"cannot compare {flux} of {measured!r} and {reference!r}: {one_line(error)}"
        ) from error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FluxComparison:
    """Matched fluxes of n sources, as arrays.

    Parameters
    ----------
    id : ndarray, (n,) int64
    measured, measured_err : ndarray, (n,) float64, nJy
    reference, reference_err : ndarray, (n,) float64, nJy
    ratio : ndarray, (n,) float64
        Measured over reference.
    pull : ndarray, (n,) float64
        Difference over the quadrature sum of the errors.
    magnitude : ndarray, (n,) float64, mag
        AB magnitude of the reference; NaN where that is not positive.
    """

    id: AnyArray
    measured: FloatArray
    measured_err: FloatArray
    reference: FloatArray
    reference_err: FloatArray
    ratio: FloatArray
    pull: FloatArray
    magnitude: FloatArray

    @classmethod
    def from_arrays(
        cls,
        measured: npt.ArrayLike,
        reference: npt.ArrayLike,
        *,
        measured_err: npt.ArrayLike = np.nan,
        reference_err: npt.ArrayLike = np.nan,
        ids: npt.ArrayLike | None = None,
    ) -> Self:
        """Compare fluxes that are matched already: element i of one with i of the other.

        Parameters
        ----------
        measured, reference, measured_err, reference_err : array_like, (n,), nJy
        ids : array_like, (n,), optional
            Running numbers where not given.
        """
        measured, reference, measured_err, reference_err = (
            np.array(a, dtype=float)
            for a in np.broadcast_arrays(measured, reference, measured_err, reference_err)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            positive = np.where(reference > 0.0, reference, np.nan)
            error = np.hypot(measured_err, reference_err)
            return cls(
                id=np.arange(measured.size) if ids is None else np.asarray(ids),
                measured=measured,
                measured_err=measured_err,
                reference=reference,
                reference_err=reference_err,
                ratio=np.where(reference == 0.0, np.nan, measured / reference),
                pull=(measured - reference) / np.where(error > 0.0, error, np.nan),
                magnitude=AB_ZERO_POINT - 2.5 * np.log10(positive),
            )

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Take up the rows that `compare_fluxes` returns; NULL becomes NaN."""
        columns = {f.name: table.column(f.name).to_numpy() for f in fields(cls)}
        ids = columns.pop("id")
        return cls(id=ids, **{name: np.asarray(v, dtype=float) for name, v in columns.items()})

    @classmethod
    def from_sql(
        cls,
        con: "duckdb.DuckDBPyConnection",
        measured: str,
        reference: str,
        flux: str = "psfFlux",
        **names: str | None,
    ) -> Self:
        """Compare one flux of two tables of a database; see `compare_fluxes`, its `names` included."""
        return cls.from_table(compare_fluxes(con, measured, reference, flux, **names))

    @classmethod
    def each_from_sql(
        cls,
        con: "duckdb.DuckDBPyConnection",
        measured: str,
        reference: str,
        flux: str = "psfFlux",
        *,
        by: str = "exposure_id",
        reference_flux: str | None = None,
    ) -> dict[str, Self]:
        """Compare as `from_sql` does, apart for each value of the column `by` of the measured table."""
        names = {"reference_flux": reference_flux, "measured_id": None, "reference_id": None}
        rows = _macro(con, "compare_in_groups", measured, reference, flux, group_column=by, **names)
        groups = rows["by_group"].cast(pa.string()).fill_null("").combine_chunks()
        return {
            value: cls.from_table(rows.filter(pc.equal(groups, value)))
            for value in sorted(groups.unique().to_pylist())
        }

    def __len__(self) -> int:
        return len(self.measured)

    def to_table(self) -> pa.Table:
        """Return the rows as an Arrow table, columns as `compare_fluxes` has them."""
        return pa.table({f.name: getattr(self, f.name) for f in fields(self)})

    def summary(self, *, bin_width: float = 1.0) -> pa.Table:
        """Return medians and scatters per magnitude bin, as `compare_summary` does."""
        usable = np.isfinite(self.magnitude) & np.isfinite(self.ratio)
        bins = np.floor(self.magnitude[usable] / bin_width)
        order = np.argsort(bins, kind="stable")
        edges, starts = np.unique(bins[order], return_index=True)
        groups = np.split(order, starts[1:]) if len(edges) else []
        ratio, pull = self.ratio[usable], self.pull[usable]
        return pa.table(
            {
                "magnitude": edges * bin_width,
                "n": pa.array([len(g) for g in groups], pa.int64()),
                "median_ratio": pa.array([finite_median(ratio[g]) for g in groups], pa.float64()),
                "scatter": pa.array([robust_scatter(ratio[g]) for g in groups], pa.float64()),
                "median_pull": pa.array([finite_median(pull[g]) for g in groups], pa.float64()),
                "pull_scatter": pa.array([robust_scatter(pull[g]) for g in groups], pa.float64()),
                "outlier_fraction": pa.array([_outlier_fraction(pull[g]) for g in groups], pa.float64()),
            }
        )


def finite_median(values: FloatArray) -> float:
    """Return the median of the values that are finite, (n,); NaN where there are none."""
    finite = values[np.isfinite(values)]
    return float(np.median(finite)) if finite.size else float("nan")


def robust_scatter(values: FloatArray) -> float:
    """Return 1.4826 times the median absolute deviation of the values that are finite, (n,)."""
    return MAD_TO_SIGMA * finite_median(np.abs(values - finite_median(values)))


def _outlier_fraction(values: FloatArray) -> float:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return float("nan")
    return float(np.mean(np.abs(finite - finite_median(finite)) > OUTLIER_SCATTERS * robust_scatter(finite)))
