"""Bulk runs: a catalogue of positions on every exposure that contains them, resumable.

`run` plans by the sky coverage of the registry, measures exposure by exposure in worker
processes, threads or on a Dask cluster, and keeps each exposure's rows as one Parquet file
or one transaction, with a line in the ledger ``measurement_task``.

Which of them is the truth: in a folder, the files, each of which says in its footer what it
was made from; in a table, the transaction that holds rows and ledger line together.  After
any kill the next run goes by that, and brings the ledger up to date.

Names are imported when they are first used: a worker process imports this package before it
has said how many threads NumPy may have.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forcedsql.runs.report import RunReport as RunReport
    from forcedsql.runs.report import RunWatcher as RunWatcher
    from forcedsql.runs.survey_run import run as run

_MODULE_OF = {"RunReport": "report", "RunWatcher": "report", "run": "survey_run"}

__all__ = ["RunReport", "RunWatcher", "run"]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'forcedsql.runs' has no attribute {name!r}")
    value = getattr(import_module(f"forcedsql.runs.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
