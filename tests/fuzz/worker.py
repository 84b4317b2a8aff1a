"""The process in which mutated files are opened: it may crash, hang or run out of memory."""

import resource
import time
import traceback
import warnings
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.fuzz.cases import Case, make_case
from tests.fuzz.outcome import FINE, FOREIGN, MEMORY, REFUSED, Outcome

ADDRESS_SPACE = 3 << 30
"""Bytes that a worker may ask for beyond those that it starts with."""

LONGEST_MESSAGE = 1100


def work(connection: Connection, folder: Path, shared: Path | None, run: int, kind: str) -> None:
    """Answer numbers of cases with their outcomes until the other end is closed."""
    from tests.fuzz.seeds import seeds

    warnings.simplefilter("ignore")
    good = seeds(folder, shared)
    # Whatever is loaded at first use is no cost of the first file.
    for seed in {seed.kind: seed for seed in good}.values():
        try_case(Case(-1, seed, seed.content), folder)
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + ADDRESS_SPACE, used + ADDRESS_SPACE))
    with suppress(EOFError, BrokenPipeError):
        connection.send(len(good))
        while True:
            case = make_case(good, run, connection.recv(), kind)
            connection.send((case.seed.kind, case.seed.name))
            connection.send(try_case(case, folder))


def try_case(case: Case, folder: Path) -> Outcome:
    """Do everything with one mutated file that can be done with its kind."""
    from tests.fuzz.targets import steps

    path = folder / f"mutated{case.seed.suffix}"
    path.write_bytes(case.content)
    found: list[tuple[str, str, str]] = []
    seconds, nbytes = 0.0, 0
    for step in steps(case.seed, path, folder):
        before, start = _reset_memory(), time.process_time()
        found.append(_try(step))
        seconds = max(seconds, time.process_time() - start)
        nbytes = max(nbytes, _highest_memory() - before)
    path.unlink()
    worst = next((result for result in found if result[0] not in (FINE, REFUSED)), found[0])
    return Outcome(case.number, case.seed.kind, case.seed.name, *worst, seconds, nbytes)


def _try(step: Any) -> tuple[str, str, str]:
    from forcedsql.errors import ForcedSQLError

    try:
        step()
    except ForcedSQLError as fault:
        if _chain_has(fault, MemoryError):
            return MEMORY, type(fault).__name__, str(fault)
        text = str(fault)
        if "\n" in text or not text.isprintable() or not 0 < len(text) <= LONGEST_MESSAGE:
            return FOREIGN, type(fault).__name__, f"not one short line: {text[:200]!r}"
        return REFUSED, type(fault).__name__, text
    except Exception as fault:  # noqa: BLE001 - that is what is looked for
        place = traceback.extract_tb(fault.__traceback__)[-1]
        where = f"{Path(place.filename).name}:{place.lineno}"
        kind = MEMORY if isinstance(fault, MemoryError) else FOREIGN
        return kind, type(fault).__name__, f"{where}: {' '.join(str(fault).split())[:200]}"
    return FINE, "", ""


def _chain_has(fault: BaseException | None, wanted: type[BaseException]) -> bool:
    while fault is not None:
        if isinstance(fault, wanted):
            return True
        fault = fault.__cause__ or fault.__context__
    return False


def _reset_memory() -> int:
    """Forget the highest memory so far; return what is in memory now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def _highest_memory() -> int:
    return _status("VmHWM")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) << 10
    return 0
