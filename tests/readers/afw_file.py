"""Small afw exposure files made with astropy, for what the reference files do not show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

TAN_AST_TEXT = """1 SkyWcs 0 Begin FrameSet
 IsA Frame
 Nframe = 2
 Currnt = 2
 Lnk2 = 1
 Frm1 =
  Begin Frame
  Naxes = 2
  Domain = "PIXELS"
  End Frame
 Frm2 =
  Begin SkyFrame
  IsA Object
  Naxes = 2
  System = "ICRS"
  IsA Frame
  End SkyFrame
 Map2 =
  Begin ZoomMap
  Nin = 2
  IsA Mapping
  Zoom = 0.001
  End ZoomMap
End FrameSet
"""


@dataclass
class AfwFile:
    """What goes into a small afw file: planes, cards, and an archive of tables and objects."""

    image: np.ndarray = field(default_factory=lambda: np.ones((6, 8), np.float32))
    mask: np.ndarray = field(default_factory=lambda: np.zeros((6, 8), np.int32))
    variance: np.ndarray = field(default_factory=lambda: np.full((6, 8), 4.0, np.float32))
    primary: dict[str, Any] = field(default_factory=lambda: {"EXPINFO_V": 2})
    image_cards: dict[str, Any] = field(default_factory=lambda: {"INHERIT": True})
    mask_cards: dict[str, Any] = field(default_factory=lambda: {"MP_BAD": 0, "MP_SAT": 5})
    compressed: bool = False
    tables: list[fits.BinTableHDU] = field(default_factory=list)
    index: list[tuple[int, int, int, int, int, str]] = field(default_factory=list)

    def add_table(self, flags: Mapping[str, Sequence[bool]] | None = None, **columns: Any) -> int:
        """Add a table of columns name=(format, values of the rows); return its number."""
        made = []
        if flags:
            bits = np.array(list(flags.values()), dtype=bool).T
            made.append(fits.Column(name="flags", format=f"{len(flags)}X", array=bits))
        for name, (form, values) in columns.items():
            variable = form.startswith("Q")
            array = _objects(values) if variable else np.array(values)
            made.append(fits.Column(name=name, format=f"{form}()" if variable else form, array=array))
        hdu = fits.BinTableHDU.from_columns(made)
        hdu.header["EXTTYPE"] = "ARCHIVE_DATA"
        for number, name in enumerate(flags or {}, start=1):
            hdu.header[f"TFLAG{number}"] = name
        self.tables.append(hdu)
        return len(self.tables)

    def add_object(self, class_name: str, /, *, rows: int = 1, **table: Any) -> int:
        """Add an object with a table of its own; return its id."""
        return self.place(class_name, self.add_table(**table), rows=rows)

    def place(self, name: str, table: int, *, row0: int = 0, rows: int = 1) -> int:
        """Add an object made of rows of a table; return its id."""
        object_id = len({entry[0] for entry in self.index}) + 1
        self.index.append((object_id, table, 0, row0, rows, name))
        return object_id

    def add_wcs(self, text: str = TAN_AST_TEXT) -> int:
        """Add a SkyWcs of this AST text as the exposure's, return its id."""
        object_id = self.add_object("SkyWcs", wcs=("QB", [np.frombuffer(text.encode("latin-1"), np.uint8)]))
        self.primary["SKYWCS_ID"] = object_id
        return object_id

    def write(self, path: Path) -> Path:
        """Write the file."""
        kind = fits.CompImageHDU if self.compressed else fits.ImageHDU
        hdus = fits.HDUList([fits.PrimaryHDU()])
        planes = (
            ("IMAGE", self.image, self.image_cards),
            ("MASK", self.mask, {"INHERIT": True, **self.mask_cards}),
            ("VARIANCE", self.variance, {"INHERIT": True}),
        )
        for name, pixels, cards in planes:
            extra = {"compression_type": "GZIP_2", "quantize_level": 0.0} if self.compressed else {}
            hdus.append(kind(pixels, **extra))
            hdus[-1].header.update({"EXTTYPE": name, **cards})
        if self.index:
            self.primary.setdefault("AR_HDU", 5)
            hdus.append(self._index_hdu())
            hdus.extend(self.tables)
        hdus[0].header.update({_spelled(key): value for key, value in self.primary.items()})
        hdus.writeto(path)
        return path

    def _index_hdu(self) -> fits.BinTableHDU:
        names = ("id", "cat.archive", "cat.persistable", "row0", "nrows")
        columns = [
            fits.Column(name=name, format="J", array=[entry[position] for entry in self.index])
            for position, name in enumerate(names)
        ]
        columns.append(fits.Column(name="name", format="64A", array=[entry[5] for entry in self.index]))
        columns.append(fits.Column(name="module", format="64A", array=[""] * len(self.index)))
        hdu = fits.BinTableHDU.from_columns(columns)
        hdu.header["EXTTYPE"] = "ARCHIVE_INDEX"
        return hdu


def _objects(values: Sequence[Any]) -> np.ndarray:
    cells = np.empty(len(values), dtype=object)
    cells[:] = values
    return cells


def _spelled(key: str) -> str:
    return f"HIERARCH {key}" if len(key) > 8 or " " in key else key
