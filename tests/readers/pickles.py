"""Pickles for tests: of foreign classes that need not be installed, and hostile ones."""

import pickle
import struct
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

_CLASSES: dict[str, type] = {}


def foreign(class_name: str, /, state: Any = None, **attributes: Any) -> Any:
    """Return an object of a class of this full name, with a state or attributes."""
    module, _, name = class_name.rpartition(".")
    if class_name not in _CLASSES:
        _CLASSES[class_name] = type(
            name, (), {"__module__": module, "__getstate__": lambda self: self.state_to_pickle}
        )
    made = _CLASSES[class_name]()
    made.state_to_pickle = attributes if state is None else state
    return made


@contextmanager
def _importable() -> Iterator[None]:
    """Let the pickler find the foreign classes, which it insists on."""
    modules: dict[str, types.ModuleType] = {}
    for class_name, kind in _CLASSES.items():
        module, _, name = class_name.rpartition(".")
        parts = module.split(".")
        for depth in range(1, len(parts) + 1):
            modules.setdefault(".".join(parts[:depth]), types.ModuleType(parts[depth - 1]))
        setattr(modules[module], name, kind)
    with mock.patch.dict(sys.modules, modules):
        yield


def dumps(value: Any, protocol: int = 4) -> bytes:
    """Return the pickle of a value that may hold foreign objects."""
    with _importable():
        return pickle.dumps(value, protocol)


