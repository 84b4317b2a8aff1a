"""Where the parts of an image are: HDUs by name or number, and files beside it."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from forcedsql.errors import ConfigError, ReadError
from forcedsql.file_names import exists, is_file
from forcedsql.readers.cards import Cards, integer_card, parsed_whole, text_card
from forcedsql.readers.fits_file import FitsFile, open_fits

_LOCATION = re.compile(r"(?P<file>[^\[\]]*)(\[(?P<hdu>[^\[\]]+)\])?")
_PLACEHOLDER = re.compile(r"\{(stem|name)(?::([^=}]+)=([^}]*))?\}")
_SUFFIX = re.compile(r"\.(fits|fit|fts)(\.(fz|gz|bz2))?$", re.IGNORECASE)
_PACKED = ("", ".fz", ".gz", ".bz2")


@dataclass(frozen=True, slots=True, eq=False)
class Hdu:
    """One HDU of an open file."""

    file: FitsFile
    path: Path
    number: int

    @property
    def cards(self) -> Cards:
        """Its header."""
        return self.file.cards(self.number)

    @property
    def name(self) -> str:
        """Its EXTNAME, "" if it has none."""
        return text_card(self.cards, "EXTNAME").upper()

    @property
    def version(self) -> int:
        """Its EXTVER."""
        return integer_card(self.cards, "EXTVER") or 1

    @property
    def label(self) -> str:
        """File and HDU, for people."""
        return f"{self.path.name}[{self.name or self.number}]"

    def is_image(self) -> bool:
        """Tell whether it is an image of two dimensions with pixels."""
        return integer_card(self.cards, "NAXIS", "ZNAXIS") == 2 and self.shape is not None

    @property
    def shape(self) -> tuple[int, int] | None:
        """(rows, columns) as the header has them."""
        if text_card(self.cards, "XTENSION").upper() in ("BINTABLE", "TABLE"):
            return None
        height, width = (integer_card(self.cards, name) or 0 for name in ("NAXIS2", "NAXIS1"))
        return (height, width) if min(height, width) > 0 else None


@dataclass(slots=True, eq=False)
class Folder:
    """The image's file and those beside it, opened once each as they are asked for.

    Parameters
    ----------
    path : Path
        The image's file.
    file : FitsFile
    require_allowed : callable, optional
        Asked before any other file is opened; it raises for one that must not be.
    """

    path: Path
    file: FitsFile
    require_allowed: Callable[[Path], object] | None = None
    _stack: ExitStack = field(default_factory=ExitStack)
    _opened: dict[Path, FitsFile] = field(default_factory=dict)
    _side_files: dict[Path, None] = field(default_factory=dict)

    @property
    def side_files(self) -> tuple[Path, ...]:
        """The other files that have been opened, by whomever, in order."""
        return tuple(self._side_files)

    def admit(self, path: Path) -> None:
        """Take note of a file beside the image's that is about to be opened, if it is allowed."""
        if self.require_allowed is not None:
            self.require_allowed(path)
        self._side_files[path] = None

    def hdus(self, path: Path | None = None) -> Iterator[Hdu]:
        """Yield the HDUs of the image's file, or of another."""
        path = path or self.path
        file = self.open(path)
        for number in file.indices():
            yield Hdu(file, path, number)

    def open(self, path: Path) -> FitsFile:
        """Return an open file; ReadError names it if it cannot be opened."""
        if path == self.path:
            return self.file
        if path not in self._opened:
            self.admit(path)
            try:
                self._opened[path] = self._stack.enter_context(open_fits(path))
            except ReadError as fault:
                raise type(fault)(f"its file {path}: {fault}") from fault
        return self._opened[path]

    def find(self, location: str, like: Hdu | None = None, *, what: str) -> Hdu:
        """Return the HDU that a location names; see `OpenOptions`.

        Parameters
        ----------
        location : str
        like : Hdu, optional
            The image: where the location names a file of several images, the one of the same
            name and version, or else the same number, is meant.
        what : str
            For messages.

        Raises
        ------
        ConfigError
            If the location is not spelled as one.
        ReadError
            If there is no such file or HDU.
        """
        match = _LOCATION.fullmatch(location)
        if match is None:
            raise ConfigError(f"{what}: {location!r} is not FILE, FILE[EXT] or [EXT]")
        path = self.path if not match["file"] else self.side_file(match["file"])
        if path is None:
            raise ReadError(f"{what}: there is no file {location!r} here or beside {self.path}")
        hdus = list(self.hdus(path))
        if match["hdu"]:
            found = _named(hdus, match["hdu"])
            if found is None:
                have = ", ".join(h.name or str(h.number) for h in hdus)
                raise ReadError(f"{what}: {path} has no HDU {match['hdu']!r}; it has {have}")
            return found
        images = [h for h in hdus if h.is_image()]
        if not images:
            raise ReadError(f"{what}: {path} holds no image")
        return _like(images, like)

    def side_file(self, pattern: str) -> Path | None:
        """Return the file that a pattern means, None if there is none; see `OpenOptions`."""
        name = expand(pattern, self.path)
        if name is None:
            return None
        here = Path(name)
        if "{" not in pattern and exists(here):
            return here.resolve()
        beside = self.path.parent / name
        base = re.sub(r"\.(fz|gz|bz2)$", "", str(beside))
        for candidate in (beside, *(Path(base + suffix) for suffix in _PACKED)):
            if is_file(candidate) and candidate != self.path:
                return candidate
        return None


@contextmanager
def folder_of(file: FitsFile, require_allowed: Callable[[Path], object] | None = None) -> Iterator[Folder]:
    """Look around an image's file; what is opened is closed in the end."""
    with ExitStack() as stack:
        yield Folder(file.path, file, require_allowed, stack)


def expand(pattern: str, path: Path) -> str | None:
    """Fill in the placeholders of a file name; None where what is to be replaced is not there."""
    missing = False

    def fill(match: "re.Match[str]") -> str:
        nonlocal missing
        text = _SUFFIX.sub("", path.name) if match[1] == "stem" else path.name
        if match[2] is None:
            return text
        missing |= match[2] not in text
        return text.replace(match[2], match[3])

    name = _PLACEHOLDER.sub(fill, pattern)
    return None if missing else name


def _named(hdus: list[Hdu], text: str) -> Hdu | None:
    name, _, version = (part.strip() for part in text.partition(","))
    number = parsed_whole(name)
    if number is not None and not version:
        return hdus[number] if number < len(hdus) else None
    for hdu in hdus:
        if hdu.name == name.upper() and (not version or str(hdu.version) == version):
            return hdu
    return None


def _like(images: list[Hdu], like: Hdu | None) -> Hdu:
    if like is not None and len(images) > 1:
        named = [h for h in images if like.name and h.name == like.name]
        for found in (named, [h for h in images if h.number == like.number]):
            if len(found) == 1:
                return found[0]
    return images[0]
