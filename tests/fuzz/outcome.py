"""What became of one mutated file."""

from dataclasses import dataclass

FINE, REFUSED = "fine", "refused"
FOREIGN, MEMORY, HANG, CRASH = "FOREIGN", "MEMORY", "HANG", "CRASH"
BUGS = (FOREIGN, MEMORY, HANG, CRASH)


@dataclass(frozen=True)
class Outcome:
    """What became of one mutated file.

    `seconds` of processor time and `nbytes` of memory are those of the costliest step.
    """

    number: int
    kind: str
    seed: str
    outcome: str
    error: str = ""
    message: str = ""
    seconds: float = 0.0
    nbytes: int = 0