def piff_fit(size: int = 5, **changes: Any) -> dict[str, Any]:
    """Return the parts of a small Piff fit, some of them changed, for `piff_psf`."""
    grid = np.exp(-0.5 * ((np.mgrid[:size, :size] - size // 2) ** 2).sum(axis=0) / 1.2**2)
    solution = np.stack([grid.ravel(), 1e-4 * grid.ravel(), -2e-4 * grid.ravel()], axis=1)
    parts = {
        "width": size,
        "height": size,
        "size": size,
        "scale": 0.2,
        "interpolant": foreign("galsim.interpolant.Lanczos", _n=3, _conserve_dc=True),
        "interp_class": "piff.basis_interp.BasisPolynomial",
        "interp": {
            "q": solution,
            "_keys": ["x", "y"],
            "_orders": [1, 1],
            "_max_order": np.int64(1),
            "_mask": np.array([[True, True], [True, False]]),
        },
        "model_class": "piff.pixelgrid.PixelGrid",
        "wcs": {0: foreign("galsim.wcs.PixelScale", _scale=0.2, _color=None)},
        "fit_class": "piff.simplepsf.SimplePSF",
    }
    unknown = set(changes) - set(parts)
    if unknown:
        raise ValueError(f"no such parts: {unknown}")
    return parts | changes


def piff_psf(parts: dict[str, Any], **more: Any) -> bytes:
    """Return the bytes that a PiffPsf of these parts keeps in an archive."""
    model = foreign(
        parts["model_class"], size=parts["size"], scale=parts["scale"], interp=parts["interpolant"]
    )
    interp = foreign(parts["interp_class"], **parts["interp"])
    fit = foreign(parts["fit_class"], model=model, interp=interp, wcs=parts["wcs"], **more)
    return dumps((parts["width"], parts["height"], fit))


@dataclass(frozen=True)
class Hostile:
    """A pickle to be refused, and a part of the message that says what it asked for."""

    make: Callable[[str], bytes]
    asks_for: str


def _call(module: str, name: str, *arguments: Any) -> bytes:
    """A call of any global with plain arguments, in protocol 4."""
    packed = pickle.dumps(arguments, 4)[2:-1]
    # Frames of the inner pickle say nothing of the outer one.
    start = 9 if packed[:1] == b"\x95" else 0
    return b"\x80\x04" + _text(module) + _text(name) + b"\x93" + packed[start:] + b"R."


def _text(value: str) -> bytes:
    data = value.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def _global(name: str) -> bytes:
    module, _, member = name.rpartition(".")
    return _text(module) + _text(member) + b"\x93"


class _Reducing:
    def __init__(self, *reduced: Any) -> None:
        self.reduced = reduced

    def __reduce__(self) -> Any:
        return self.reduced


def _object_array(command: str) -> bytes:
    import os

    array = np.empty(1, dtype=object)
    array[0] = _Reducing(os.system, (command,))
    return pickle.dumps(array, 4)


def _array(shape: bytes, *, code: str = "f8", raw: bytes = b"C\x08" + bytes(8), state: bytes = b"") -> bytes:
    """A numpy array by hand: ``shape`` and ``raw`` are opcodes that push them."""
    dtype = _global("numpy.dtype") + b"(" + _text(code) + b"\x89\x88tR"
    dtype += b"(K\x03" + _text("<") + (state or b"NNN") + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    start = (
        _global("numpy._core.multiarray._reconstruct") + _global("numpy.ndarray") + b"K\x00\x85C\x01b\x87R"
    )
    return b"\x80\x04" + start + b"(K\x01" + shape + dtype + b"\x89" + raw + b"tb."


def _system(command: str, protocol: int) -> bytes:
    import os

    return pickle.dumps(_Reducing(os.system, (command,)), protocol)


def _laughs() -> bytes:
    """A list of ten references to a list of ten references ..., a hundred times over."""
    stream = b"]\x94"
    for key in range(100):
        stream += b"](" + b"j" + struct.pack("<I", key) + b"2" * 9 + b"e\x94"
    return b"\x80\x04" + stream + b"."


HOSTILE: dict[str, Hostile] = {
    **{
        f"os.system, protocol {p}": Hostile(lambda c, p=p: _system(c, p), "(posix|nt).system")
        for p in range(6)
    },
    "os.system by name": Hostile(lambda c: _call("os", "system", c), "os.system"),
    "subprocess": Hostile(
        lambda c: _call("subprocess", "check_output", c.split()), "subprocess.check_output"
    ),
    "eval": Hostile(lambda c: _call("builtins", "eval", f"__import__('os').system({c!r})"), "builtins.eval"),
    "exec": Hostile(lambda c: _call("builtins", "exec", f"import os; os.system({c!r})"), "builtins.exec"),
    "getattr": Hostile(lambda c: _call("builtins", "getattr", "x", "y"), "builtins.getattr"),
    "import": Hostile(lambda c: _call("builtins", "__import__", "os"), "builtins.__import__"),
    "eval of Python 2": Hostile(lambda c: b"c__builtin__\neval\n(V1\ntR.", "__builtin__.eval"),
    "a class of the standard library": Hostile(
        lambda c: pickle.dumps(__import__("decimal").Decimal("1.5")), "decimal.Decimal"
    ),
    "another one": Hostile(lambda c: pickle.dumps(__import__("datetime").date(2020, 1, 1)), "datetime.date"),
    "functools.partial": Hostile(
        lambda c: pickle.dumps(__import__("functools").partial(__import__("os").system, c)),
        "functools.partial",
    ),
    "copyreg": Hostile(
        lambda c: _call("copyreg", "add_extension", "os", "system", 240), "copyreg.add_extension"
    ),
    "a reconstructor": Hostile(lambda c: pickle.dumps(_Plain(), 0), "copy_?reg._reconstructor"),
    "a dotted name": Hostile(lambda c: _call("collections", "OrderedDict.fromkeys", "ab"), "fromkeys"),
    "a module below an allowed one": Hostile(
        lambda c: _call("numpy.f2py.crackfortran", "myeval", "1"), "numpy.f2py.crackfortran.myeval"
    ),
    "numpy.testing": Hostile(
        lambda c: _call("numpy.testing._private.utils", "runstring", "1", {}), "numpy.testing.*runstring"
    ),
    "numpy.load": Hostile(lambda c: _call("numpy", "load", "/etc/passwd"), "numpy.load"),
    "numpy.memmap": Hostile(lambda c: _call("numpy", "memmap", "/etc/passwd"), "numpy.memmap"),
    "numpy.ndarray itself": Hostile(lambda c: _call("numpy", "ndarray", (10**9,)), "call of numpy.ndarray"),
    "an array of another class": Hostile(
        lambda c: _call("numpy._core.multiarray", "_reconstruct", "matrix", (0,), b"b"), "array of class str"
    ),
    "an array of objects": Hostile(_object_array, r"numpy.dtype\(O8\)"),
    "objects for numbers": Hostile(lambda c: _array(b"K\x01\x85", raw=b"]"), "numpy array of objects"),
    "a dtype of a gigabyte": Hostile(
        lambda c: _array(b"K\x01\x85", code="V1000000000"), r"numpy.dtype\(V1000000000\)"
    ),
    "a dtype with fields": Hostile(
        lambda c: _array(b"K\x01\x85", state=b"N)}"), "numpy.dtype that is not a plain number"
    ),
    "a billion elements": Hostile(
        lambda c: _array(b"J" + struct.pack("<i", 10**9) + b"\x85"), r"shape \(1000000000,\) but has 8 bytes"
    ),
    "elements beyond 64 bits": Hostile(
        lambda c: _array(b"\x8a\x08" + b"\xff" * 7 + b"\x7f2\x86"), "shape .* but has 8 bytes"
    ),
    "no elements, but rows without end": Hostile(
        lambda c: _array(b"K\x00\x8a\x09" + b"\xff" * 8 + b"\x7f\x86", raw=b"C\x00"), "damaged"
    ),
    "a negative shape": Hostile(lambda c: _array(b"J" + struct.pack("<i", -1) + b"\x85"), "shape"),
    "many dimensions": Hostile(lambda c: _array(b"(" + b"K\x01" * 40 + b"t"), "shape"),
    "a shape that is no tuple": Hostile(lambda c: _array(b"]"), "shape"),
    "lists nested by the hundred thousand": Hostile(
        lambda c: b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".", "nesting"
    ),
    "tuples nested by the hundred thousand": Hostile(
        lambda c: b"\x80\x04)" + b"\x85" * 100_000 + b".", "nesting"
    ),
    "a billion laughs": Hostile(lambda c: _laughs(), "nesting"),
    "marks without end": Hostile(lambda c: b"\x80\x04" + b"(" * 600_000 + b".", "opcodes"),
    "a memo without end": Hostile(lambda c: b"\x80\x04N" + b"\x94" * 600_000 + b".", "opcodes"),
    "a list without end": Hostile(lambda c: b"\x80\x04](N" + b"2" * 600_000 + b"e.", "opcodes"),
    "text longer than the file": Hostile(lambda c: b"\x80\x04\x8d" + struct.pack("<Q", 1 << 60), "cut short"),
    "bytes longer than the file": Hostile(
        lambda c: b"\x80\x04\x8e" + struct.pack("<Q", 1 << 63), "cut short"
    ),
    "a frame longer than the file": Hostile(
        lambda c: b"\x80\x04\x95" + struct.pack("<Q", 1 << 60), "cut short"
    ),
    "an integer of a gigabyte": Hostile(
        lambda c: b"\x80\x04\x8b" + struct.pack("<I", 1 << 30) + bytes(100), "cut short"
    ),
    "an integer of many bytes": Hostile(lambda c: pickle.dumps(1 << 5000), "bytes of an integer"),
    "an integer of many digits": Hostile(lambda c: b"I" + b"9" * 900 + b"\n.", "digits of an integer"),
    "an unknown opcode": Hostile(lambda c: b"\x80\x04N\xff.", "unknown opcode 0xff"),
    "a protocol to come": Hostile(lambda c: b"\x80\x06N.", "protocol 6"),
    "a persistent id": Hostile(lambda c: b"Pname\n.", "persistent id"),
    "another persistent id": Hostile(lambda c: b"\x80\x04NQ.", "persistent id"),
    "an extension": Hostile(lambda c: b"\x80\x04\x82\x01.", "registered extension"),
    "a long extension": Hostile(lambda c: b"\x80\x04\x84\x01\x00\x00\x00.", "registered extension"),
    "a buffer": Hostile(lambda c: b"\x80\x05\x97.", "buffer outside"),
    "an old instance": Hostile(lambda c: b"(V" + c.encode() + b"\nios\nsystem\n.", "os.system"),
    "an old object": Hostile(lambda c: b"(cos\nsystem\nV" + c.encode() + b"\no.", "os.system"),
    "a call of text": Hostile(lambda c: b"\x80\x04" + _text("os.system") + b")R.", "calls a str"),
    "a call with keywords": Hostile(
        lambda c: b"\x80\x04" + _global("piff.star.Star") + b")}" + _text("a") + b"K\x01s\x92.", "keywords"
    ),
    "a state of a list": Hostile(lambda c: b"\x80\x04]}b.", "state of a list"),
    "a state that is no state": Hostile(
        lambda c: b"\x80\x04" + _global("piff.star.Star") + b")\x81" + _text("__setstate__") + b"b.",
        "a str as the state of piff.star.Star",
    ),
    "a tuple as a key": Hostile(lambda c: b"\x80\x04})Ns.", "a tuple as a key"),
    "a list as a key": Hostile(lambda c: b"\x80\x04}]Ns.", "a list as a key"),
    "items in an object": Hostile(
        lambda c: b"\x80\x04" + _global("galsim.x.Y") + b")\x81NNs.", "items in a Bag"
    ),
    "a name with a line break": Hostile(lambda c: _call("piff\nos", "system", c), r"piff\\nos.system"),
    "a name of a megabyte": Hostile(lambda c: _call("x" * 10**6, "y"), r"x{100}\.\.\."),
    "a name that is no text": Hostile(lambda c: b"\x80\x04NN\x93.", "not text"),
}


class _Plain:
    pass
