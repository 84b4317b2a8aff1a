"""Everything forcedsql raises on purpose.

::

    ForcedSQLError
    ├── ConfigError              an option or its value is not usable
    ├── ReadError                a file cannot be read as an exposure
    │   ├── FileLimitError       it asks for more than a reader grants
    │   └── UnsupportedError     it holds something no decoder knows, and that is needed
    ├── MissingComponentError    an exposure lacks a part that was asked for (WCS, PSF, ...)
    ├── TableError               a table of positions or a catalogue is not usable
    ├── OffImageError            a position is off the image and ``off_image="raise"``
    ├── DatabaseError            a database cannot be opened or is not one of ours
    │   └── UnknownExposureError no exposure of that id is registered
    ├── OutputError              results cannot be written: a full disk, a read-only folder
    └── ToleranceError           a comparison is outside its tolerance

A `PrecisionWarning` says that positions are measured which are not good enough; it stops nothing.

Faults of the *data* at a position (off the image, NaN, masked, no PSF there) are never
exceptions: they are flags on that position's row.
"""

_LONGEST_TEXT = 1000
_KEPT_AT_THE_END = 250


class ForcedSQLError(Exception):
    """Base of every error raised by forcedsql; its text is one line for a person.

    Texts quote what files and tables hold, so that they are made printable and of a bearable
    length here, for all of them.
    """

    def __str__(self) -> str:
        """Return the text on one line, its middle left out if it is long, and nothing a terminal obeys."""
        text = _shortened(super().__str__())
        if text.isprintable():
            return text
        return _shortened("".join(c if c.isprintable() else _escaped(c) for c in " ".join(text.split())))


class ConfigError(ForcedSQLError, ValueError):
    """An option is unknown, or its value is of the wrong type or range."""


class ReadError(ForcedSQLError):
    """A file cannot be read as a calibrated exposure."""


class FileLimitError(ReadError):
    """A file asks for more memory, recursion or objects than a reader grants."""


class UnsupportedError(ReadError):
    """A file holds an object of a class that no decoder knows, and it is needed."""


class MissingComponentError(ForcedSQLError):
    """An exposure lacks a component that the caller asked for."""


class TableError(ForcedSQLError, ValueError):
    """A table lacks a column, or a column has an unusable type or unit."""


class OffImageError(ForcedSQLError):
    """A position lies off the image while ``off_image="raise"`` is set."""


class DatabaseError(ForcedSQLError):
    """A database cannot be opened, or what it holds is not usable."""


class UnknownExposureError(DatabaseError):
    """No exposure of that id is registered in the database."""


class OutputError(ForcedSQLError):
    """Results cannot be written: the disk is full, or the folder read-only."""


class ToleranceError(ForcedSQLError):
    """Measured and reference fluxes differ by more than the tolerance given."""


class PrecisionWarning(UserWarning):
    """Numbers are stored with fewer digits than a measurement needs."""


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _shortened(text: str) -> str:
    if len(text) <= _LONGEST_TEXT:
        return text
    return f"{text[: _LONGEST_TEXT - _KEPT_AT_THE_END]} ... {text[-_KEPT_AT_THE_END:]}"
