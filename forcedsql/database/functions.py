"""The SQL functions that look at pixels: Arrow-vectorised, pure, by registry id.

Each takes a chunk of rows with any mix of exposures, groups it by exposure and makes one
call per group.  A NULL exposure gives NULL; a NULL or NaN position gives a flagged row.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from duckdb.func import FunctionNullHandling, PythonUDFType

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.database.by_exposure import arrays_of_each, each_exposure
from forcedsql.database.cache import ExposureKey
from forcedsql.database.chunks import Structs, floats, image_lists
from forcedsql.database.images import ImageStack, cut_out, psf_planes
from forcedsql.database.joint_function import JointPhotometry
from forcedsql.database.measuring import Photometry
from forcedsql.database.quoting import quote_identifier
from forcedsql.database.session import Session
from forcedsql.errors import DatabaseError, ForcedSQLError
from forcedsql.exposure import Exposure
from forcedsql.measure.space_motion import SpaceMotion, position_on

OPEN_WITH_FORCEDSQL = "open this database with forcedsql.connect() or 'forcedsql shell'"
"""Second names of the functions end in this.

The macros stored in a database file call the functions by these names, so that a shell
without them says in its error what to do.
"""

_SQL_TYPES = {
    pa.float64(): "DOUBLE",
    pa.float32(): "FLOAT",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.bool_(): "BOOLEAN",
}

_SKY = Structs.of((name, name, pa.float64()) for name in ("ra", "dec"))
_PIXEL = Structs.of((name, name, pa.float64()) for name in ("x", "y"))

_AT_SKY = {"exposure_id": "VARCHAR", "ra": "DOUBLE", "dec": "DOUBLE"}
_AHEAD = {**_AT_SKY, "announcement": "BIGINT"}
_LISTS = {"place": "BIGINT[]", "ra": "DOUBLE[]", "dec": "DOUBLE[]"}
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
    "announce_positions": "Tells which positions a query is about to ask for; the number is for the "
    "functions that measure them, many at a time.",
    "forced_phot_announced": "The same as forced_phot, and quicker where announced positions come in the "
    "order of the announcement.",
    "forced_phot_lsst_announced": "The same with the column names of the LSST driver.",
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
    together : bool
        Whether calls build on one another, so that one process must serve all of them.
    """

    names: tuple[str, ...]
    parameters: Mapping[str, str]
    returns: str
    call: Callable[..., Any]
    meaning: str
    kind: str = "arrow"
    together: bool = False

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
    joint, photometry, places = JointPhotometry(session), Photometry(session), _Places(session)
    source, lsst = _struct_sql(photometry.source), _struct_sql(photometry.lsst)
    sky, pixel = _struct_sql(_SKY), _struct_sql(_PIXEL)
    joint_structs = _struct_sql(joint.structs) + "[]"
    config = json.dumps(session.config.to_mapping())
    return (
        _vectorised("forced_phot", _AT_SKY, source, photometry.forced_phot, "forced_lightcurve"),
        _vectorised("forced_phot_lsst", _AT_SKY, lsst, photometry.forced_phot_lsst),
        _vectorised(
            "announce_positions", _LISTS, "BIGINT", photometry.announce, "announced_positions", together=True
        ),
        _vectorised(
            "forced_phot_announced", _AHEAD, source, photometry.announced, "forced_photometry", together=True
        ),
        _vectorised(
            "forced_phot_lsst_announced",
            _AHEAD,
            lsst,
            photometry.announced_lsst,
            "forced_measurement",
            together=True,
        ),
        _vectorised("forced_phot_joint", _AT_LISTS, joint_structs, joint, "forced_photometry_joint"),
        _vectorised("move_position", _MOVING, sky, places.move_position, "move_position"),
        _vectorised("sky_to_pixel", _AT_SKY, pixel, places.sky_to_pixel),
        _vectorised("pixel_to_sky", _AT_PIXEL, sky, places.pixel_to_sky),
        _vectorised("psf_image", _AT_PIXEL, "DOUBLE[][]", places.psf_image),
        _vectorised("cutout", {**_AT_SKY, "size": "INTEGER"}, "DOUBLE[][]", places.cutout),
        SqlFunction(
            ("forcedsql_config",), {}, "VARCHAR", lambda: config, MEANINGS["forcedsql_config"], "native"
        ),
    )


def _vectorised(
    name: str,
    parameters: Mapping[str, str],
    returns: str,
    call: Callable[..., pa.Array],
    macro: str = "",
    *,
    together: bool = False,
) -> SqlFunction:
    names = (name, f"{macro}: {OPEN_WITH_FORCEDSQL}") if macro else (name,)
    return SqlFunction(names, parameters, returns, _one_line_errors(call), MEANINGS[name], together=together)


class _Places:
    """Where positions are on an exposure, and what is there."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def sky_to_pixel(self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray) -> pa.Array:
        def project(_: ExposureKey, exposure: Exposure, a: FloatArray, b: FloatArray) -> pa.Array:
            x, y = exposure.require_wcs().sky_to_pixel(a, b)
            return _PIXEL.array({"x": x, "y": y})

        return arrays_of_each(self.session, ids, (ra, dec), _PIXEL.type, project)

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
        ) -> pa.Array:
            motion = SpaceMotion(*rest) if self.session.config.space_motion == "auto" else None
            moved_ra, moved_dec = position_on(exposure, a, b, motion)
            return _SKY.array({"ra": moved_ra, "dec": moved_dec})

        columns = (ra, dec, pm_ra, pm_dec, parallax, ref_epoch)
        return arrays_of_each(self.session, ids, columns, _SKY.type, move)

    def pixel_to_sky(self, ids: pa.ChunkedArray, x: pa.ChunkedArray, y: pa.ChunkedArray) -> pa.Array:
        def project(_: ExposureKey, exposure: Exposure, a: FloatArray, b: FloatArray) -> pa.Array:
            ra, dec = exposure.require_wcs().pixel_to_sky(a, b)
            return _SKY.array({"ra": ra, "dec": dec})

        return arrays_of_each(self.session, ids, (x, y), _SKY.type, project)

    def psf_image(self, ids: pa.ChunkedArray, x: pa.ChunkedArray, y: pa.ChunkedArray) -> pa.Array:
        x_pixel, y_pixel = floats(x), floats(y)

        def evaluate(_: ExposureKey, exposure: Exposure, rows: IntArray) -> ImageStack:
            return psf_planes(exposure, x_pixel[rows], y_pixel[rows])

        return image_lists(len(ids), each_exposure(self.session, ids, evaluate))

    def cutout(
        self, ids: pa.ChunkedArray, ra: pa.ChunkedArray, dec: pa.ChunkedArray, size: pa.ChunkedArray
    ) -> pa.Array:
        ra_deg, dec_deg, sizes = floats(ra), floats(dec), floats(size)

        def evaluate(_: ExposureKey, exposure: Exposure, rows: IntArray) -> list[tuple[IntArray, ImageStack]]:
            return [
                (rows[same], cut_out(exposure, ra_deg[rows[same]], dec_deg[rows[same]], value))
                for value, same in _equal_values(sizes[rows])
            ]

        parts = [part for _, stacks in each_exposure(self.session, ids, evaluate) for part in stacks]
        return image_lists(len(ids), parts)


def _struct_sql(structs: Structs) -> str:
    fields = (f"{quote_identifier(field.name)} {_SQL_TYPES[field.type]}" for field in structs.type)
    return f"STRUCT({', '.join(fields)})"


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
