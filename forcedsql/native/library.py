"""Loading the compiled library, or saying why there is none."""

import os
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.errors import ConfigError
from forcedsql.native.threads import thread_limit

INTERFACE = 7
"""Number of the interface that this package is written for (``src/interface.h``)."""

KERNEL_VARIABLE = "FORCEDSQL_KERNEL"

_DTYPES = {
    "double": np.float64,
    "float": np.float32,
    "int64_t": np.int64,
    "int32_t": np.int32,
    "uint32_t": np.uint32,
    "uint8_t": np.uint8,
}


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """The compiled functions, and what turns arrays into their arguments.

    Parameters
    ----------
    ffi, lib : module attributes made by cffi
    """

    ffi: Any
    lib: Any

    @property
    def instruction_set(self) -> str:
        """Instruction set that was chosen for this machine: "avx512", "avx2" or "baseline"."""
        return str(self.ffi.string(self.lib.forcedsql_instruction_set()).decode())

    def given(self, array: AnyArray, kind: str, *shape: int) -> Any:
        """Return a pointer to an array's elements, copied only if they are not contiguous.

        Parameters
        ----------
        array : ndarray
        kind : {"double", "float", "int64_t", "int32_t"}
            C type of the elements.
        shape : int
            Shape that the C function relies on.

        Raises
        ------
        ValueError
            If the array has another shape.
        """
        return self._pointer(np.ascontiguousarray(array, dtype=_DTYPES[kind]), kind, shape, writable=False)

    def filled(self, array: AnyArray, kind: str, *shape: int) -> Any:
        """Return a pointer to an array that the C function fills; see `given`.

        Raises
        ------
        ValueError
            If the array has another shape or type, or is not contiguous.
        """
        if array.dtype != _DTYPES[kind]:
            raise ValueError(f"an array of {array.dtype} was passed where C writes {kind}")
        return self._pointer(array, kind, shape, writable=True)

    def _pointer(self, array: AnyArray, kind: str, shape: tuple[int, ...], *, writable: bool) -> Any:
        if array.shape != shape:
            raise ValueError(f"an array of shape {array.shape} was passed where {shape} is needed")
        if array.size == 0:
            return self.ffi.NULL
        return self.ffi.from_buffer(f"{kind}[]", array, require_writable=writable)

    def call(self, name: str, *arguments: Any) -> None:
        """Run a function on as many threads as are free; the GIL is released meanwhile.

        Raises
        ------
        MemoryError
            If it found no memory.
        """
        if getattr(self.lib, f"forcedsql_{name}")(*arguments, thread_limit()):
            raise MemoryError(f"{name}: no memory left")


def native_library() -> Library | None:
    """Return the compiled library, or None where forcedsql runs on NumPy.

    ``FORCEDSQL_KERNEL`` = ``numpy`` or ``native`` decides; unset, the library is used if there is one.

    Raises
    ------
    ConfigError
        If ``FORCEDSQL_KERNEL`` is neither, or asks for a library that is not there.
    """
    choice = os.environ.get(KERNEL_VARIABLE, "")
    if choice == "numpy":
        return None
    library, reason = _load()
    if choice == "native" and library is None:
        raise ConfigError(
            f"{KERNEL_VARIABLE}=native, but there is no native kernel: {reason}; "
            "install forcedsql again with a C compiler, or unset it"
        )
    if choice not in ("", "native"):
        raise ConfigError(f"{KERNEL_VARIABLE}={choice} is not one of numpy, native")
    return library


@cache
def _load() -> tuple[Library | None, str]:
    """Return the library, or None and the reason in words."""
    try:
        module = import_module("forcedsql.native._library")
    except ImportError as error:
        return None, " ".join(str(error).split())
    found = module.lib.forcedsql_interface()
    if found != INTERFACE:
        return None, f"its interface is number {found}, and this forcedsql needs {INTERFACE}"
    return Library(module.ffi, module.lib), ""
