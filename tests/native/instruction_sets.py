"""Which instruction sets the compiled library can run here."""

import os

from forcedsql.native import Library, native_library


def loaded() -> Library | None:
    """The compiled library, whatever FORCEDSQL_KERNEL says."""
    chosen = os.environ.pop("FORCEDSQL_KERNEL", None)
    try:
        return native_library()
    finally:
        if chosen is not None:
            os.environ["FORCEDSQL_KERNEL"] = chosen


def available() -> list[str]:
    compiled = loaded()
    if compiled is None:
        return ["none"]
    default = compiled.instruction_set
    names = ["baseline", "avx2", "avx512"]
    found = [name for name in names if compiled.lib.forcedsql_use_instruction_set(name.encode()) == 0]
    compiled.lib.forcedsql_use_instruction_set(default.encode())
    return found
