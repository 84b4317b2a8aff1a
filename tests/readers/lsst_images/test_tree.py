import json
import time
import tracemalloc

import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers.lsst_images.tree import MAX_BYTES, Node, parse_tree


def test_json_becomes_a_tree_of_typed_values():
    tree = parse_tree(b'{"a": {"b": [1, 2.5, "x", null]}, "c": true}')
    first, second, third, fourth = tree.child("a").child("b").elements(limit=4)
    assert first.integer(low=0, high=9) == 1
    assert (first.number(), second.number()) == (1.0, 2.5)
    assert third.text() == third.label() == "x"
    assert fourth.value is None
    assert [name for name, _ in tree.children()] == ["a", "c"]
    assert tree.find("a", "b") == [1, 2.5, "x", None]
    assert tree.find("a", "b", "c") is None


def test_null_is_as_good_as_missing():
    tree = parse_tree(b'{"a": null}')
    assert not tree.has("a")
    with pytest.raises(ReadError, match="lacks a"):
        tree.child("a")


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda node: node.child("a").child("b"), "not an object"),
        (lambda node: node.child("a").text(), "its JSON has 1 at a, not a string"),
        (lambda node: node.child("s").integer(low=0, high=9), "not a whole number from 0 up"),
        (lambda node: node.child("t").integer(low=0, high=9), "has True at t, not a whole number"),
        (lambda node: node.child("t").number(), "not a finite number"),
        (lambda node: node.child("n").number(), "has nan at n, not a finite number"),
        (lambda node: node.child("big").number(), "not a finite number"),
        (lambda node: node.child("far").number(), "has inf at far, not a finite number"),
        (lambda node: node.child("a").integer(low=2, high=9), "has 1 at a, not a whole number from 2 up"),
        (lambda node: node.child("a").elements(limit=1), "not a list"),
        (lambda node: node.child("l").child("x"), "has list at l, not an object"),
        (lambda node: node.child("o").child("i").text(), "has 3 at o.i, not a string"),
        (lambda node: node.child("ctl").label(), "not printable"),
        (lambda node: node.child("ragged").numbers(), "not an array of numbers"),
        (lambda node: node.child("words").numbers(), "not an array of numbers"),
        (lambda node: node.child("flags").numbers(), "not an array of numbers"),
        (lambda node: node.child("huge").numbers(), "not an array of numbers"),
    ],
)
def test_values_of_another_type_are_refused_with_their_place(read, what):
    text = {"a": 1, "s": "1", "t": True, "n": float("nan"), "big": 10**400, "l": [1], "o": {"i": 3}}
    text |= {
        "ctl": "a\nb",
        "far": float("inf"),
        "ragged": [[1], [2, 3]],
        "words": ["1", 2],
        "flags": [True],
        "huge": [10**30],
    }
    with pytest.raises(ReadError, match=what):
        read(parse_tree(json.dumps(text).encode()))


def test_numbers_over_a_limit_are_refused():
    tree = parse_tree(b'{"n": 10, "s": "abcdef", "l": [1, 2, 3]}')
    with pytest.raises(FileLimitError, match="JSON value n: 10; forcedsql reads at most 9"):
        tree.child("n").integer(low=0, high=9)
    with pytest.raises(FileLimitError, match="at most 5"):
        tree.child("s").text(limit=5)
    with pytest.raises(FileLimitError, match="at most 2"):
        tree.child("l").elements(limit=2)


def test_nested_lists_of_numbers_become_an_array():
    numbers = Node([[1, 2], [3.5, float("nan")]]).numbers()
    np.testing.assert_array_equal(numbers, [[1.0, 2.0], [3.5, np.nan]])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a": }',
        b"[1]",
        b'"x"',
        b"null",
        b'{"a": "\xff"}',
        b'{"a": 1} x',
        b'{"n": ' + b"9" * 9999 + b"}",
    ],
)
def test_what_is_no_json_object_is_refused_in_one_line(data):
    with pytest.raises(ReadError, match="its JSON") as refused:
        parse_tree(data)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"[" * 100_000, "nesting of its JSON: 100000"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "nesting of its JSON: 65"),
        (b"[" + b"0," * 1_000_000 + b"0]", "values in its JSON"),
        (b"[" + b"{}," * 700_000 + b"0]", "values in its JSON"),
        (b" " * (MAX_BYTES + 1), "bytes of JSON"),
    ],
)
def test_json_that_is_too_deep_or_too_long_is_refused_before_it_is_parsed(monkeypatch, data, what):
    monkeypatch.setattr(json, "loads", lambda _: pytest.fail("it was parsed"))
    with pytest.raises(FileLimitError, match=what):
        parse_tree(data)


def test_brackets_and_commas_in_strings_do_not_count():
    text = "[{" * 1000 + ",:" * 1000 + '\\"' * 50 + '"]}'
    assert parse_tree(json.dumps({"a": text}).encode()).child("a").text(limit=10_000) == text


@pytest.mark.parametrize(
    "data", [b'"' + b'\\"' * 8_000_000, b'{"a": "' + b'\\"' * 8_000_000 + b"\\", b'"\\' * 8_000_000]
)
def test_strings_that_never_close_take_no_longer_than_others(data):
    start = time.perf_counter()
    with pytest.raises(ReadError):
        parse_tree(data)
    # Quadratic time would be days; a linear pass is well below a second on a quiet machine.
    assert time.perf_counter() - start < 30.0


def test_memory_for_refused_json_stays_near_its_size():
    data = b"[" * MAX_BYTES
    tracemalloc.start()
    with pytest.raises(FileLimitError):
        parse_tree(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # Masks of a byte per character and running counts of four.
    assert peak < 20 * MAX_BYTES
