"""LazyExposure: an exposure whose pixels stay in the file until they are needed."""

from typing import Any

from forcedsql.arrays import BoolArray, Float32Array
from forcedsql.exposure import Exposure, MaskArray
from forcedsql.phases import READING, phase
from forcedsql.pixel_rows import PixelRows


def _plane(name: str) -> Any:
    """Return a property that reads the whole plane before it gives it away."""
    stored = vars(Exposure)[name]

    def whole(exposure: "LazyExposure") -> Any:
        exposure.read_all_rows()
        return stored.__get__(exposure)

    return property(whole, stored.__set__, doc=f"The whole {name}, read as far as it has not been.")


class LazyExposure(Exposure):
    """An exposure that reads rows of its planes when they are asked for.

    `read_rows` reads some; whoever takes `image`, `mask` or `variance` reads all.

    Parameters
    ----------
    rows : PixelRows, optional
        Where the pixels come from; without it the planes are given, as for `Exposure`.
    parts
        Everything else that an `Exposure` is made of.
    """

    __slots__ = ("_rows",)
    _rows: PixelRows | None

    image = _plane("image")
    mask = _plane("mask")
    variance = _plane("variance")

    def __init__(self, *, rows: PixelRows | None = None, **parts: Any) -> None:
        # The rows come last: reading them is what the checks of whole planes would do.
        object.__setattr__(self, "_rows", None)
        if rows is not None:
            parts |= {"image": rows.image, "mask": rows.mask, "variance": rows.variance}
        super().__init__(**parts)
        object.__setattr__(self, "_rows", rows)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns) of the image; nothing is read for it."""
        return super().shape if self._rows is None else self._rows.shape

    @property
    def nbytes(self) -> int:
        """Bytes of pixels in memory: those read so far."""
        return super().nbytes if self._rows is None else self._rows.nbytes

    def read_rows(self, pixels: BoolArray, mask: BoolArray, columns: slice | None = None) -> None:
        """Read rows of the planes; see `Exposure.read_rows`."""
        if self._rows is not None:
            with phase(READING):
                self._rows.read(pixels, mask, columns)

    def read_all_rows(self) -> None:
        """Read every row that has not been read."""
        if self._rows is not None:
            with phase(READING):
                self._rows.read_all()

    def planes_so_far(self) -> tuple[Float32Array, MaskArray, Float32Array]:
        """Return the planes with zeros in what was not read; see `Exposure.planes_so_far`."""
        if self._rows is None:
            return super().planes_so_far()
        return self._rows.image, self._rows.mask, self._rows.variance
