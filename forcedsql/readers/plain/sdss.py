"""SDSS corrected frames of DR7 and before (fpC), and the files that go with them.

The frame itself has neither gain, mask nor PSF: those are in psField, fpM and tsField files of
the same field, which lie beside it.  Formats: SDSS data model of Data Release 7.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from forcedsql.errors import ReadError
from forcedsql.open_options import OpenOptions
from forcedsql.readers.cards import number_card
from forcedsql.readers.fits_file import FitsFile, reading
from forcedsql.readers.plain.locations import Folder
from forcedsql.readers.plain.mask import MaskPlanes, ReadMask
from forcedsql.readers.plain.sdss_projection import DriftScanWcs

_FRAME = re.compile(r"fpC-(?P<run>\d{6})-(?P<band>[ugriz])(?P<camcol>\d)-(?P<field>\d{4})\.fit(s)?(\.gz)?")
_BANDS = "ugriz"
_EXPOSURE_SECONDS = 53.907456
"""Of a drift scan: what a star takes to cross 2048 rows, less the overlap of the frames."""

# HDU of each kind of span, and the plane that it becomes; the others (objects, ghosts,
# not checked) say nothing against a pixel.
_SPANS = {1: "INTRP", 2: "SAT", 10: "CR"}


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What belongs to a frame.

    Parameters
    ----------
    options : OpenOptions
        What its other files say, to be overruled by the user's.
    mask : FitsFile or None
        The fpM file.
    wcs : DriftScanWcs or None
        The astrometric solution of the tsField file, which is a tenth of a pixel better than that
        of the frame's header.
    notes : dict of str to str
        Where what the options say is from, by the names of `Exposure.origins`.
    """

    options: OpenOptions
    mask: FitsFile | None
    wcs: DriftScanWcs | None
    notes: dict[str, str]


def find_frame(folder: Folder) -> Frame | None:
    """Return what belongs to an fpC frame, None if the file is none by its name.

    Raises
    ------
    ReadError
        If one of its other files is damaged.
    """
    name = _FRAME.fullmatch(folder.path.name)
    if name is None:
        return None
    run, band, camcol, field = (name[part] for part in ("run", "band", "camcol", "field"))
    notes: dict[str, str] = {}
    options: dict[str, Any] = {"pedestal": "SOFTBIAS", "band": band, "background": "present"}
    fields = _beside(folder.path, f"psField-{run}-{camcol}-{field}.fit*")
    if fields is not None:
        table, at = folder.open(fields).table(6), _BANDS.index(band)
        options |= {
            "error_kind": "counts",
            "gain": _number(table, "gain", at),
            "read_variance": _number(table, "dark_variance", at),
        }
        notes["error"] = f"gain and dark variance of {fields.name}"
        options["psf"] = f"{fields}[band={band}]"
    wcs = None
    calibration = _beside(folder.path, f"tsField-{run}-{camcol}-*-{field}.fit*")
    if calibration is not None:
        table, at = folder.open(calibration).table(1), _BANDS.index(band)
        wcs = _projection(folder.open(calibration), table, at)
        # Magnitude of one count: Stoughton et al. 2002 (AJ 123, 485), section 4.5.
        at_airmass = _number(table, "aa", at) + _number(table, "kk", at) * _number(table, "airmass", at)
        options["zeropoint"] = 2.5 * float(np.log10(_EXPOSURE_SECONDS)) - at_airmass
        notes["zero point"] = f"aa, kk and airmass of {calibration.name}"
        notes["image"] = f"sky projection of {calibration.name}"
    masks = _beside(folder.path, f"fpM-{run}-{band}{camcol}-{field}.fit*")
    mask = None if masks is None else folder.open(masks)
    return Frame(OpenOptions.from_mapping(options), mask, wcs, notes)


def read_mask(file: FitsFile, shape: tuple[int, int]) -> ReadMask:
    """Return the planes that the spans of an fpM file make.

    Each span is six bytes of a row: row, first and last column, two bytes each, big-endian.

    Raises
    ------
    ReadError
        If the spans are damaged.
    """
    planes = MaskPlanes(shape)
    for number, plane in _SPANS.items():
        with reading(f"the spans in HDU {number}"):
            cells = [np.asarray(cell, np.uint8) for cell in file.table(number)["s"]]
            spans = np.concatenate([np.zeros(0, np.uint8), *cells])
        if spans.size % 6:
            raise ReadError(f"the spans in HDU {number} of the mask are {spans.size} bytes, not six each")
        row, first, last = spans.view(">u2").reshape(-1, 3).astype(np.int64).T
        if spans.size and (row.max() >= shape[0] or last.max() >= shape[1] or (first > last).any()):
            raise ReadError(f"a span in HDU {number} of the mask is outside the image")
        # +1 where a span starts and -1 after it ends: the sum along a row is positive inside.
        steps = np.zeros((shape[0], shape[1] + 1), np.int32)
        np.add.at(steps, (row, first), 1)
        np.add.at(steps, (row, last + 1), -1)
        planes.set(plane, np.cumsum(steps, axis=1)[:, :-1] > 0)
    return ReadMask(planes, "SDSS spans of the fpM file: INTRP, SAT, CR")


def _projection(file: FitsFile, table: Any, at: int) -> DriftScanWcs:
    circle = [number_card(file.cards(0), name) for name in ("NODE", "INCL")]
    if None in circle:
        raise ReadError("the tsField file has no NODE and INCL")
    terms = [[_number(table, f"{axis}{k}", at) for k in range(4)] for axis in ("dRow", "dCol")]
    linear = np.array([_number(table, name, at) for name in "abcdef"]).reshape(2, 3)
    if not abs(np.linalg.det(linear[:, 1:])) > 0:
        raise ReadError("the astrometric solution of the tsField file cannot be inverted")
    return DriftScanWcs(
        node=float(circle[0] or 0.0),
        inclination=float(circle[1] or 0.0),
        linear=linear,
        row_terms=np.array(terms[0]),
        column_terms=np.array(terms[1]),
    )


def _beside(path: Path, pattern: str) -> Path | None:
    found = sorted(path.parent.glob(pattern))
    return found[-1] if found else None


def _number(table: Any, name: str, at: int) -> float:
    with reading(f"column {name}"):
        value = float(np.asarray(table[name])[0][at])
    if not np.isfinite(value):
        raise ReadError(f"column {name} holds no number for band {_BANDS[at]}")
    return value
