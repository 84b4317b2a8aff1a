"""Reader of pickles that runs nothing: an interpreter of the opcodes that only makes inert values.

The standard library's unpickler imports and calls what a file names.  This one knows the
opcodes (CPython ``Lib/pickletools.py`` documents them) and makes plain values, arrays of
numbers, and a `Bag` wherever a file asks for an object of a class that PSFs consist of.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from forcedsql.errors import FileLimitError, ReadError, UnsupportedError
from forcedsql.readers import limits
from forcedsql.readers.inert_objects import Bag, Global, Unbuilt, inert_global, require_shallow

_NEWEST_PROTOCOL = 5
_LONGEST_INTEGER = 9
_LONGEST_LINE, _LONGEST_TEXT_LINE = 1000, 1 << 20
_KEY_TYPES = (str, bytes, bool, int, float, type(None))

_BYTE, _SHORT, _INT = struct.Struct("<B"), struct.Struct("<H"), struct.Struct("<i")
_LENGTH, _LONG_LENGTH, _DOUBLE = struct.Struct("<I"), struct.Struct("<Q"), struct.Struct(">d")


def read_inert_pickle(data: bytes) -> Any:
    """Return what a pickle describes, made of inert values.

    Parameters
    ----------
    data : bytes
        A pickle.  Numbers, text and containers may be of any protocol; objects come with
        protocol 2, arrays with protocol 3.

    Returns
    -------
    object
        None, bool, int, float, str, bytes, tuple, list, dict, set, frozenset, ndarray of numbers
        (read-only), `Bag` or `Global`, nested.  Numpy scalars become Python's.

    Raises
    ------
    UnsupportedError
        If it asks for anything else; the message names it.
    FileLimitError
        If it is larger, longer or nested deeper than `forcedsql.readers.limits` grants.
    ReadError
        If it is cut short or not a pickle.
    """
    limits.require_at_most(len(data), limits.MAX_PICKLE_BYTES, "bytes of the pickle")
    value = _Interpreter(data).run()
    require_shallow(value)
    return value


class _Interpreter:
    """The state of one reading: where it is, its stack with marks, and its memo."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """Obey opcodes until the one that stops."""
        try:
            for _ in range(limits.MAX_PICKLE_OPCODES):
                if self.at >= len(self.data):
                    raise ReadError(f"the pickle is cut short: it does not stop by byte {self.at}")
                opcode = self.data[self.at]
                self.at += 1
                if opcode == _STOP:
                    return self.stack.pop()
                if opcode not in _HANDLERS:
                    refused = _REFUSED.get(opcode, f"the unknown opcode {opcode:#x}")
                    raise UnsupportedError(f"the pickle asks for {refused}, at byte {self.at - 1}")
                _HANDLERS[opcode](self)
        except (ArithmeticError, LookupError, TypeError, ValueError) as fault:
            raise ReadError(f"the pickle is damaged at byte {self.at}: {type(fault).__name__}") from fault
        raise FileLimitError(
            f"opcodes of the pickle: more than {limits.MAX_PICKLE_OPCODES}, the most that forcedsql obeys"
        )

    def take(self, count: int) -> bytes:
        """Return the next bytes of the stream."""
        start, self.at = self.at, self.at + count
        if self.at > len(self.data):
            raise ReadError(f"the pickle is cut short: {count} bytes from byte {start} are not there")
        return self.data[start : self.at]

    def number(self, form: struct.Struct) -> Any:
        """Return the next number of the stream."""
        return form.unpack(self.take(form.size))[0]

    def line(self, longest: int = _LONGEST_LINE) -> bytes:
        """Return the next line of text in the stream."""
        end = self.data.find(b"\n", self.at, self.at + longest)
        if end < 0:
            raise ReadError(f"the pickle is cut short: no line ends after byte {self.at}")
        return self.take(end - self.at + 1)[:-1]

    def marked(self) -> list[Any]:
        """Remove and return what is on the stack since the last mark."""
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def call(self, target: Any, arguments: Any) -> None:
        """Put on the stack what stands for the result of a call."""
        if not isinstance(target, Global):
            raise ReadError(f"the pickle is damaged at byte {self.at}: it calls a {type(target).__name__}")
        if target.build is None:
            raise UnsupportedError(f"the pickle asks for a call of {target.name}")
        if type(arguments) is not tuple:
            raise ReadError(f"the pickle is damaged at byte {self.at}: arguments that are not a tuple")
        self.stack.append(target.build(arguments))

    def keep(self, key: int) -> None:
        """Put the top of the stack into the memo."""
        value = self.stack[-1]
        self.memo[key] = value
        if isinstance(value, Unbuilt):
            value.memo_keys.append(key)

    def set_state(self, state: Any) -> None:
        """Complete the object on top of the stack."""
        target = self.stack[-1]
        if isinstance(target, Unbuilt):
            self.stack[-1] = target.finish(state)
            for key in target.memo_keys:
                self.memo[key] = self.stack[-1]
            target.memo_keys.clear()
        elif not isinstance(target, Bag):
            raise UnsupportedError(f"the pickle asks for a state of a {type(target).__name__}")
        elif not isinstance(state, dict | tuple):
            raise UnsupportedError(
                f"the pickle asks for a {type(state).__name__} as the state of {target.class_name}"
            )
        else:
            target.state = state

    def extend(self, container_type: type, values: Iterable[Any]) -> None:
        """Add items to the container on top of the stack."""
        target = self.stack[-1]
        found = type(target)
        if found is not container_type:
            raise UnsupportedError(f"the pickle asks for items in a {found.__name__}")
        if found is list:
            target.extend(values)
        elif found is set:
            target.update(map(_key, values))
        else:
            steps = iter(values)
            target.update((_key(key), value) for key, value in zip(steps, steps, strict=True))


def _key(value: Any) -> Any:
    """Return a key of a dict or item of a set, whose hash no file can make slow."""
    if type(value) not in _KEY_TYPES:
        raise UnsupportedError(f"the pickle asks for a {type(value).__name__} as a key")
    return value


def _integer(data: bytes) -> int:
    limits.require_at_most(len(data), _LONGEST_INTEGER, "bytes of an integer in the pickle")
    return int.from_bytes(data, "little", signed=True)


def _text_integer(text: bytes) -> int | bool:
    if text in {b"00", b"01"}:
        return text == b"01"
    limits.require_at_most(len(text), 2 * _LONGEST_INTEGER + 3, "digits of an integer in the pickle")
    return int(text.removesuffix(b"L"))


def _protocol(state: _Interpreter) -> None:
    version = state.number(_BYTE)
    if version > _NEWEST_PROTOCOL:
        raise UnsupportedError(f"the pickle is of protocol {version}; up to {_NEWEST_PROTOCOL} is read")


def _frame(state: _Interpreter) -> None:
    length = state.number(_LONG_LENGTH)
    if length > len(state.data) - state.at:
        raise ReadError(f"the pickle is cut short: a frame of {length} bytes from byte {state.at}")


def _stack_global(state: _Interpreter) -> None:
    name, module = state.stack.pop(), state.stack.pop()
    if not (isinstance(name, str) and isinstance(module, str)):
        raise ReadError(f"the pickle is damaged at byte {state.at}: the name of a global is not text")
    state.stack.append(inert_global(module, name))


def _call(state: _Interpreter) -> None:
    arguments, target = state.stack.pop(), state.stack.pop()
    state.call(target, arguments)


def _call_with_keywords(state: _Interpreter) -> None:
    if state.stack.pop():
        raise UnsupportedError("the pickle asks for a call with keywords")
    _call(state)


def _call_of_marked(state: _Interpreter) -> None:
    target, *arguments = state.marked()
    state.call(target, tuple(arguments))


def _call_of_named(state: _Interpreter) -> None:
    target = _named_global(state)
    state.call(target, tuple(state.marked()))


def _named_global(state: _Interpreter) -> Global:
    return inert_global(state.line().decode("utf-8"), state.line().decode("utf-8"))


def _append(state: _Interpreter) -> None:
    value = state.stack.pop()
    state.extend(list, [value])


def _set_item(state: _Interpreter) -> None:
    value, key = state.stack.pop(), state.stack.pop()
    state.extend(dict, [key, value])


def _pop(state: _Interpreter) -> None:
    # A mark on top is what this opcode removes then.
    if state.marks and state.marks[-1] == len(state.stack):
        state.marks.pop()
    else:
        state.stack.pop()


def _tuple(count: int) -> Callable[[_Interpreter], None]:
    def handle(state: _Interpreter) -> None:
        if len(state.stack) < count:
            raise LookupError
        values = tuple(state.stack[-count:])
        del state.stack[-count:]
        state.stack.append(values)

    return handle


def _push(make: Callable[[_Interpreter], Any]) -> Callable[[_Interpreter], None]:
    """Return the handler of an opcode that puts one value on the stack."""
    return lambda state: state.stack.append(make(state))


def _constant(value: Any) -> Callable[[_Interpreter], None]:
    return lambda state: state.stack.append(value)


def _bytes(form: struct.Struct) -> Callable[[_Interpreter], bytes]:
    return lambda state: state.take(state.number(form))


def _text(form: struct.Struct) -> Callable[[_Interpreter], str]:
    return lambda state: str(state.take(state.number(form)), "utf-8", "surrogatepass")


def _mapping_of(values: list[Any]) -> dict[Any, Any]:
    return {_key(key): value for key, value in zip(values[::2], values[1::2], strict=True)}


_STOP = ord(".")

_HANDLERS: Mapping[int, Callable[[_Interpreter], None]] = {
    0x80: _protocol,
    0x95: _frame,
    ord("N"): _constant(None),
    0x88: _constant(True),
    0x89: _constant(False),
    ord("I"): _push(lambda s: _text_integer(s.line())),
    ord("L"): _push(lambda s: _text_integer(s.line())),
    ord("F"): _push(lambda s: float(s.line())),
    ord("J"): _push(lambda s: s.number(_INT)),
    ord("K"): _push(lambda s: s.number(_BYTE)),
    ord("M"): _push(lambda s: s.number(_SHORT)),
    0x8A: _push(lambda s: _integer(s.take(s.number(_BYTE)))),
    0x8B: _push(lambda s: _integer(s.take(s.number(_LENGTH)))),
    ord("G"): _push(lambda s: s.number(_DOUBLE)),
    ord("V"): _push(lambda s: s.line(_LONGEST_TEXT_LINE).decode("raw-unicode-escape")),
    ord("X"): _push(_text(_LENGTH)),
    0x8C: _push(_text(_BYTE)),
    0x8D: _push(_text(_LONG_LENGTH)),
    ord("B"): _push(_bytes(_LENGTH)),
    ord("C"): _push(_bytes(_BYTE)),
    0x8E: _push(_bytes(_LONG_LENGTH)),
    0x96: _push(_bytes(_LONG_LENGTH)),
    ord("]"): lambda s: s.stack.append([]),
    ord("l"): _push(_Interpreter.marked),
    ord("a"): _append,
    ord("e"): lambda s: s.extend(list, s.marked()),
    ord(")"): _constant(()),
    ord("t"): _push(lambda s: tuple(s.marked())),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    ord("}"): lambda s: s.stack.append({}),
    ord("d"): _push(lambda s: _mapping_of(s.marked())),
    ord("s"): _set_item,
    ord("u"): lambda s: s.extend(dict, s.marked()),
    0x8F: lambda s: s.stack.append(set()),
    0x90: lambda s: s.extend(set, s.marked()),
    0x91: _push(lambda s: frozenset(map(_key, s.marked()))),
    ord("("): lambda s: s.marks.append(len(s.stack)),
    ord("0"): _pop,
    ord("1"): lambda s: s.marked().clear(),
    ord("2"): _push(lambda s: s.stack[-1]),
    ord("g"): _push(lambda s: s.memo[int(s.line())]),
    ord("h"): _push(lambda s: s.memo[s.number(_BYTE)]),
    ord("j"): _push(lambda s: s.memo[s.number(_LENGTH)]),
    ord("p"): lambda s: s.keep(int(s.line())),
    ord("q"): lambda s: s.keep(s.number(_BYTE)),
    ord("r"): lambda s: s.keep(s.number(_LENGTH)),
    0x94: lambda s: s.keep(len(s.memo)),
    ord("c"): _push(_named_global),
    0x93: _stack_global,
    ord("R"): _call,
    ord("b"): lambda s: s.set_state(s.stack.pop()),
    0x81: _call,
    0x92: _call_with_keywords,
    ord("i"): _call_of_named,
    ord("o"): _call_of_marked,
}

_REFUSED: Mapping[int, str] = {
    **dict.fromkeys(map(ord, "PQ"), "a persistent id"),
    **dict.fromkeys((0x82, 0x83, 0x84), "a registered extension"),
    **dict.fromkeys((0x97, 0x98), "a buffer outside the file"),
    **dict.fromkeys(map(ord, "STU"), "a string of Python 2"),
}
