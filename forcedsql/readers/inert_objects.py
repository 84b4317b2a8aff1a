"""What a pickle may make here: bags of attributes and arrays of numbers, from a fixed list of names.

Nothing in this module imports, looks up or calls anything that a file names.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.errors import FileLimitError, ReadError, UnsupportedError
from forcedsql.readers import limits

_BAG_PACKAGES = ("piff", "galsim", "coord", "lsst")
_NUMBER_CODE = re.compile(r"b1|[iu][1248]|f[248]|c(8|16)")
_BYTE_ORDERS = ("<", ">", "|")
_NAME = re.compile(r"[\w.]{1,200}", re.ASCII)
_MAX_DIMENSIONS = 8
_LONGEST_NAME = 100


@dataclass(eq=False, repr=False, slots=True)
class Bag:
    """An object of a foreign class, reduced to what its pickle says of it.

    Parameters
    ----------
    class_name : str
        Module and class: "piff.star.Star".
    arguments : tuple
        What the class would have been called with.
    state : dict, tuple or None
        What the object would have been given afterwards; a dict holds its attributes.
    """

    class_name: str
    arguments: tuple[Any, ...] = ()
    state: dict[Any, Any] | tuple[Any, ...] | None = None

    def is_a(self, package: str, class_name: str) -> bool:
        """Tell whether the class has this name and is in this package, in whichever module."""
        return self.class_name.split(".")[0] == package and self.class_name.split(".")[-1] == class_name

    def has(self, name: str) -> bool:
        """Tell whether there is an attribute of this name."""
        return isinstance(self.state, dict) and name in self.state

    def get(self, name: str) -> Any:
        """Return an attribute.

        Raises
        ------
        ReadError
            If there is none of this name.
        """
        if not isinstance(self.state, dict) or name not in self.state:
            raise ReadError(f"the {self.class_name} has no attribute {name!r}")
        return self.state[name]


@dataclass(frozen=True, slots=True)
class Global:
    """A name that a pickle may mention, and what is done in its place where it calls it.

    Parameters
    ----------
    name : str
        Module and name: "numpy.dtype".
    build : callable or None
        From the arguments of the call to an inert value; None where it may not be called.
    """

    name: str
    build: Callable[[tuple[Any, ...]], Any] | None = None


@dataclass(eq=False, slots=True)
class Unbuilt(ABC):
    """A value that is complete only when its state has come.

    Parameters
    ----------
    memo_keys : list of int
        Where the pickle has kept it meanwhile.
    """

    memo_keys: list[int] = field(default_factory=list)

    @abstractmethod
    def finish(self, state: Any) -> Any:
        """Return the value; ReadError or UnsupportedError if the state does not make one."""


@dataclass(eq=False, slots=True)
class _UnbuiltDtype(Unbuilt):
    code: str = ""

    def finish(self, state: Any) -> np.dtype[Any]:
        """Return the dtype in the byte order that the state gives."""
        if not isinstance(state, tuple) or len(state) < 5 or state[1] not in _BYTE_ORDERS:
            raise ReadError("the state of a numpy.dtype is damaged")
        if any(part is not None for part in (*state[2:5], *state[8:])):
            raise UnsupportedError("the pickle asks for a numpy.dtype that is not a plain number")
        return np.dtype(f"{state[1]}{self.code}")


@dataclass(eq=False, slots=True)
class _UnbuiltArray(Unbuilt):
    def finish(self, state: Any) -> AnyArray:
        """Return the array whose shape, type and bytes the state gives."""
        if not isinstance(state, tuple) or len(state) != 5:
            raise ReadError("the state of a numpy.ndarray is damaged")
        _, shape, dtype, fortran, raw = state
        return _array(raw, dtype, shape, order="F" if fortran else "C")


def inert_global(module: str, name: str) -> Global:
    """Return what stands for a global of a pickle.

    Raises
    ------
    UnsupportedError
        If it is not one of those that a PSF needs; the message names it.
    """
    full_name = f"{module}.{name}"
    if module.partition(".")[0] in _BAG_PACKAGES and _NAME.fullmatch(full_name):
        return Global(full_name, lambda arguments: Bag(full_name, arguments))
    if full_name in _TYPES:
        return Global(full_name)
    if full_name in _BUILDERS:
        return Global(full_name, _BUILDERS[full_name])
    raise UnsupportedError(f"the pickle asks for {_printable(full_name)}, which is never made from a file")


def _printable(text: str) -> str:
    """Return text from a file as one short line for a message."""
    short = text if len(text) <= _LONGEST_NAME else text[:_LONGEST_NAME] + "..."
    return short.encode("unicode_escape").decode("ascii")


def require_shallow(value: Any) -> None:
    """Refuse values nested so deep that following them could exhaust the stack.

    Raises
    ------
    FileLimitError
        If they are nested deeper than `forcedsql.readers.limits` grants.
    """
    seen: set[int] = set()
    level = {id(value): value}
    for _ in range(limits.MAX_PICKLE_NESTING):
        # Each object once: values can share parts so often that a walk over paths would not end.
        parts = {id(part): part for parent in level.values() for part in _parts(parent)}
        level = {key: part for key, part in parts.items() if key not in seen}
        seen.update(level)
        if not level:
            return
    raise FileLimitError(
        f"nesting of the pickle: over {limits.MAX_PICKLE_NESTING} levels, the most that forcedsql follows"
    )


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Bag):
        parts: Iterable[Any] = (value.arguments, value.state)
    elif isinstance(value, dict):
        parts = value.values()
    else:
        parts = value if isinstance(value, list | tuple) else ()
    return [part for part in parts if isinstance(part, Bag | dict | list | tuple)]


def _empty_mapping(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    if any(part is not None and not isinstance(part, Global) for part in arguments):
        raise UnsupportedError("the pickle asks for a mapping that is made from another object")
    return {}


def _dtype(arguments: tuple[Any, ...]) -> _UnbuiltDtype:
    code = arguments[0] if arguments else None
    if not isinstance(code, str) or not _NUMBER_CODE.fullmatch(code):
        shown = _printable(code) if isinstance(code, str) else type(code).__name__
        raise UnsupportedError(f"the pickle asks for numpy.dtype({shown}); only plain numbers are read")
    return _UnbuiltDtype(code=code)


def _reconstruct(arguments: tuple[Any, ...]) -> _UnbuiltArray:
    subtype = arguments[0] if arguments else None
    if not isinstance(subtype, Global) or subtype.name != "numpy.ndarray":
        shown = subtype.name if isinstance(subtype, Global) else type(subtype).__name__
        raise UnsupportedError(f"the pickle asks for an array of class {shown}; only numpy.ndarray is read")
    return _UnbuiltArray()


def _from_buffer(arguments: tuple[Any, ...]) -> AnyArray:
    if len(arguments) != 4:
        raise ReadError("the arguments of numpy's _frombuffer are damaged")
    raw, dtype, shape, order = arguments
    return _array(raw, dtype, shape, order="F" if order == "F" else "C")


def _scalar(arguments: tuple[Any, ...]) -> bool | int | float | complex:
    if len(arguments) != 2:
        raise ReadError("the arguments of a numpy scalar are damaged")
    value: bool | int | float | complex = _array(arguments[1], arguments[0], (), order="C").item()
    return value


def _array(raw: Any, dtype: Any, shape: Any, *, order: str) -> AnyArray:
    """Return a read-only array over bytes that the file really has."""
    if not isinstance(raw, bytes):
        raise UnsupportedError(
            f"the pickle asks for a numpy array of objects (its data are a {type(raw).__name__})"
        )
    if not isinstance(dtype, np.dtype):
        raise ReadError("the dtype of a numpy array is damaged")
    if not isinstance(shape, tuple) or len(shape) > _MAX_DIMENSIONS or not all(map(_is_length, shape)):
        raise ReadError("the shape of a numpy array is damaged")
    if math.prod(shape) * dtype.itemsize != len(raw):
        raise ReadError(f"the pickle asks for a numpy array of shape {shape} but has {len(raw)} bytes for it")
    flat = np.frombuffer(raw, dtype) if raw else np.empty(0, dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def _is_length(value: Any) -> bool:
    return type(value) is int and value >= 0


_NUMBERS = ("bool", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_FLOATS = ("float16", "float32", "float64", "complex64", "complex128")
_TYPES = frozenset(
    [f"numpy.{name}" for name in ("ndarray", *_NUMBERS, *_FLOATS)]
    + [f"builtins.{name}" for name in ("bool", "int", "float", "str", "list", "tuple", "dict", "set")]
)
_BUILDERS: Mapping[str, Callable[[tuple[Any, ...]], Any]] = {
    "collections.OrderedDict": _empty_mapping,
    "collections.defaultdict": _empty_mapping,
    "numpy.dtype": _dtype,
    **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _from_buffer for core in ("core", "_core")},
}
