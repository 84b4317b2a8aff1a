"""ingest: exposures into the registry, file by file."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import duckdb

from forcedsql.config import MeasurementConfig
from forcedsql.database.footprint import Footprint, footprint_of
from forcedsql.database.messages import one_line
from forcedsql.database.quoting import quote_identifier
from forcedsql.database.registry import ORIGINS, look_up_origins
from forcedsql.errors import DatabaseError, ForcedSQLError
from forcedsql.exposure import Exposure, ExposureInfo
from forcedsql.exposure_file import changed_file, sha256_of, states_of
from forcedsql.open_options import OpenOptions, profile_names

if TYPE_CHECKING:
    from forcedsql.readers.lazy import OpenedFile

OnConflict = Literal["replace", "keep", "error"]
Status = Literal["added", "replaced", "unchanged", "kept", "failed"]


@dataclass(frozen=True, slots=True)
class IngestedFile:
    """What became of one file.

    Parameters
    ----------
    path : Path
        The file, absolute.
    status : {"added", "replaced", "unchanged", "kept", "failed"}
        "kept" if its id belonged to another file, which stays registered.
    exposure_id : str
        "" where it failed before it had one.
    error : str
        One line on why it failed, "" otherwise.
    origins : mapping of str to str
        What was taken for the parts of a plain FITS image; see `Exposure.origins`.
    """

    path: Path
    status: Status
    exposure_id: str = ""
    error: str = ""
    origins: Mapping[str, str] = field(default_factory=dict)


def ingest(
    con: duckdb.DuckDBPyConnection,
    paths: str | Path | Iterable[str | Path],
    *,
    exposure_id: str | Sequence[str] | None = None,
    on_conflict: OnConflict = "replace",
    options: OpenOptions | None = None,
) -> list[IngestedFile]:
    """Register exposures, so that SQL can name them.

    Each file is a transaction of its own, on a cursor of the connection: what is done stays
    done, whatever becomes of the next file or of a transaction of the caller's.  Doing it
    again changes nothing unless a file has changed.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        As `connect` gives it.
    paths : str or Path, or several
        Files that `forcedsql.open_exposure` reads.
    exposure_id : str or sequence of str, optional
        Ids to register them under, one per file; otherwise ``visit:VISIT:DETECTOR``,
        ``difference:VISIT:DETECTOR``, ``coadd:TRACT:PATCH:BAND``, or the file's name where
        neither is known, with ``[EXT]`` after it where `options` say which HDU.
    on_conflict : {"replace", "keep", "error"}
        What to do with a file whose id is taken by another one.
    options : OpenOptions, optional
        How plain FITS images are read; kept with each exposure, so that it is read so ever after.

    Returns
    -------
    list of IngestedFile
        One per file, in order; a file that cannot be read or registered is reported as
        failed and does not stop the others.

    Raises
    ------
    DatabaseError
        If the connection has no registry, or there are not as many ids as files.
    """
    return list(iter_ingest(con, paths, exposure_id=exposure_id, on_conflict=on_conflict, options=options))


def iter_ingest(
    con: duckdb.DuckDBPyConnection,
    paths: str | Path | Iterable[str | Path],
    *,
    exposure_id: str | Sequence[str] | None = None,
    on_conflict: OnConflict = "replace",
    options: OpenOptions | None = None,
) -> Iterator[IngestedFile]:
    """Do as `ingest`, and yield each result when its file is done."""
    files = [Path(p).resolve() for p in ([paths] if isinstance(paths, str | Path) else paths)]
    ids: Sequence[str | None] = [None] * len(files) if exposure_id is None else exposure_id
    if isinstance(exposure_id, str):
        ids = [exposure_id]
    if len(ids) != len(files):
        raise DatabaseError(f"{len(ids)} exposure ids for {len(files)} files: give one each")
    if on_conflict not in ("replace", "keep", "error"):
        raise DatabaseError(f"on_conflict: {on_conflict!r} is not one of replace, keep, error")
    wanted = _Wanted(on_conflict, None if options is None else options.with_absolute_paths())
    done: dict[str, Path] = {}
    with con.cursor() as cursor:
        _require_registry(cursor)
        for path, given in zip(files, ids, strict=True):
            result = _ingest_file(cursor, path, given, wanted, done)
            if result.exposure_id:
                done.setdefault(result.exposure_id, path)
            yield result


def name_exposure(info: ExposureInfo, path: Path, *, hdu: str = "") -> str:
    """Return the id of an exposure by what it says about itself, else by its file's name.

    An HDU of the file that the user chose is part of that name, ``night[CCD2]``: the others are
    exposures of their own.
    """
    if info.visit is not None and info.detector is not None:
        return f"{'difference' if info.is_difference else 'visit'}:{info.visit}:{info.detector}"
    if info.tract is not None and info.patch and info.band:
        return f"coadd:{info.tract}:{info.patch}:{info.band}"
    stem = path.name.removesuffix(".gz").removesuffix(".fz")
    stem = stem.rsplit(".", 1)[0] if "." in stem.strip(".") else stem
    return f"{stem}[{hdu.strip('[]')}]" if hdu else stem


def _chosen_hdu(options: OpenOptions | None) -> str:
    """Return the HDU that the user chose himself; "" where it is left to a survey or to the file."""
    if options is None or not options.science:
        return ""
    of_survey = options.profile in profile_names() and OpenOptions.from_profile(options.profile)
    return "" if of_survey and of_survey.science == options.science else options.science


def _require_registry(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.execute("SELECT exposure_id FROM exposure LIMIT 0").fetchall()
    except duckdb.CatalogException as error:
        raise DatabaseError("the connection has no registry; open it with forcedsql.connect") from error


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How the caller wants files registered."""

    on_conflict: OnConflict
    options: OpenOptions | None


