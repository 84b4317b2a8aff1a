"""Opening an exposure without its pixels, which are read row by row as they are needed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forcedsql.arrays import AnyArray, Float32Array
from forcedsql.errors import ReadError
from forcedsql.exposure import Exposure
from forcedsql.open_options import OpenOptions
from forcedsql.pixel_rows import MaskArray, PixelRows
from forcedsql.readers import limits, reader_of, recognised, require_usable
from forcedsql.readers.cards import integer_card
from forcedsql.readers.file_bytes import FileBytes, FileState
from forcedsql.readers.fits_file import FitsFile, open_fits
from forcedsql.readers.known_file import open_known
from forcedsql.readers.layout import FileLayout, HduLayout
from forcedsql.readers.plane_rows import StoredPlane, stored_plane
from forcedsql.readers.planes import PlaneHdus, float_pixels, mask_pixels

_ROWS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True, eq=False)
class OpenedFile:
    """An exposure, and the layout with which its file opens faster the next time.

    Parameters
    ----------
    exposure : Exposure
        Its pixels are in the file still, unless the format or a gzipped file forbids.
    layout : str
        See `FileLayout.to_json`; "" where there is none.
    options : OpenOptions or None
        Those that read a plain FITS image in this way again; None for other formats.
    side_files : tuple of Path
        Further files that it is made of.
    """

    exposure: Exposure
    layout: str
    options: OpenOptions | None = None
    side_files: tuple[Path, ...] = ()


def open_lazily(
    path: str | Path,
    layout: str = "",
    options: OpenOptions | None = None,
    *,
    require_allowed: Callable[[Path], object] | None = None,
) -> OpenedFile:
    """Open an exposure so that measuring reads only the rows that it looks at.

    The results are those of `forcedsql.open_exposure` to the bit.

    Parameters
    ----------
    path : str or Path
    layout : str
        What an earlier opening of this very file gave.  One that does not fit is not used.
    options : OpenOptions, optional
        How a plain FITS image is to be read.
    require_allowed : callable, optional
        Asked before a file other than `path` is opened; it raises for one that must not be.

    Raises
    ------
    ReadError, FileLimitError, ConfigError
        As `forcedsql.open_exposure`.  Damage of pixels shows when they are read.
    """
    path = Path(path)
    if layout:
        try:
            return OpenedFile(_open_known(path, FileLayout.from_json(layout)), layout)
        except ReadError:
            pass  # the file's own headers decide, and what is wrong with them is what is said
    with recognised(path) as (reader, file):
        require_usable(options, reader)
        found: FileLayout | None = file.layout()
        if found is None or not hasattr(reader, "read_lazily"):
            return _read_whole(reader, file, options, require_allowed)
        exposure = reader.read_lazily(file, _rows_by(FileState.of(path), found))
        # Only now is it known which objects of the archive are worth keeping in condensed form.
        return OpenedFile(exposure, replace(found, condensed=file.condensed).to_json())


def pinned_options(path: str | Path, options: OpenOptions | None = None) -> OpenOptions | None:
    """Return the options that `open_lazily` would, without reading pixels.

    Raises
    ------
    ReadError, FileLimitError, ConfigError
        As `forcedsql.open_exposure`.
    """
    with recognised(Path(path)) as (reader, file):
        require_usable(options, reader)
        if not hasattr(reader, "TAKES_OPTIONS"):
            return None
        pinned: OpenOptions = reader.pinned_options(file, options)
        return pinned


def _read_whole(
    reader: Any,
    file: FitsFile,
    options: OpenOptions | None,
    require_allowed: Callable[[Path], object] | None,
) -> OpenedFile:
    if not hasattr(reader, "TAKES_OPTIONS"):
        return OpenedFile(reader.read_exposure(file), "")
    image = reader.read_plain(file, options, require_allowed=require_allowed)
    return OpenedFile(image.exposure, "", image.options, image.side_files)


def _open_known(path: Path, layout: FileLayout) -> Exposure:
    state = FileState.of(path)
    with open_known(state, layout) as file:
        reader = reader_of(file)
        if not hasattr(reader, "read_lazily"):
            raise ReadError("the layout is that of a file whose pixels are read at once")
        exposure: Exposure = reader.read_lazily(file, _rows_by(state, layout))
        return exposure


def _rows_by(state: FileState, layout: FileLayout) -> Callable[[PlaneHdus], PixelRows]:
    def rows_of(hdus: PlaneHdus) -> PixelRows:
        return PixelRows(FilePlanes(state, layout, hdus))

    return rows_of


class FilePlanes:
    """The planes of one exposure in its file: a `forcedsql.pixel_rows.RowSource`.

    Parameters
    ----------
    state : FileState
    layout : FileLayout
    hdus : PlaneHdus

    Raises
    ------
    ReadError
        If the planes are not images of one shape.
    FileLimitError
        If they are larger than a reader grants.
    """

    def __init__(self, state: FileState, layout: FileLayout, hdus: PlaneHdus) -> None:
        self._state = state
        self._hdus = hdus
        numbers = (hdus.image, hdus.mask, hdus.variance)
        shapes = [_shape_of(layout.hdus[number], number) for number in numbers]
        if len(set(shapes)) != 1:
            raise ReadError(f"the planes have different numbers of pixels: {', '.join(map(str, shapes))}")
        self._shape = shapes[0]
        limits.require_at_most(
            self._shape[0] * self._shape[1], limits.MAX_IMAGE_PIXELS, f"pixels in HDU {hdus.image}"
        )
        planes = {number: stored_plane(layout.hdus[number]) for number in numbers}
        # A layout may contradict itself; the file's own headers are asked then.
        self._stored = {
            number: plane if plane is not None and plane.shape == self._shape else None
            for number, plane in planes.items()
        }

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self._shape

    def read_pixels(self, rows: slice, columns: slice, image: Float32Array, variance: Float32Array) -> None:
        """Fill a box of image and variance; see `forcedsql.pixel_rows.RowSource`."""
        with self._reading() as read:
            for some in _parts(rows):
                read.floats(self._hdus.image, some, columns, image[some])
                read.floats(self._hdus.variance, some, columns, variance[some])

    def read_mask(self, rows: slice, columns: slice, mask: MaskArray) -> None:
        """Fill a box of the mask; see `forcedsql.pixel_rows.RowSource`."""
        with self._reading() as read:
            for some in _parts(rows):
                read.bits(self._hdus.mask, some, columns, mask[some])

    @contextmanager
    def _reading(self) -> Iterator["_Reading"]:
        try:
            with self._state.open() as file, ExitStack() as opened:
                yield _Reading(file, self._stored, lambda: opened.enter_context(open_fits(self._state.path)))
        except ReadError as fault:
            raise type(fault)(f"{self._state.path}: {fault}") from fault


def _parts(rows: slice) -> Iterator[slice]:
    for first in range(rows.start, rows.stop, _ROWS_AT_A_TIME):
        yield slice(first, min(first + _ROWS_AT_A_TIME, rows.stop))


class _Reading:
    """One reading of rows: astropy opens the file where a plane is stored in an unusual way."""

    def __init__(
        self, file: FileBytes, stored: dict[int, StoredPlane | None], open_fully: Callable[[], FitsFile]
    ) -> None:
        self._file = file
        self._stored = stored
        self._open_fully = open_fully
        self._fully: FitsFile | None = None

    def floats(self, hdu: int, rows: slice, columns: slice, pixels: Float32Array) -> None:
        """Fill columns of rows, (len(rows), nx)."""
        if not self._as_stored(hdu, rows, columns, pixels):
            values, compressed = self._rows(hdu, rows, pixels.shape)
            pixels[:, columns] = float_pixels(values[:, columns], compressed=compressed)

    def bits(self, hdu: int, rows: slice, columns: slice, pixels: MaskArray) -> None:
        """Fill columns of rows of the mask; see `floats`."""
        if not self._as_stored(hdu, rows, columns, pixels):
            values, _ = self._rows(hdu, rows, pixels.shape)
            pixels[:, columns] = mask_pixels(values[:, columns], label=f"HDU {hdu}")

    def _as_stored(self, hdu: int, rows: slice, columns: slice, pixels: AnyArray) -> bool:
        """Read compressed pixels that are what is measured to where they belong; tell if they are."""
        plane = self._stored[hdu]
        if plane is None or not plane.compressed or plane.dtype.newbyteorder("=") != pixels.dtype:
            return False
        plane.read_into(self._file, rows.start, pixels, columns)
        return True

    def _rows(self, hdu: int, rows: slice, shape: tuple[int, ...]) -> tuple[AnyArray, bool]:
        plane, count = self._stored[hdu], rows.stop - rows.start
        if plane is not None:
            return plane.read(self._file, rows.start, count), plane.compressed
        if self._fully is None:
            self._fully = self._open_fully()
        pixels: Any = self._fully.rows(hdu, rows.start, count)
        if pixels.values.shape != shape:
            raise ReadError(
                f"HDU {hdu} has rows of {pixels.values.shape[1]} pixels; its layout says {shape[1]}"
            )
        return pixels.values, pixels.compressed


def _shape_of(hdu: HduLayout, number: int) -> tuple[int, int]:
    sides = [integer_card(hdu.cards, name) or 0 for name in ("NAXIS2", "NAXIS1")]
    if hdu.kind not in ("image", "tiles") or integer_card(hdu.cards, "NAXIS") != 2 or min(sides) < 1:
        raise ReadError(f"HDU {number} is not an image of 2 dimensions")
    return sides[0], sides[1]
