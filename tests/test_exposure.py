import numpy as np
import pytest

from forcedsql.errors import MissingComponentError, ReadError, UnsupportedError
from forcedsql.exposure import Exposure, ExposureInfo
from forcedsql.geometry import Box

IMAGE, MASK = np.zeros((4, 6), np.float32), np.zeros((4, 6), np.int32)


def exposure(**parts):
    return Exposure(**{"image": IMAGE, "mask": MASK, "variance": IMAGE} | parts)


def test_an_exposure_knows_its_box_and_its_size():
    made = exposure(xy0=(100, -20))
    assert made.bbox == Box(100, -20, 6, 4)
    assert made.shape == (4, 6)
    assert made.nbytes == 3 * 4 * 6 * 4


def test_planes_in_memory_are_given_as_they_are():
    made = exposure()
    made.read_rows(np.ones(4, bool), np.ones(4, bool))
    assert all(
        a is b for a, b in zip(made.planes_so_far(), (made.image, made.mask, made.variance), strict=True)
    )


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"image": np.zeros(6, np.float32)}, "the image has 1 dimensions; an exposure has 2"),
        ({"mask": MASK[:3]}, r"the mask is \(3, 6\) pixels, the image \(4, 6\)"),
        ({"variance": IMAGE[:, :5]}, r"the variance is \(4, 5\) pixels, the image \(4, 6\)"),
    ],
)
def test_planes_of_different_sizes_are_refused(parts, message):
    with pytest.raises(ReadError, match=message):
        exposure(**parts)


def test_a_projection_that_is_needed_is_there_or_its_absence_is_explained():
    wcs = object()
    assert exposure(wcs=wcs).require_wcs() is wcs
    with pytest.raises(MissingComponentError, match="has no sky projection"):
        exposure().require_wcs()
    with pytest.raises(UnsupportedError, match="the exposure's wcs is a GrismWcs"):
        exposure(unsupported={"wcs": "GrismWcs"}).require_wcs()


@pytest.mark.parametrize(
    ("name", "difference"),
    [("difference_image", True), ("goodSeeingDiff_differenceExp", True), ("visit_image", False), ("", False)],
)
def test_a_difference_image_is_known_by_the_name_of_its_type(name, difference):
    assert ExposureInfo(dataset_type=name).is_difference is difference