def _ingest_file(
    cursor: duckdb.DuckDBPyConnection,
    path: Path,
    given: str | None,
    wanted: _Wanted,
    done: dict[str, Path],
) -> IngestedFile:
    """Register one file; whatever is wrong with it becomes part of the result."""
    try:
        status = path.stat()
        unchanged = _unchanged(cursor, path, given, status, wanted.options)
        if unchanged is not None:
            return IngestedFile(path, "unchanged", unchanged, origins=look_up_origins(cursor, unchanged))
        return _register(cursor, path, given, wanted, done)
    except OSError as error:
        reason = f"cannot read {path}: {error.strerror or error}"
    except ForcedSQLError as error:
        reason = " ".join(str(error).split())
    except duckdb.Error as error:
        reason = f"cannot register {path}: {one_line(error)}"
    return IngestedFile(path, "failed", error=reason)


def _register(
    cursor: duckdb.DuckDBPyConnection,
    path: Path,
    given: str | None,
    wanted: _Wanted,
    done: dict[str, Path],
) -> IngestedFile:
    from forcedsql.readers import lazy  # noqa: PLC0415 - loads astropy

    status = path.stat()
    file = lazy.open_lazily(path, options=wanted.options)
    opened = file.exposure
    exposure_id = given or name_exposure(opened.info, path, hdu=_chosen_hdu(wanted.options))
    before = _registered_path(cursor, exposure_id)
    if before not in (None, str(path)):
        if wanted.on_conflict == "keep":
            return IngestedFile(path, "kept", exposure_id)
        if wanted.on_conflict == "error" or exposure_id in done:
            raise DatabaseError(
                f"{path}: the id {exposure_id!r} belongs to {before}; give it an exposure_id of its own"
            )
    outline = footprint_of(opened)
    _write(cursor, _row(opened, outline, exposure_id, path, status), outline, file)
    done_status: Status = "added" if before is None else "replaced"
    return IngestedFile(path, done_status, exposure_id, origins=opened.origins)


def _unchanged(
    cursor: duckdb.DuckDBPyConnection,
    path: Path,
    given: str | None,
    status: os.stat_result,
    options: OpenOptions | None,
) -> str | None:
    """Return the id under which this very file is registered already, its time renewed."""
    rows = cursor.execute(
        "SELECT exposure_id, file_size, file_mtime_ns, sha256 FROM exposure WHERE access_url = ?", [str(path)]
    ).fetchall()
    for exposure_id, size, mtime_ns, sha256 in rows:
        if given not in (None, exposure_id) or size != status.st_size:
            continue
        if not _opens_the_same(cursor, str(exposure_id), path, options):
            continue
        if mtime_ns == status.st_mtime_ns:
            return str(exposure_id)
        if sha256 == sha256_of(path):
            cursor.execute(
                "UPDATE exposure SET file_mtime_ns = ? WHERE exposure_id = ?",
                [status.st_mtime_ns, exposure_id],
            )
            return str(exposure_id)
    return None


