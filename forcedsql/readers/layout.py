"""The layout of a FITS file: where each HDU's data are and what its header says.

Whoever keeps it, as the registry does, opens the file without parsing it again.  It travels
as JSON, and what comes back is trusted no more than the file itself.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from forcedsql.errors import ReadError
from forcedsql.readers import limits
from forcedsql.readers.cards import Cards

VERSION = 1
_COMMENTS = frozenset(("", "COMMENT", "HISTORY"))
_DOCUMENTATION = ("TDOC", "TFDOC", "TCCLS", "TUNIT", "TDISP")
_CARD_TYPES = (str, int, float, bool, type(None))


@dataclass(frozen=True, slots=True)
class HduLayout:
    """One HDU.

    Parameters
    ----------
    kind : {"image", "table", "tiles"}
        "tiles" for a tile-compressed image; "other" for what is none of these.
    start, size : int, byte
        Where the data begin in the file, and how many there are with their padding.
    cards : mapping of str to str, int, float, bool or None
        The header, of a compressed image that of the image; None for a value that is missing
        or of another type.
    storage : mapping
        Header of the table that holds a tile-compressed image; empty for other HDUs.
    """

    kind: str
    start: int
    size: int
    cards: Cards
    storage: Cards


@dataclass(frozen=True, slots=True)
class FileLayout:
    """All HDUs of a file.

    Parameters
    ----------
    size : int, byte
    hdus : tuple of HduLayout
        In order.
    condensed : mapping
        Archive objects by their id, as their decoders condense them.
    """

    size: int
    hdus: tuple[HduLayout, ...]
    condensed: Mapping[str, Any]

    def to_json(self) -> str:
        """Return the layout as text that `from_json` takes."""
        return json.dumps({"version": VERSION, **asdict(self)}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "FileLayout":
        """Return the layout that a text describes.

        Raises
        ------
        ReadError
            If it is no layout, of another version, or has data outside the file.
        """
        try:
            content = json.loads(text)
            if content["version"] != VERSION:
                raise ReadError(f"the layout is of version {content['version']!r}, not {VERSION}")
            size = _count(content["size"])
            hdus = tuple(_hdu(entry, size) for entry in content["hdus"][: limits.MAX_HDUS])
            return cls(size, hdus, dict(content["condensed"]))
        except (ValueError, KeyError, TypeError, RecursionError) as fault:
            raise ReadError(f"the layout is damaged: {type(fault).__name__}: {fault}") from fault


def plain_cards(cards: Mapping[str, Any]) -> Cards:
    """Return cards whose values JSON can hold, without commentary and documentation."""
    return {
        name: value if isinstance(value, _CARD_TYPES) else None
        for name, value in cards.items()
        if name not in _COMMENTS and not name.startswith(_DOCUMENTATION)
    }


def _hdu(entry: Any, file_size: int) -> HduLayout:
    start, size = _count(entry["start"]), _count(entry["size"])
    if start + size > file_size:
        raise ValueError(f"data at byte {start + size} of a file of {file_size}")
    return HduLayout(str(entry["kind"]), start, size, _cards(entry["cards"]), _cards(entry["storage"]))


def _cards(value: Any) -> Cards:
    if not isinstance(value, dict) or not all(isinstance(v, _CARD_TYPES) for v in value.values()):
        raise ValueError("a header is not made of names and plain values")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is not a number of bytes")
    return value
