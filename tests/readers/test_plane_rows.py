"""Planes whose rows are read one by one: how they are stored, and tiles that are not what they seem."""

import gzip
from dataclasses import replace

import numpy as np
import pytest

from forcedsql.errors import ReadError
from forcedsql.native.library import KERNEL_VARIABLE
from forcedsql.readers.file_bytes import FileState
from forcedsql.readers.fits_file import open_fits
from forcedsql.readers.plane_rows import stored_plane
from forcedsql.writer.hdus import compressed_image_hdu, image_hdu, primary_hdu

PIXELS = np.arange(40, dtype=np.int32).reshape(5, 8)
ROW_BYTES = 8 * 4


def stored(tmp_path, make, tiles=None, pixels=PIXELS):
    """A file of one image, its rows' tiles replaced by these, and the layout of its HDU."""
    hdu = make(pixels, [])
    if tiles is not None:
        lengths = np.array([len(tile) for tile in tiles], ">i4")
        places = np.stack([lengths, np.cumsum(lengths) - lengths], axis=1).astype(">i4")
        hdu.header["PCOUNT"] = int(lengths.sum())
        hdu = replace(hdu, data=places.tobytes() + b"".join(tiles))
    path = tmp_path / "a.fits"
    path.write_bytes(primary_hdu([]).to_bytes() + hdu.to_bytes())
    with open_fits(path) as file:
        return FileState.of(path), file.layout().hdus[1]


@pytest.mark.parametrize("kernel", ["", "numpy"])
@pytest.mark.parametrize("make", [image_hdu, compressed_image_hdu])
def test_rows_are_read_or_filled_in(tmp_path, monkeypatch, make, kernel):
    monkeypatch.setenv(KERNEL_VARIABLE, kernel)
    state, layout = stored(tmp_path, make)
    plane = stored_plane(layout)
    filled = np.zeros((3, 8), np.int32)
    with state.open() as file:
        plane.read_into(file, 1, filled)
        np.testing.assert_array_equal(plane.read(file, 1, 3), PIXELS[1:4])
    np.testing.assert_array_equal(filled, PIXELS[1:4])


@pytest.mark.parametrize("kernel", ["", "numpy"])
@pytest.mark.parametrize("make", [image_hdu, compressed_image_hdu])
def test_only_the_columns_that_are_asked_for_are_filled_in(tmp_path, monkeypatch, make, kernel):
    monkeypatch.setenv(KERNEL_VARIABLE, kernel)
    state, layout = stored(tmp_path, make)
    filled = np.full((3, 8), -1, np.int32)
    with state.open() as file:
        stored_plane(layout).read_into(file, 1, filled, slice(2, 5))
    np.testing.assert_array_equal(filled[:, 2:5], PIXELS[1:4, 2:5])
    assert (np.delete(filled, [2, 3, 4], axis=1) == -1).all()


@pytest.mark.parametrize(
    ("make", "cards"),
    [
        (image_hdu, {"BITPIX": 64}),
        (image_hdu, {"NAXIS2": 10**6}),
        (image_hdu, {"NAXIS": 3}),
        (image_hdu, {"BSCALE": 2.0}),
        (image_hdu, {"BLANK": 0}),
        (compressed_image_hdu, {"ZBITPIX": 64}),
        (compressed_image_hdu, {"ZCMPTYPE": "RICE_1"}),
        (compressed_image_hdu, {"ZTILE2": 2}),
        (compressed_image_hdu, {"ZQUANTIZ": "SUBTRACTIVE_DITHER_1"}),
        (compressed_image_hdu, {"ZSCALE": 2.0}),
        (compressed_image_hdu, {"TTYPE1": "GZIP_COMPRESSED_DATA"}),
        (compressed_image_hdu, {"TFORM1": "1PI(9)"}),
        (compressed_image_hdu, {"TFORM1": "1PB(9)", "TDIM1": "(2,2)"}),
        (compressed_image_hdu, {"THEAP": 1}),
        (compressed_image_hdu, {"PCOUNT": 10**6}),
        (compressed_image_hdu, {"ZNAXIS2": 4}),
    ],
)
def test_what_is_stored_otherwise_is_left_to_astropy(tmp_path, make, cards):
    _, layout = stored(tmp_path, make)
    assert stored_plane(layout) is not None
    changed = {"cards": {**layout.cards, **cards}, "storage": {**layout.storage, **cards}}
    assert stored_plane(replace(layout, **changed)) is None


NOISE = np.random.default_rng(1).integers(0, 256, 5 * ROW_BYTES, np.uint8).tobytes()
GOOD = [gzip.compress(NOISE[n * ROW_BYTES : (n + 1) * ROW_BYTES]) for n in range(5)]


@pytest.mark.parametrize(
    ("tile", "said"),
    [
        (gzip.compress(NOISE[:20]), "does not hold one row"),
        (gzip.compress(NOISE[:20]) + gzip.compress(NOISE[:ROW_BYTES]), "compressed tile"),
        (GOOD[2][:30] + b"\xff" + GOOD[2][31:], "is damaged"),
        (b"\x1f\x8b", "outside its heap"),
    ],
    ids=["short", "two members", "damaged", "no tile"],
)
def test_a_tile_that_is_not_one_row_is_refused(tmp_path, tile, said):
    state, layout = stored(tmp_path, compressed_image_hdu, [*GOOD[:2], tile, *GOOD[3:]])
    plane = stored_plane(layout)
    with state.open() as file:
        assert plane.read(file, 0, 2).shape == (2, 8)
        with pytest.raises(ReadError, match=said):
            plane.read(file, 0, 5)


def test_tiles_that_share_what_is_stored_are_refused(tmp_path):
    state, layout = stored(tmp_path, compressed_image_hdu)
    plane = stored_plane(layout)
    content = bytearray(state.path.read_bytes())
    end = plane.heap_end - plane.heap_start
    content[plane.start : plane.start + 40] = np.array([[end, 0]] * 5, ">i4").tobytes()
    state.path.write_bytes(content)
    with FileState.of(state.path).open() as file, pytest.raises(ReadError, match="tiles that overlap"):
        plane.read(file, 0, 5)


def test_more_rows_than_are_unpacked_at_a_time_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("forcedsql.readers.plane_rows._UNPACKED_BYTES", 2 * ROW_BYTES)
    state, layout = stored(tmp_path, compressed_image_hdu)
    with state.open() as file:
        np.testing.assert_array_equal(stored_plane(layout).read(file, 0, 5), PIXELS)


def test_tiles_may_stand_in_any_order(tmp_path):
    state, layout = stored(tmp_path, compressed_image_hdu)
    plane = stored_plane(layout)
    content = bytearray(state.path.read_bytes())
    places = np.frombuffer(bytes(content[plane.start : plane.start + 40]), ">i4").reshape(5, 2)
    content[plane.start : plane.start + 40] = places[::-1].tobytes()
    state.path.write_bytes(content)
    with FileState.of(state.path).open() as file:
        np.testing.assert_array_equal(plane.read(file, 1, 3), PIXELS[::-1][1:4])
