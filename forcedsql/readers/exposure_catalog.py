"""Reader of afw exposure catalogue files: visit summaries, lists of coadd inputs."""

from pathlib import Path

from forcedsql.coadd_inputs import ExposureCatalog
from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.archive import Archive
from forcedsql.readers.cards import text_card
from forcedsql.readers.decoders import DECODERS
from forcedsql.readers.decoders.exposures import ALL_PARTS, exposure_records
from forcedsql.readers.fits_file import FitsFile, open_fits
from forcedsql.readers.rows import Rows

_TABLE_HDU, _INDEX_HDU = 1, 2
_MAX_ROWS = 20_000


def open_exposure_catalog(path: str | Path) -> ExposureCatalog:
    """Read a catalogue of images with their projections, calibrations and areas.

    Parameters
    ----------
    path : str or Path
        A FITS file, plain or gzipped, such as a visit summary.

    Raises
    ------
    ReadError
        If there is no such file, it is damaged, or it is no exposure catalogue.
    FileLimitError
        If it asks for more than `forcedsql.readers.limits` grants.
    """
    try:
        with open_fits(Path(path)) as file:
            return _read(file)
    except ReadError as fault:
        raise type(fault)(f"{path}: {fault}") from fault


def _read(file: FitsFile) -> ExposureCatalog:
    if not file.has(_TABLE_HDU) or text_card(file.cards(_TABLE_HDU), "AFW_TYPE") != "EXPOSURE":
        raise ReadError(f"it is no exposure catalogue: its HDUs are {file.summary()}")
    table = file.table(_TABLE_HDU)
    limits.require_at_most(len(table), _MAX_ROWS, "rows of the exposure catalogue")
    rows = Rows(table, flag_names=(), row0=0, count=len(table), owner="the exposure catalogue")
    return exposure_records(Archive(file, _INDEX_HDU, DECODERS), rows, parts=ALL_PARTS)
