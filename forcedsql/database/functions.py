"""The SQL functions that look at pixels: Arrow-vectorised, pure, by registry id.

Each takes a chunk of rows with any mix of exposures, groups it by exposure and makes one
call per group.  A NULL exposure gives NULL; a NULL or NaN position gives a flagged row.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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

_AT_SKY = {"exposure_id": "VARCHAR", "ra": "DOUBLE", "dec": "DOUBLE"}
_AT_PIXEL = {"exposure_id": "VARCHAR", "x": "DOUBLE", "y": "DOUBLE"}
_MOVING = {**_AT_SKY, "pm_ra": "DOUBLE", "pm_dec": "DOUBLE", "parallax": "DOUBLE", "ref_epoch": "DOUBLE"}
_AT_LISTS = {
    "exposure_id": "VARCHAR",
    **dict.fromkeys(("ra", "dec", "other_ra", "other_dec"), "DOUBLE[]"),
}

MEANINGS = {
    "forced_phot": "Everything that is measured at one position (degrees), with columns named as in the DP1 "
    "Source table. A NULL or NaN position gives a flagged result, a NULL exposure gives NULL.",
    "forced_phot_lsst": "The same with the column names of the LSST driver.",
    "forced_phot_joint": "Forced photometry of all positions of an image at once: those that overlap are "
    "fitted together. The other positions are fitted but give nothing.",
    "move_position": "Where a source with a proper motion (mas/yr, that of ra with cos dec) and a parallax "
    "(mas) at a Julian year is seen in the middle of an exposure, in degrees.",
    "sky_to_pixel": "Pixel of a position, in the parent frame of the image: the first pixel is (x0, y0).",
    "pixel_to_sky": "ICRS position of a pixel, in degrees.",
    "psf_image": "Image of the PSF at a pixel, as rows of columns, with a sum of about 1.",
    "cutout": "Square of size pixels on a side around a position, as rows of columns; NaN outside the image.",
    "forcedsql_config": "The configuration by which this database's functions measure, as JSON.",
}
"""What the documentation says of each function, by its first name."""

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
    parameters : mapping of str to str
        SQL types by the names that the documentation has for them.
    returns : str
        SQL type.
    call : callable
    meaning : str
        For the documentation, one sentence or two.
    kind : str
        "arrow" for one that takes Arrow columns, "native" for one that takes nothing.
    """

    names: tuple[str, ...]
    parameters: Mapping[str, str]
    returns: str
    call: Callable[..., Any]
    meaning: str
    kind: str = "arrow"

    def register(self, con: duckdb.DuckDBPyConnection) -> None:
        """Make the function known to the connection's database."""
        for name in self.names:
            con.create_function(
                name,
                self.call,
                parameters=list(self.parameters.values()),
                return_type=self.returns,
                type=PythonUDFType.ARROW if self.kind == "arrow" else PythonUDFType.NATIVE,
                null_handling=FunctionNullHandling.SPECIAL,
                side_effects=name != self.names[0],
            )


def sql_functions(session: Session) -> tuple[SqlFunction, ...]:
    """Return the functions of a session."""
    f = _Functions(session)
    joint = JointPhotometry(session)
    source, lsst = _struct_sql(f.source), _struct_sql(f.lsst)
    sky, pixel = _struct_sql(_types("ra", "dec")), _struct_sql(_types("x", "y"))
    joint_structs = _struct_sql(joint.fields) + "[]"
    config = json.dumps(session.config.to_mapping())
    return (
        _measuring("forced_phot", _AT_SKY, source, f.forced_phot, "forced_photometry"),
        _measuring("forced_phot_lsst", _AT_SKY, lsst, f.forced_phot_lsst, "forced_measurement"),
        _measuring("forced_phot_joint", _AT_LISTS, joint_structs, joint, "forced_photometry_joint"),
        _measuring("move_position", _MOVING, sky, f.move_position, "move_position"),
        _measuring("sky_to_pixel", _AT_SKY, pixel, f.sky_to_pixel),
        _measuring("pixel_to_sky", _AT_PIXEL, sky, f.pixel_to_sky),
        _measuring("psf_image", _AT_PIXEL, "DOUBLE[][]", f.psf_image),
        _measuring("cutout", {**_AT_SKY, "size": "INTEGER"}, "DOUBLE[][]", f.cutout),
        SqlFunction(
            ("forcedsql_config",), {}, "VARCHAR", lambda: config, MEANINGS["forcedsql_config"], "native"
        ),
    )


def _measuring(
    name: str, parameters: Mapping[str, str], returns: str, call: Callable[..., pa.Array], macro: str = ""
) -> SqlFunction:
    names = (name, f"{macro}: {OPEN_WITH_FORCEDSQL}") if macro else (name,)
    return SqlFunction(names, parameters, returns, _one_line_errors(call), MEANINGS[name])


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
