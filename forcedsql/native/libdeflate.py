"""The libdeflate inside the package `deflate`, whose functions C may call.

The package itself unpacks one gzip member at a time, and waits for the interpreter after each.
"""

import ctypes
from functools import cache
from importlib import import_module
from typing import Any

from forcedsql.native.library import Library

_MODULE = "deflate._deflate"
"""The compiled part of the package."""


@cache
def libdeflate_functions(library: Library) -> Any | None:
    """Return a ``forcedsql_libdeflate`` for C, or None where the package does not show its functions.

    Parameters
    ----------
    library : Library
        The one that is to call them.
    """
    functions = library.ffi.new("forcedsql_libdeflate *")
    try:
        # An extension module is never unloaded, and so the addresses stay right.
        module = ctypes.CDLL(import_module(_MODULE).__file__)
        for name, field in library.ffi.typeof(functions).item.fields:
            address = ctypes.cast(getattr(module, f"libdeflate_{name}"), ctypes.c_void_p).value
            setattr(functions, name, library.ffi.cast(field.type, address))
    except (ImportError, OSError, AttributeError):
        return None
    return functions
