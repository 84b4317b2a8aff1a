import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import open_exposure
from forcedsql.readers.lsst_images.tree import Node


def pointer(source, shape=(6, 8), datatype="float32"):
    return Node({"source": source, "shape": list(shape), "datatype": datatype, "byteorder": "big"}, "here")


def test_a_pointer_finds_an_image_by_name_whatever_its_case(sources):
    for source in ("fits:IMAGE", "fits:image", "fits:IMAGE,1"):
        assert (sources().pixels(pointer(source)).values == 1.0).all()


ELSEWHERE = ("IMAGE", "file:/etc/passwd", "fits:/etc/passwd", "fits:../IMAGE", "http://x/IMAGE", "fits:")
NOT_THERE = ("fits:NONE", "fits:1", "fits:IMAGE,0", "fits:IMAGE,2", "fits:IMAGE\n", "fits:IMAGE[0]")
NO_IMAGE = ("fits:JSON", "fits:IMAGE[1]")


@pytest.mark.parametrize("source", ELSEWHERE + NOT_THERE + NO_IMAGE)
def test_pointers_lead_to_images_of_the_same_file_only(sources, source):
    with pytest.raises(ReadError) as refused:
        sources().pixels(pointer(source))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("source", [1, None, ["fits:IMAGE"]])
def test_pointers_are_strings(sources, source):
    with pytest.raises(ReadError):
        sources().pixels(pointer(source))


def test_the_shape_of_the_tree_must_be_that_of_the_hdu(sources):
    with pytest.raises(ReadError, match=r"here is to be \(8, 6\), but its HDU is \(6, 8\)"):
        sources().pixels(pointer("fits:IMAGE", shape=(8, 6)))


def test_arrays_over_a_limit_are_refused_before_they_are_read(sources):
    with pytest.raises(FileLimitError, match="pixels in here"):
        sources().pixels(pointer("fits:IMAGE", shape=(100_000, 100_000)))
    with pytest.raises(FileLimitError, match="pixels in here"):
        sources().array(pointer("fits:IMAGE"), axes=2, limit=47)
    inline = Node({"data": [[1.0] * 8] * 6, "datatype": "float64"}, "here")
    with pytest.raises(FileLimitError, match="numbers in here"):
        sources().array(inline, axes=2, limit=47)


def test_arrays_come_from_the_tree_or_from_an_hdu(file, sources):
    values = np.random.default_rng(1).normal(size=(2, 3, 4, 5))
    node = file.image_node("A/B", values)
    held = sources()
    np.testing.assert_array_equal(held.array(Node(node, "a"), axes=4, limit=120), values)
    inline = Node({"data": values.tolist(), "datatype": "float64"}, "a")
    np.testing.assert_array_equal(held.array(inline, axes=4, limit=120), values)
    with pytest.raises(ReadError, match="not an image of 3 dimensions"):
        held.array(Node(node, "a"), axes=3, limit=120)
    with pytest.raises(ReadError, match="a is an array of 4 axes"):
        held.array(inline, axes=3, limit=120)


def test_columns_come_from_the_tree_or_from_a_table(file, sources):
    numbers, cells = np.arange(4), np.arange(24.0).reshape(4, 2, 3)
    node = file.table_node("T", {"n": numbers, "c": cells})
    node["columns"].append({"name": "i", "data": {"data": [1.5, 2.5], "datatype": "float64"}})
    n, c, i = sources().columns(Node(node, "table"))
    np.testing.assert_array_equal(n.values, numbers)
    np.testing.assert_array_equal(c.values, cells)
    np.testing.assert_array_equal(i.values, [1.5, 2.5])
    assert [column.name for column in (n, c, i)] == ["n", "c", "i"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"source": "fits:T[3]"}, "points to no column of a table with 2"),
        ({"source": "fits:T"}, "points to no column"),
        ({"source": "fits:IMAGE[1]"}, "not a binary table"),
        ({"shape": [7]}, r"is to hold \(7,\) per row"),
        ({"shape": [10**8]}, "at most"),
        ({"shape": [0]}, "whole number from 1"),
        ({"shape": [1] * 9}, "at most 8"),
    ],
)
def test_columns_that_are_not_as_told_are_refused(file, sources, change, what):
    node = file.table_node("T", {"n": np.arange(4), "c": np.arange(8.0).reshape(4, 2)})
    node["columns"][1]["data"] |= change
    with pytest.raises(ReadError, match=what):
        sources().columns(Node(node, "table"))


def test_a_file_without_its_tree_is_refused(file, tmp_path):
    content = file.write(tmp_path / "whole.fits").read_bytes()
    cut = tmp_path / "cut.fits"
    cut.write_bytes(content.replace(b"EXTNAME = 'JSON    '", b"EXTNAME = 'JSUN    '"))
    with pytest.raises(ReadError, match="it has no HDU 'JSON'"):
        open_exposure(cut)


def test_an_image_whose_side_is_text_is_refused(file, tmp_path):
    content = file.write(tmp_path / "whole.fits").read_bytes()
    at = content.index(b"ZNAXIS1 =")
    damaged = tmp_path / "damaged.fits"
    damaged.write_bytes(content[:at] + b"ZNAXIS1 = 'eight   '".ljust(80) + content[at + 80 :])
    with pytest.raises(ReadError, match="HDU 1"):
        open_exposure(damaged)


def test_a_json_table_without_a_row_is_refused(file, tmp_path):
    path = file.write(tmp_path / "a.fits")
    with fits.open(path) as hdus:
        number = hdus.index_of("JSON")
        hdus[number] = fits.BinTableHDU(hdus[number].data[:0], name="JSON")
        hdus.writeto(path, overwrite=True)
    with pytest.raises(ReadError, match="its JSON table is empty"):
        open_exposure(path)
