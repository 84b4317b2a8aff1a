"""Exit codes: what a script may rely on."""

from enum import IntEnum

from forcedsql.errors import (
    ConfigError,
    DatabaseError,
    ForcedSQLError,
    OutputError,
    ReadError,
    ToleranceError,
)


class ExitCode(IntEnum):
    """What the process says when it ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    CANNOT_OPEN = 3
    OUTSIDE_TOLERANCE = 4
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """One line for a person."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed",
    ExitCode.USAGE: "wrong usage or configuration",
    ExitCode.CANNOT_OPEN: "cannot open a database or exposure, or write results",
    ExitCode.OUTSIDE_TOLERANCE: "a comparison is outside its tolerance",
    ExitCode.INTERRUPTED: "interrupted",
}


def exit_code_of(error: ForcedSQLError) -> ExitCode:
    """Return the exit code that an error ends the process with."""
    for kinds, code in (
        (ConfigError, ExitCode.USAGE),
        ((ReadError, DatabaseError, OutputError), ExitCode.CANNOT_OPEN),
        (ToleranceError, ExitCode.OUTSIDE_TOLERANCE),
    ):
        if isinstance(error, kinds):
            return code
    return ExitCode.FAILED


def describe_exit_codes() -> str:
    """Return all codes and meanings in one sentence, for the help."""
    return "Exit codes: " + "; ".join(f"{code.value} {code.meaning}" for code in ExitCode) + "."
