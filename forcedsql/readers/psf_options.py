"""The options that stand in brackets after the name of a PSF file."""

import math
from collections.abc import Iterable, Mapping

from forcedsql.errors import ConfigError
from forcedsql.readers.cards import parsed_whole


class PsfOptions:
    """Options of one PSF file, as text, each to be asked for by the type it must have.

    Parameters
    ----------
    values : mapping of str to str
        By lower-case name.

    Raises
    ------
    ConfigError
        By every accessor, where the value is not of its type.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self.values = dict(values)

    def require_known(self, kind: str, known: Iterable[str]) -> None:
        """Refuse an option that a kind of file does not take.

        Raises
        ------
        ConfigError
            With the options that there are.
        """
        known = sorted(known)
        for name in self.values:
            if name not in known:
                raise ConfigError(f"a {kind} PSF takes no option {name!r}; it takes {', '.join(known)}")

    def text(self, name: str) -> str:
        """Return an option's text, "" where it is not given."""
        return self.values.get(name, "")

    def whole(self, name: str, *, lowest: int = 0) -> int | None:
        """Return an option's whole number, None where it is not given."""
        text = self.values.get(name)
        if text is None:
            return None
        number = parsed_whole(text)
        if number is None or number < lowest:
            raise ConfigError(f"option {name}={text}: a whole number from {lowest} on is expected")
        return number

    def number(self, name: str, default: float) -> float:
        """Return an option's finite number, or the default where it is not given."""
        text = self.values.get(name)
        if text is None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise ConfigError(f"option {name}={text}: a number is expected")
        return value

    @property
    def origin(self) -> tuple[float, float]:
        """``origin_x``, ``origin_y``: the pixel of the PSF file's image that is pixel (0, 0) here."""
        return self.number("origin_x", 0.0), self.number("origin_y", 0.0)
