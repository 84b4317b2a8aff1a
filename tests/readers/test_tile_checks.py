"""Compressed tiles that lie about their sizes, each refused before it is unpacked."""

import gzip
import math
from io import BytesIO

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.errors import FileLimitError, ReadError
from forcedsql.readers import limits
from forcedsql.readers.fits_file import open_fits
from tests.fuzz.fits_bytes import FitsBytes

SIDE = 32
ALGORITHMS = ("RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "PLIO_1", "NOCOMPRESS")
PIXELS = np.random.default_rng(2).integers(0, 200, (SIDE, SIDE)).astype(np.int32)


def packed(algorithm, *, values=PIXELS, tile=(8, SIDE), **options):
    """A file with one compressed image, in parts."""
    stream = fits.HDUList(
        [fits.PrimaryHDU(), fits.CompImageHDU(values, compression_type=algorithm, tile_shape=tile, **options)]
    )
    written = BytesIO()
    stream.writeto(written)
    return FitsBytes.parse(written.getvalue())


@pytest.fixture
def pixels_of(tmp_path):
    def read(file, rows=None):
        path = tmp_path / "packed.fits"
        path.write_bytes(file.to_bytes())
        with open_fits(path) as opened:
            found = opened.pixels(1) if rows is None else opened.rows(1, rows.start, len(rows))
            return found.values

    return read


def tile_column(file):
    return next(column for column in file.hdus[1].columns() if column.descriptor)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("tile", [(1, SIDE), (8, SIDE), (10, 12), (SIDE, SIDE)])
def test_sound_tiles_of_every_kind_are_unpacked(pixels_of, algorithm, tile):
    if algorithm == "HCOMPRESS_1":
        tile = tuple(4 * -(-side // 4) for side in tile)
    np.testing.assert_array_equal(pixels_of(packed(algorithm, tile=tile)), PIXELS)
    np.testing.assert_array_equal(pixels_of(packed(algorithm, tile=tile), range(9, 20)), PIXELS[9:20])


def test_quantized_floats_and_tiles_that_could_not_be_are_unpacked(pixels_of):
    values = np.random.default_rng(1).normal(0.0, 1.0, (SIDE, SIDE)).astype(np.float32)
    values[5] = 1e30 * np.sign(values[5])
    found = pixels_of(packed("RICE_1", values=values, tile=(1, SIDE), quantize_level=16.0))
    # A 16th of the noise is the step, and 1 in 64 that of the row of huge numbers.
    np.testing.assert_allclose(found, values, rtol=0.02, atol=0.1)


@pytest.mark.parametrize("algorithm", ["GZIP_1", "GZIP_2"])
@pytest.mark.parametrize("tile", [(1, SIDE), (8, SIDE)])
def test_a_gzip_bomb_in_a_tile_is_refused(pixels_of, algorithm, tile):
    file = packed(algorithm, tile=tile)
    file.hdus[1].set_item(tile_column(file), 2, gzip.compress(bytes(64 << 20)))
    with pytest.raises(ReadError, match=r"HDU 1: .*(holds more than|does not hold one row)"):
        pixels_of(file)


def test_a_bomb_with_a_false_length_at_its_end_is_refused(pixels_of):
    file = packed("GZIP_1", tile=(1, SIDE))
    bomb = gzip.compress(bytes(64 << 20))[:-4] + (4 * SIDE).to_bytes(4, "little")
    file.hdus[1].set_item(tile_column(file), 2, bomb)
    with pytest.raises(ReadError, match="HDU 1: a compressed tile"):
        pixels_of(file)


def test_several_members_in_one_tile_are_refused(pixels_of):
    file = packed("GZIP_1")
    member = file.hdus[1].item(tile_column(file), 0)
    file.hdus[1].set_item(tile_column(file), 0, member * 3)
    with pytest.raises(FileLimitError, match="holds more than"):
        pixels_of(file)


@pytest.mark.parametrize("at", [2, 6])
@pytest.mark.parametrize("side", [0, -1, 1000, 2**31 - 1])
def test_an_h_compressed_tile_larger_than_its_place_is_refused(pixels_of, at, side):
    file = packed("HCOMPRESS_1")
    item = bytearray(file.hdus[1].item(tile_column(file), 1))
    item[at : at + 4] = side.to_bytes(4, "big", signed=True)
    file.hdus[1].set_item(tile_column(file), 1, bytes(item))
    with pytest.raises(ReadError, match="HDU 1: a compressed tile"):
        pixels_of(file)


def test_a_pixel_list_longer_than_its_tile_is_refused(pixels_of):
    file = packed("PLIO_1")
    hdu, column = file.hdus[1], tile_column(file)
    length, offset = hdu.place(column, 0)
    at = hdu.heap + offset + 6
    hdu.data[at : at + 2] = (30000).to_bytes(2, "big")
    with pytest.raises(ReadError, match=rf"HDU 1: .* says it has 30000 words of {length}"):
        pixels_of(file)


@pytest.mark.parametrize(("name", "value"), [("BLOCKSIZE", 0), ("BLOCKSIZE", 10**9), ("BYTEPIX", 3)])
def test_parameters_that_rice_would_not_end_with_are_refused(pixels_of, name, value):
    file = packed("RICE_1")
    number = next(n for n in range(1, 9) if file.hdus[1].value(f"ZNAME{n}") == name)
    file.hdus[1].set(f"ZVAL{number}", str(value))
    with pytest.raises(ReadError, match=f"its tiles have .*{value}"):
        pixels_of(file)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("place", [(2**31 - 1, 0), (10, 2**31 - 1), (10, -1), (-1, 0)])
def test_tiles_outside_the_heap_are_refused(pixels_of, algorithm, place):
    file = packed(algorithm)
    file.hdus[1].point(tile_column(file), 1, *place)
    with pytest.raises(ReadError, match="HDU 1"):
        pixels_of(file)


def test_tiles_that_share_what_is_stored_are_refused(pixels_of):
    file = packed("RICE_1", tile=(1, SIDE))
    hdu, column = file.hdus[1], tile_column(file)
    for row in range(SIDE):
        hdu.point(column, row, hdu.number("PCOUNT"), 0)
    with pytest.raises(ReadError, match="overlap"):
        pixels_of(file)


@pytest.mark.parametrize("algorithm", ["RICE_1", "GZIP_2"])
def test_an_image_that_is_much_larger_than_its_tiles_is_refused(pixels_of, algorithm):
    file = packed(algorithm, tile=(1, SIDE))
    for name in ("ZNAXIS1", "ZTILE1"):
        file.hdus[1].set(name, "10000000")
    with pytest.raises(FileLimitError, match=rf"bytes of pixels .*at most {limits.UNASKED_BYTES}"):
        pixels_of(file)


def test_a_large_constant_image_is_not(pixels_of):
    side = math.isqrt(limits.UNASKED_BYTES // 16)
    values = np.zeros((side, side), np.int16)
    assert pixels_of(packed("RICE_1", values=values, tile=(side, side)), range(3)).shape == (3, side)


@pytest.mark.parametrize(
    ("name", "value"),
    [("ZTILE1", "0"), ("ZTILE2", "-3"), ("ZTILE1", "'x'"), ("ZNAXIS", "3"), ("ZTILE2", "1")],
)
def test_tiles_that_do_not_cover_the_image_are_refused(pixels_of, name, value):
    file = packed("RICE_1")
    file.hdus[1].set(name, value)
    with pytest.raises(ReadError):
        pixels_of(file)


MEMBER = gzip.compress(PIXELS.tobytes())


@pytest.mark.parametrize(
    ("item", "said"),
    [
        (MEMBER[:40] + b"\xff\xff" + MEMBER[42:], "a compressed tile is damaged"),
        (gzip.compress(PIXELS[:8].tobytes())[:-9], "a compressed tile is cut short"),
    ],
)
def test_a_damaged_gzip_member_is_refused(pixels_of, item, said):
    file = packed("GZIP_1")
    file.hdus[1].set_item(tile_column(file), 0, item)
    with pytest.raises(ReadError, match=said):
        pixels_of(file)


def test_an_h_compressed_tile_of_too_many_pixels_is_refused(pixels_of):
    file = packed("HCOMPRESS_1")
    item = bytearray(file.hdus[1].item(tile_column(file), 0))
    item[2:10] = SIDE.to_bytes(4, "big") * 2
    file.hdus[1].set_item(tile_column(file), 0, bytes(item))
    with pytest.raises(FileLimitError, match=r"unpacks to \[32, 32\]"):
        pixels_of(file)


def test_pixel_lists_that_are_no_such_lists_are_refused(pixels_of):
    file = packed("PLIO_1")
    hdu, column = file.hdus[1], tile_column(file)
    length, offset = hdu.place(column, 0)
    hdu.point(column, 0, 3, offset)
    with pytest.raises(ReadError, match="is 6 bytes short"):
        pixels_of(file)
    hdu.point(column, 0, length, offset)
    hdu.set("TFORM1", "'1PB(999)'")
    with pytest.raises(ReadError, match="not made of 16-bit integers"):
        pixels_of(file)
