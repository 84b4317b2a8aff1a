"""How many threads the native kernel may use."""

import os

from forcedsql.errors import ConfigError

THREADS_VARIABLE = "FORCEDSQL_THREADS"

_limits: dict[str, int] = {}


def thread_limit() -> int:
    """Return how many threads all calls of this process may use together.

    That is `limit_threads`, else ``FORCEDSQL_THREADS``, else every processor this process may
    run on.  Calls that run at the same time share them: each has its own thread, and takes
    further ones only as far as they are free.

    Raises
    ------
    ConfigError
        If ``FORCEDSQL_THREADS`` is not a whole number from 1.
    """
    if "threads" in _limits:
        return _limits["threads"]
    text = os.environ.get(THREADS_VARIABLE, "")
    if not text:
        return _usable_processors()
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1 << 16):
        raise ConfigError(f"{THREADS_VARIABLE}={text} is not a whole number from 1 to 65535")
    return int(text)


def limit_threads(count: int | None) -> None:
    """Set how many threads the calls of this process may use together; None for the default.

    A pool of worker processes gives each of them its share.

    Raises
    ------
    ConfigError
        If the count is less than 1.
    """
    if count is None:
        _limits.pop("threads", None)
        return
    if count < 1:
        raise ConfigError(f"the number of threads must be at least 1, not {count}")
    _limits["threads"] = min(count, (1 << 16) - 1)


def _usable_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
