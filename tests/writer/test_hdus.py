"""The bytes of single HDUs, read back by astropy."""

import io

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.writer.hdus import (
    Field,
    Flag,
    Schema,
    compressed_image_hdu,
    image_hdu,
    primary_hdu,
    table_hdu,
)


def opened(hdu, **options):
    """Open one HDU, behind an empty primary one, as a file."""
    content = primary_hdu([]).to_bytes() + hdu.to_bytes()
    return fits.open(io.BytesIO(content), **options)


def awkward_floats():
    rng = np.random.default_rng(1)
    pixels = rng.normal(0.0, 30.0, (40, 53)).astype(np.float32)
    pixels[0, :6] = [np.nan, np.inf, -np.inf, -0.0, 1e-42, np.finfo(np.float32).max]
    return pixels


@pytest.mark.parametrize("make", [image_hdu, compressed_image_hdu])
def test_float_pixels_keep_every_bit(make):
    pixels = awkward_floats()
    with opened(make(pixels, [])) as hdus:
        assert hdus[1].data.dtype.kind == "f"
        found = hdus[1].data.astype(np.float32)
    np.testing.assert_array_equal(found.view(np.int32), pixels.view(np.int32))


@pytest.mark.parametrize("make", [image_hdu, compressed_image_hdu])
def test_mask_pixels_keep_every_bit(make):
    pixels = np.array([[0, 1, -1], [2**31 - 1, -(2**31), 257]], dtype=np.int32)
    with opened(make(pixels, [])) as hdus:
        np.testing.assert_array_equal(hdus[1].data, pixels)


def test_compression_is_gzip_2_with_one_row_per_tile():
    pixels = awkward_floats()
    with opened(compressed_image_hdu(pixels, []), disable_image_compression=True) as hdus:
        header = hdus[1].header
        assert [header[k] for k in ("ZCMPTYPE", "ZTILE1", "ZTILE2", "ZQUANTIZ")] == ["GZIP_2", 53, 1, "NONE"]
        assert header["NAXIS2"] == 40
        assert max(len(tile) for tile in hdus[1].data["COMPRESSED_DATA"]) == int(
            header["TFORM1"].removeprefix("1PB(").removesuffix(")")
        )


def test_compressed_bytes_carry_no_time():
    """A gzip header has the time of compression in bytes 4 to 7; ours is zero."""
    hdu = compressed_image_hdu(awkward_floats(), [])
    heap = hdu.data[8 * 40 :]
    assert heap[:4] == b"\x1f\x8b\x08\x00"
    assert heap[4:8] == b"\0\0\0\0"


SCHEMA = Schema(
    (
        Field("number", "int", "a number"),
        Field("value", "double", "a value", unit="pixel"),
        Field("name", "string", "a name", size=12),
        Field("ids", "int_array", "some ids", size=3),
        Field("weights", "double_array", "some weights" + ", described at length" * 5, size=2),
        Field("text", "bytes", "any text"),
    ),
    tuple(Flag(f"flag_{n}", f"flag {n}") for n in range(10)),
)


def row(n):
    flags = {f"flag_{k}": k % (n + 2) == 0 for k in range(10)}
    text = b"x y " * n
    return {
        "number": n,
        "value": n / 3,
        "name": f"name {n}",
        "ids": [n, -1, 2],
        "weights": [n, 0.1],
        "text": text,
    } | flags


def test_table_rows_come_back():
    with opened(table_hdu(SCHEMA, [row(0), row(1), row(5)], [])) as hdus:
        data = hdus[1].data
        assert data["number"].tolist() == [0, 1, 5]
        assert data["value"].tolist() == [0.0, 1 / 3, 5 / 3]
        assert data["name"].tolist() == ["name 0", "name 1", "name 5"]
        assert data["ids"].tolist() == [[n, -1, 2] for n in (0, 1, 5)]
        assert [bytes(text) for text in data["text"]] == [b"x y " * n for n in (0, 1, 5)]
        expected = [[row(n)[f"flag_{k}"] for k in range(10)] for n in (0, 1, 5)]
        assert data["flags"].tolist() == expected


def test_table_cards_tell_afw_the_types():
    header = table_hdu(SCHEMA, [row(1)], []).header
    assert header["FLAGCOL"] == 1
    assert (header["TTYPE1"], header["TFORM1"], header["TFLAG10"]) == ("flags", "10X", "flag_9")
    types = [header[f"TCCLS{n}"] for n in range(2, 8)]
    assert types == ["Scalar", "Scalar", "String", "Array", "Array", "Array"]
    formats = [header[f"TFORM{n}"] for n in range(2, 8)]
    assert formats == ["1J", "1D", "12A", "3J", "2D", "1QB(4)"]
    assert header["TUNIT3"] == "pixel"
    assert header["TDOC6"] == SCHEMA.fields[4].doc


def test_hdus_fill_whole_fits_blocks():
    for hdu in (
        primary_hdu([("KEY", 1, "")]),
        image_hdu(awkward_floats(), []),
        table_hdu(SCHEMA, [row(1)], []),
    ):
        assert len(hdu.to_bytes()) % 2880 == 0


def test_long_keywords_are_hierarch_cards():
    header = primary_hdu([("LSST BUTLER DATAID VISIT", 2024120600102, ""), ("MP_NO_DATA", 8, "")]).header
    assert header["LSST BUTLER DATAID VISIT"] == 2024120600102
    assert "HIERARCH MP_NO_DATA = 8" in str(header)
