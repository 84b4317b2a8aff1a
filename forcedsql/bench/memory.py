"""Peak memory of a contestant: a process of its own measures once and says how far it rose.

What counts is resident memory above the planes and positions, which are in place before.
Tracing allocations in this process would not see what C libraries take.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from forcedsql.bench.catalogue import Catalogue
from forcedsql.bench.contestants import CONTESTANTS
from forcedsql.bench.timing import limited_threads
from forcedsql.errors import ForcedSQLError
from forcedsql.native.threads import THREADS_VARIABLE

_WARM_UP = 20
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", THREADS_VARIABLE)


def peak_megabytes(folder: Path, psf: str, contestant: str, count: int) -> float:
    """Measure with one thread in a new process, and return the rise of its resident memory, in MB.

    Parameters
    ----------
    folder : Path
        Holds what `Catalogue.save` wrote.
    psf, contestant : str
        Names of the PSF model and the contestant.
    count : int
        Number of positions.

    Raises
    ------
    ForcedSQLError
        If the process fails.
    """
    arguments = [sys.executable, "-m", "forcedsql.bench.memory", str(folder), psf, contestant, str(count)]
    environment = {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, "1")}
    done = subprocess.run(  # noqa: S603 - this very program, no shell
        arguments, capture_output=True, text=True, check=False, env=environment
    )
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ForcedSQLError(f"memory of {contestant} could not be measured: {reason}")
    return float(json.loads(done.stdout)["megabytes"])


def high_water_megabytes() -> float:
    """Return the most resident memory that this process has had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux its maximum starts with that of the process which started this one.
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024 / 1e6
    import resource  # noqa: PLC0415 - there is none on Windows

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def rise_megabytes(catalogue: Catalogue, contestant: str, count: int) -> float:
    """Return how far a contestant's work raises the memory of this process, in MB."""
    chosen = CONTESTANTS[contestant]
    chosen.prepare(catalogue, min(count, _WARM_UP))()  # libraries are loaded, tables made
    work = chosen.prepare(catalogue, count)
    before = high_water_megabytes()
    work()
    return high_water_megabytes() - before


def main(arguments: list[str]) -> int:
    """Measure what the arguments name and print the result as JSON."""
    folder, psf, contestant, count = arguments
    with limited_threads(1):
        rise = rise_megabytes(Catalogue.load(Path(folder), psf), contestant, int(count))
    sys.stdout.write(json.dumps({"megabytes": rise}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
