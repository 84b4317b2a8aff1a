import math
import pickle
import re
import time
import tracemalloc
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.inert_objects import Bag, Global
from forcedsql.readers.inert_pickle import read_inert_pickle
from tests.readers.pickles import HOSTILE, dumps, foreign

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text()
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(0, 5))
def test_plain_values_come_back_in_every_protocol(value, protocol):
    assert read_inert_pickle(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(6))
def test_long_texts_come_back_in_every_protocol(protocol):
    # Protocol 0 writes a text as a line, and all but ASCII in six bytes.
    text = "\u0100" * 100_000
    assert read_inert_pickle(pickle.dumps(text, protocol)) == text


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=400), st.integers(3, 5))
def test_bytes_come_back(value, protocol):
    assert read_inert_pickle(pickle.dumps(value, protocol)) == value


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_damaged_pickle_is_refused_or_gives_plain_values(data):
    """Whatever the damage, nothing but a ReadError comes out."""
    good = bytearray(dumps((25, [1.5, "x"], foreign("piff.star.Star", flux=np.float64(2), a=np.ones(3)))))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    message = ""
    try:
        read_inert_pickle(bytes(good[: data.draw(st.integers(1, len(good)))]))
    except ReadError as fault:
        message = str(fault)
    assert "\n" not in message


@pytest.mark.parametrize("value", [math.inf, -0.0, "\ud800", "é" * 300, b"x" * 70_000, 2**63, (), [[]] * 5])
def test_less_common_values_come_back(value):
    assert repr(read_inert_pickle(pickle.dumps(value, 4))) == repr(value)


def test_sets_and_ordered_mappings_come_back():
    value = {"set": {1, "a"}, "frozen": frozenset((2.5, None)), "ordered": OrderedDict(a=1, b=2)}
    value["default"] = defaultdict(list, c=[3])
    read = read_inert_pickle(pickle.dumps(value))
    assert read == {**value, "ordered": {"a": 1, "b": 2}, "default": {"c": [3]}}
    assert type(read["ordered"]) is type(read["default"]) is dict


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4),
        np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4)),
        np.array([[True, False]]),
        np.arange(3, dtype=">f4"),
        np.zeros((0, 5)),
        np.array(2.5),
        np.array([1 + 2j]),
    ],
    ids=str,
)
def test_arrays_of_numbers_come_back(array, protocol):
    read = read_inert_pickle(pickle.dumps(array, protocol))
    np.testing.assert_array_equal(read, array)
    assert read.dtype == array.dtype
    assert read.shape == array.shape


def test_an_array_named_twice_is_one_array():
    array = np.arange(5.0)
    first, second, dtype = read_inert_pickle(pickle.dumps([array, array, array.dtype]))
    assert first is second
    assert dtype == array.dtype
    assert not first.flags.writeable


@pytest.mark.parametrize("scalar", [np.float64(1.5), np.int32(-7), np.bool_(True), np.float32(0.1)])
def test_numpy_scalars_become_python_s(scalar):
    read = read_inert_pickle(pickle.dumps(scalar))
    assert type(read) is type(scalar.item())
    assert read == scalar.item()


def test_types_are_only_named():
    assert read_inert_pickle(pickle.dumps(np.float64)) == Global("numpy.float64")


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_an_object_of_a_foreign_class_is_a_bag(protocol):
    read = read_inert_pickle(dumps(foreign("piff.star.Star", flux=2.5, name="a"), protocol))
    assert isinstance(read, Bag)
    assert read.class_name == "piff.star.Star"
    assert read.is_a("piff", "Star")
    assert not read.is_a("galsim", "Star")
    assert not read.is_a("piff", "StarData")
    assert (read.get("flux"), read.get("name")) == (2.5, "a")
    assert read.has("flux")
    assert not read.has("chisq")
    with pytest.raises(ReadError, match=r"piff.star.Star has no attribute 'chisq'"):
        read.get("chisq")


def test_a_state_that_is_no_mapping_is_kept_as_it_is():
    read = read_inert_pickle(dumps(foreign("galsim.gsparams.GSParams", state=(128, 8192, 0.005))))
    assert read.state == (128, 8192, 0.005)
    assert not read.has("maximum")