def _opens_the_same(
    cursor: duckdb.DuckDBPyConnection, exposure_id: str, path: Path, options: OpenOptions | None
) -> bool:
    """Tell whether an exposure is registered with the parts that it would be given today."""
    from forcedsql.readers import lazy  # noqa: PLC0415 - loads astropy

    rows = cursor.execute(
        "SELECT options, side_files FROM exposure_options WHERE exposure_id = ?", [exposure_id]
    ).fetchall()
    if not rows:
        return options is None or not options.given()
    (before, side_files) = rows[0]
    if changed_file(side_files):
        return False
    pinned = lazy.pinned_options(path, options)
    return pinned is not None and pinned.to_json() == before


def _registered_path(cursor: duckdb.DuckDBPyConnection, exposure_id: str) -> str | None:
    rows = cursor.execute("SELECT access_url FROM exposure WHERE exposure_id = ?", [exposure_id]).fetchall()
    return str(rows[0][0]) if rows else None


def _row(
    opened: Exposure, outline: Footprint | None, exposure_id: str, path: Path, status: os.stat_result
) -> dict[str, Any]:
    from forcedsql.measure.driver import flux_unit  # noqa: PLC0415 - loads the kernels

    info, box = opened.info, opened.bbox
    return {
        "exposure_id": exposure_id,
        "kind": _kind(info),
        "visit": info.visit,
        "detector": info.detector,
        "tract": info.tract,
        "patch": info.patch or None,
        "band": info.band or None,
        "physical_filter": info.physical_filter or None,
        "mjd": info.mjd,
        "t_exptime": info.exposure_time,
        "s_ra": None if outline is None else float(outline.centre[0]),
        "s_dec": None if outline is None else float(outline.centre[1]),
        "s_region": None if outline is None else outline.region,
        "footprint": None if outline is None else outline.edges.ravel().tolist(),
        "width": box.width,
        "height": box.height,
        "x0": box.x0,
        "y0": box.y0,
        "psf_kind": opened.unsupported.get("psf") or (opened.psf.kind if opened.psf else None),
        "bunit": opened.unit or None,
        "flux_unit": flux_unit(opened, MeasurementConfig()),
        "access_url": str(path),
        "file_size": status.st_size,
        "file_mtime_ns": status.st_mtime_ns,
        "sha256": sha256_of(path),
    }


def _kind(info: ExposureInfo) -> str:
    if info.is_difference:
        return "difference_image"
    if info.visit is not None:
        return "visit_image"
    return "deep_coadd" if info.tract is not None else "image"


def _write(
    cursor: duckdb.DuckDBPyConnection, row: dict[str, Any], outline: Footprint | None, file: "OpenedFile"
) -> None:
    columns = ", ".join(map(quote_identifier, row))
    marks = ", ".join("?" for _ in row)
    insert = f"INSERT OR REPLACE INTO exposure ({columns}) VALUES ({marks})"  # noqa: S608 - quoted
    exposure_id = row["exposure_id"]
    cells = [] if outline is None else outline.healpix_cells().tolist()
    cursor.begin()
    try:
        cursor.execute(insert, list(row.values()))
        cursor.execute("DELETE FROM exposure_coverage WHERE exposure_id = ?", [exposure_id])
        cursor.execute("INSERT INTO exposure_coverage SELECT ?, unnest(?::BIGINT[])", [exposure_id, cells])
        # An empty layout opens the file by its own headers, as does an outdated one.
        cursor.execute("INSERT OR REPLACE INTO exposure_layout VALUES (?, ?)", [exposure_id, file.layout])
        cursor.execute("DELETE FROM exposure_options WHERE exposure_id = ?", [exposure_id])
        if file.options is not None:
            origins = [file.exposure.origins.get(name) for name in ORIGINS]
            values = [exposure_id, file.options.to_json(), states_of(file.side_files), *origins]
            cursor.execute(f"INSERT INTO exposure_options VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608 - marks
    except BaseException:
        cursor.rollback()
        raise
    cursor.commit()
