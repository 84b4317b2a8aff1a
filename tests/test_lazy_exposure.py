"""An exposure whose pixels come row by row."""

from dataclasses import fields, replace

import numpy as np

from forcedsql.exposure import Exposure
from forcedsql.geometry import Box
from forcedsql.lazy_exposure import LazyExposure
from forcedsql.pixel_rows import PixelRows
from tests.test_pixel_rows import CountingSource, mask_of


def make_lazy(**parts):
    source = CountingSource()
    return LazyExposure(rows=PixelRows(source), **parts), source


def test_shape_and_box_need_no_pixels():
    exposure, source = make_lazy(xy0=(100, 200))
    assert exposure.shape == (40, 7)
    assert exposure.bbox == Box(100, 200, 7, 40)
    assert source.asked == []


def test_the_whole_plane_is_read_when_someone_takes_it():
    exposure, source = make_lazy()
    exposure.read_rows(mask_of(5), mask_of(5))
    assert exposure.nbytes == 7 * 12
    assert exposure.variance[:, 3].tolist() == [n + 0.5 for n in range(40)]
    assert source.asked == [slice(5, 6), slice(0, 5), slice(6, 40)]
    assert exposure.nbytes == 40 * 7 * 12


def test_planes_so_far_read_nothing():
    exposure, source = make_lazy()
    image, mask, variance = exposure.planes_so_far()
    exposure.read_rows(mask_of(8), mask_of(8))
    assert (image[8, 0], mask[8, 0], variance[8, 0], image[7, 0]) == (8, 8, 8.5, 0)
    assert source.asked == [slice(8, 9)]


def test_it_is_an_exposure_in_all_else():
    exposure, _ = make_lazy(unit="nJy")
    assert isinstance(exposure, Exposure)
    assert {field.name for field in fields(exposure)} == {field.name for field in fields(Exposure)}
    changed = replace(exposure, unit="adu")
    assert (changed.unit, exposure.unit) == ("adu", "nJy")
    np.testing.assert_array_equal(changed.image, exposure.image)
    # All of its pixels are in memory.
    changed.read_rows(mask_of(3), mask_of(3))
    assert changed.planes_so_far()[0] is changed.image
    assert (changed.shape, changed.nbytes) == ((40, 7), 40 * 7 * 12)


def test_an_exposure_in_memory_has_its_rows():
    planes = {"image": np.ones((3, 4), np.float32), "variance": np.ones((3, 4), np.float32)}
    exposure = Exposure(mask=np.zeros((3, 4), np.int32), **planes)
    exposure.read_rows(np.ones(3, bool), np.ones(3, bool))
    assert exposure.planes_so_far()[0] is exposure.image
    assert exposure.nbytes == 3 * 4 * 12