def test_objects_may_refer_to_one_another_and_to_themselves():
    star = foreign("piff.star.Star", flux=1.0)
    star.state_to_pickle["self"] = star
    first, second = read_inert_pickle(dumps([star, star]))
    assert first is second is first.get("self")


def test_a_name_below_an_allowed_package_stays_a_name():
    """A dotted name would have reached os.system through a module that imports os."""
    read = read_inert_pickle(b"\x80\x04\x8c\x04piff\x8c\x0estar.os.system\x93)R.")
    assert isinstance(read, Bag)
    assert read.class_name == "piff.star.os.system"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_is_refused_by_the_name_of_what_it_asks_for(name, tmp_path):
    trace = tmp_path / "it ran"
    payload = HOSTILE[name].make(f"touch '{trace}'")
    start = time.thread_time()
    with pytest.raises(ReadError, match=HOSTILE[name].asks_for) as caught:
        read_inert_pickle(payload)
    seconds = time.thread_time() - start
    assert not trace.exists()
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    # The time that any file may take (docs/robustness.md), on a slow machine and under a tracer too.
    assert seconds < 5


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_pickle_allocates_little(name, tmp_path):
    payload = HOSTILE[name].make("true")
    tracemalloc.start()
    with pytest.raises(ReadError):
        read_inert_pickle(payload)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The most that half a million opcodes make.
    assert peak < 50e6


def test_the_hostile_calls_do_run_where_pickle_reads_them(tmp_path):
    """Otherwise the test above would prove nothing."""
    trace = tmp_path / "it ran"
    pickle.loads(HOSTILE["os.system by name"].make(f"touch '{trace}'"))  # noqa: S301
    assert trace.exists()


def test_a_pickle_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(limits, "MAX_PICKLE_BYTES", 100)
    with pytest.raises(FileLimitError, match="bytes of the pickle: 103; forcedsql reads at most 100"):
        read_inert_pickle(pickle.dumps(b"x" * 96, 3))


def test_shared_parts_are_followed_once():
    """Sixty levels of ten references each would be 10^60 paths."""
    stream = b"]\x94"
    for key in range(60):
        stream += b"](h" + bytes([key]) + b"2" * 9 + b"e\x94"
    assert len(read_inert_pickle(b"\x80\x04" + stream + b".")) == 10


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"cnumpy\ndtype\n(X\x02\0\0\0f8tRNb.", "state of a numpy.dtype is damaged"),
        (
            b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\ntRNb.",
            "state of a numpy.ndarray is damaged",
        ),
        (b"ccollections\ndefaultdict\n(K\x01tR.", "a mapping that is made from another object"),
        (b"cnumpy.core.numeric\n_frombuffer\n(tR.", "arguments of numpy's _frombuffer are damaged"),
        (b"cnumpy.core.multiarray\nscalar\n(tR.", "arguments of a numpy scalar are damaged"),
        (b"cnumpy.core.numeric\n_frombuffer\n(C\x01aN)X\x01\0\0\0CtR.", "dtype of a numpy array is damaged"),
        (b"I123", "no line ends after byte 1"),
        (b"cpiff\nA\n]R.", "arguments that are not a tuple"),
        (b"K\x01\x86.", "damaged at byte 3: LookupError"),
        (b"\x80\x02cpiff\nA\n)}X\x01\0\0\0aK\x01s\x92.", "a call with keywords"),
    ],
)
def test_damage_to_each_part_is_named(data, said):
    with pytest.raises(ReadError, match=re.escape(said)):
        read_inert_pickle(data)


@pytest.mark.parametrize(
    ("data", "arguments"),
    [
        (b"\x80\x02cpiff\nA\n)}\x92.", ()),
        (b"(cpiff\nA\nK\x01o.", (1,)),
        (b"(K\x01ipiff\nA\n.", (1,)),
    ],
    ids=["NEWOBJ_EX", "OBJ", "INST"],
)
def test_objects_made_by_older_and_newer_opcodes_are_bags(data, arguments):
    read = read_inert_pickle(data)
    assert (read.class_name, read.arguments) == ("piff.A", arguments)


@pytest.mark.parametrize("data", [b"K\x01K\x020.", b"K\x01(0.", b"K\x01(K\x02K\x031."])
def test_values_and_marks_are_taken_off_the_stack(data):
    assert read_inert_pickle(data) == 1
