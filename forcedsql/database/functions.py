"""The SQL functions that look at pixels: Arrow-vectorised, pure, by registry id.

Each takes a chunk of rows with any mix of exposures, groups it by exposure and makes one
call per group.  A NULL exposure gives NULL; a NULL or NaN position gives a flagged row.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, TypeVar

import duckdb
import numpy as np
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from forcedsql.arrays import AnyArray, BoolArray, FloatArray, IntArray
from forcedsql.database.cache import ExposureKey
from forcedsql.database.chunks import MeasuredChunk, floats, groups_by_id, image_lists, struct_array
from forcedsql.database.images import ImageStack, cut_out, psf_planes
from forcedsql.database.joint_function import JointPhotometry
from forcedsql.database.quoting import quote_identifier
from forcedsql.database.session import Session
from forcedsql.database.workers import map_in_threads
from forcedsql.errors import DatabaseError, ForcedSQLError
from forcedsql.exposure import Exposure
from forcedsql.measure.driver import measure_positions
from forcedsql.measure.space_motion import SpaceMotion, position_on
from forcedsql.schema import lsst_names, source_columns

OPEN_WITH_FORCEDSQL = "open this database with forcedsql.connect() or 'forcedsql shell'"
"""Second names of the functions end in this.

The macros stored in a database file call the functions by these names, so that a shell
without them says in its error what to do.
"""

MOST_THREADS = 64
"""Threads whose last chunk is kept."""

_SQL_TYPES = {
    pa.float64(): "DOUBLE",
    pa.float32(): "FLOAT",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.bool_(): "BOOLEAN",
}

Columns = dict[str, AnyArray]
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class SqlFunction:
    """One function as DuckDB sees it: its types, and what it calls.

    Parameters
    ----------
    names : tuple of str
        The first is for people.  The others are for the macros of ``sql/``, which evaluate the
        function in a subquery of its own; they claim side effects, without which DuckDB would
        copy the call into a filter on its result, and measure twice.
    parameters : tuple of str
        SQL types.
    returns : str
        SQL type.
    call : callable
    kind : str
        "arrow" for one that takes Arrow columns, "native" for one that takes nothing.
    """

    names: tuple[str, ...]
    parameters: tuple[str, ...]
    returns: str
    call: Callable[..., Any]
    kind: str = "arrow"

    def register(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make the function known to the connection's database."""
        for name in self.names:
            con.create_function(
                name,
                self.call,
                parameters=list(self.parameters),
                return_type=self.returns,
                type=PythonUDFType.ARROW if self.kind == "arrow" else PythonUDFType.NATIVE,
                null_handling=FunctionNullHandling.SPECIAL,
                side_effects=name != self.names[0],
            )


def sql_functions(session: Session) -> tuple[SqlFunction, ...]:
    """Return the functions of a session."""
    f = _Functions(session)
    at_sky = ("VARCHAR", "DOUBLE", "DOUBLE")
    lists = ("VARCHAR", *["DOUBLE[]"] * 4)
    moving = (*at_sky, *["DOUBLE"] * 4)
    joint = JointPhotometry(session)
    image = "DOUBLE[][]"
    table: list[tuple[str, str | None, tuple[str, ...], str, Callable[..., pa.Array]]] = [
        ("forced_phot", "forced_photometry", at_sky, _struct_sql(f.source), f.forced_phot),
        ("forced_phot_lsst", "forced_measurement", at_sky, _struct_sql(f.lsst), f.forced_phot_lsst),
        ("forced_phot_joint", "forced_photometry_joint", lists, _struct_sql(joint.fields) + "[]", joint),
        ("move_position", "move_position", moving, _struct_sql(_types("ra", "dec")), f.move_position),
        ("sky_to_pixel", None, at_sky, _struct_sql(_types("x", "y")), f.sky_to_pixel),
        ("pixel_to_sky", None, at_sky, _struct_sql(_types("ra", "dec")), f.pixel_to_sky),
        ("psf_image", None, at_sky, image, f.psf_image),
        ("cutout", None, (*at_sky, "INTEGER"), image, f.cutout),
    ]
    config = json.dumps(session.config.to_mapping())
    measuring = tuple(
        SqlFunction(
            (name,) if macro is None else (name, f"{macro}: {OPEN_WITH_FORCEDSQL}"),
            parameters,
            returns,
            _one_line_errors(call),
        )
        for name, macro, parameters, returns, call in table
    )
    return (*measuring, SqlFunction(("forcedsql_config",), (), "VARCHAR", lambda: config, "native"))


class _Functions:
    def __init__(self, session: Session) -> None:
        self.session = session
        # A joint fit needs all positions at once, and a chunk is a part of them.
        self.config = replace(session.config, deblend="none")
        self.source = [(c.source, c.source, c.type) for c in source_columns(self.config)]
        self.lsst = [(name, c.source, c.type) for name, c in lsst_names(self.config)]
        # By thread, so that threads do not take each other's chunk away.  Not threading.local:
        # DuckDB's own threads get a new Python state, and with it new locals, at every call.
        self._last: dict[int, dict[ExposureKey, MeasuredChunk]] = {}

    def forced_phot(self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray) -> pa.Array:
        return self._measured(ids, ra, dec, self.source)

    def forced_phot_lsst(self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray) -> pa.Array:
        return self._measured(ids, ra, dec, self.lsst)

    def sky_to_pixel(self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray) -> pa.Array:
        def project(_: ExposureKey, exposure: Exposure, a: FloatArray, b: FloatArray) -> Columns:
            x, y = exposure.require_wcs().sky_to_pixel(a, b)
            return {"x": x, "y": y}

        return self._structs(ids, (ra, dec), _types("x", "y"), project)

    def move_position(
        self,
        ids: pa.ChunkedArray,
        ra: pa.ChunkedArray,
        dec: pa.ChunkedArray,
        pm_ra: pa.ChunkedArray,
        pm_dec: pa.ChunkedArray,
        parallax: pa.ChunkedArray,
        ref_epoch: pa.ChunkedArray,
    ) -> pa.Array:
        def move(
            _: ExposureKey, exposure: Exposure, a: FloatArray, b: FloatArray, *rest: FloatArray
        ) -> Columns:
            motion = SpaceMotion(*rest) if self.config.space_motion == "auto" else None
            moved_ra, moved_dec = position_on(exposure, a, b, motion)
            return {"ra": moved_ra, "dec": moved_dec}

        columns = (ra, dec, pm_ra, pm_dec, parallax, ref_epoch)
        return self._structs(ids, columns, _types("ra", "dec"), move)

    def pixel_to_sky(self, ids: pa.ChunkedArray, x: pa.ChunkedArray, y: pa.ChunkedArray) -> pa.Array:
        def project(_: ExposureKey, exposure: Exposure, a: FloatArray, b: FloatArray) -> Columns:
            ra, dec = exposure.require_wcs().pixel_to_sky(a, b)
            return {"ra": ra, "dec": dec}

        return self._structs(ids, (x, y), _types("ra", "dec"), project)

    def psf_image(self, ids: pa.ChunkedArray, x: pa.ChunkedArray, y: pa.ChunkedArray) -> pa.Array:
        x_pixel, y_pixel = floats(x), floats(y)

        def evaluate(_: ExposureKey, exposure: Exposure, rows: IntArray) -> ImageStack:
            return psf_planes(exposure, x_pixel[rows], y_pixel[rows])

        return image_lists(len(ids), self._each_exposure(ids, evaluate))

    def cutout(
        self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray, size: pa.ChunkedArray
    ) -> pa.Array:
        ra_deg, dec_deg, sizes = floats(ra), floats(dec), floats(size)

        def evaluate(_: ExposureKey, exposure: Exposure, rows: IntArray) -> list[tuple[IntArray, ImageStack]]:
            return [
                (rows[same], cut_out(exposure, ra_deg[rows[same]], dec_deg[rows[same]], value))
                for value, same in _equal_values(sizes[rows])
            ]

        parts = [part for _, stacks in self._each_exposure(ids, evaluate) for part in stacks]
        return image_lists(len(ids), parts)

    def _measured(
        self,
        ids: pa.ChunkedArray,
        ra: pa.ChunkedArray,
        dec: pa.ChunkedArray,
        fields: Sequence[tuple[str, str, pa.DataType]],
    ) -> pa.Array:
        before = self._last.get(threading.get_ident(), {})
        now: dict[ExposureKey, MeasuredChunk] = {}

        def measure(key: ExposureKey, exposure: Exposure, a: FloatArray, b: FloatArray) -> Columns:
            known = before.get(key)
            rows = None if known is None else known.rows_of(a, b)
            if known is not None and rows is not None:
                now[key] = known
                return {name: values[rows] for name, values in known.columns.items()}
            columns = measure_positions(exposure, a, b, self.config)
            now[key] = MeasuredChunk(a, b, columns)
            return columns

        result = self._structs(ids, (ra, dec), fields, measure)
        if len(self._last) > MOST_THREADS:
            self._last.clear()
        self._last[threading.get_ident()] = now
        return result

    def _structs(
        self,
        ids: pa.ChunkedArray,
        columns: Sequence[pa.ChunkedArray],
        fields: Sequence[tuple[str, str, pa.DataType]],
        evaluate: Callable[..., Columns],
    ) -> pa.Array:
        """Evaluate columns group by group, and put what comes out together as structs."""
        given = [floats(column) for column in columns]
        parts = self._each_exposure(
            ids, lambda key, exposure, rows: evaluate(key, exposure, *(values[rows] for values in given))
        )
        null: BoolArray | None = None
        if len(parts) == 1 and len(parts[0][0]) == len(ids):
            results = parts[0][1]
        else:
            null = np.ones(len(ids), np.bool_)
            results = {source: np.zeros(len(ids), type_.to_pandas_dtype()) for _, source, type_ in fields}
            for rows, values in parts:
                null[rows] = False
                for source, column in results.items():
                    column[rows] = values[source]
        return struct_array({name: (results[source], type_) for name, source, type_ in fields}, null)

    def _each_exposure(
        self, ids: pa.ChunkedArray, evaluate: Callable[[ExposureKey, Exposure, IntArray], Value]
    ) -> list[tuple[IntArray, Value]]:
        """Evaluate the rows of each exposure, several exposures at a time."""
        groups = list(groups_by_id(ids))
        keys = self.session.keys([name for name, _ in groups]) if groups else []
        layouts = self.session.layouts(keys)

        def work(group: tuple[ExposureKey, IntArray]) -> tuple[IntArray, Value]:
            key, rows = group
            exposure = self.session.open(key, layouts.get(key, ""))
            return rows, evaluate(key, exposure, rows)

        parts = map_in_threads(work, [(key, rows) for key, (_, rows) in zip(keys, groups, strict=True)])
        self.session.cache.trim()
        return parts


def _types(*names: str) -> list[tuple[str, str, pa.DataType]]:
    return [(name, name, pa.float64()) for name in names]


def _struct_sql(fields: Sequence[tuple[str, str, pa.DataType]]) -> str:
    return "STRUCT(" + ", ".join(f"{quote_identifier(n)} {_SQL_TYPES[t]}" for n, _, t in fields) + ")"


def _equal_values(values: FloatArray) -> Iterator[tuple[float, BoolArray]]:
    for value in np.unique(values):
        yield float(value), values == value if value == value else np.isnan(values)  # noqa: PLR0124


def _one_line_errors(call: Callable[..., pa.Array]) -> Callable[..., pa.Array]:
    """Give every error of a function a text: DuckDB passes on that, and not the error."""

    @wraps(call)
    def guarded(*columns: Any) -> pa.Array:
        try:
            return call(*columns)
        except KeyboardInterrupt:
            raise DatabaseError("interrupted") from None
        except ForcedSQLError as error:
            raise type(error)(" ".join(str(error).split())) from error
        except MemoryError:
            raise DatabaseError("not enough memory for the images that the query asks for") from None

    return guarded
