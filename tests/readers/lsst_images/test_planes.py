import numpy as np
import pytest

from forcedsql.errors import FileLimitError, ReadError


def planes(*names):
    return [None if name is None else {"name": name, "description": ""} for name in names]


def bit(exposure, name):
    return (exposure.mask >> exposure.mask_planes[name]) & 1 == 1


def test_planes_keep_their_pixels_and_infinities(file, opened):
    file.images["VARIANCE"][2, 3] = np.inf
    file.images["IMAGE"][0, 1] = np.nan
    exposure = opened()
    assert exposure.image.dtype == exposure.variance.dtype == np.float32
    assert exposure.image.dtype.isnative
    assert np.isinf(exposure.variance[2, 3])
    assert np.isnan(exposure.image[0, 1])
    assert exposure.unit == "nJy"


def test_the_origin_is_given_as_y_x(file, opened):
    for name in ("image", "mask", "variance"):
        file.tree[name]["yx0"] = [-3, 12_000]
    assert opened().xy0 == (12_000, -3)


@pytest.mark.parametrize("origin", [[1], [1, 2, 3], [0.5, 1], [2**31 + 1, 0], "00", [None, 1]])
def test_an_origin_that_is_no_pixel_is_refused(file, opened, origin):
    file.tree["image"]["yx0"] = origin
    with pytest.raises(ReadError):
        opened()


def test_mask_planes_have_afw_names(file, opened):
    names = (
        "SATURATED",
        "COSMIC_RAY",
        "INTERPOLATED",
        "DETECTION_EDGE",
        "UNMASKED_NAN",
        "NO_DATA",
        "VIGNETTED",
    )
    file.tree["mask"]["planes"] = planes(*names)
    assert list(opened().mask_planes) == ["SAT", "CR", "INTRP", "EDGE", "UNMASKEDNAN", "NO_DATA", "VIGNETTED"]


def test_a_placeholder_among_the_planes_takes_no_bit(file, opened):
    file.tree["mask"]["planes"] = planes("BAD", None, "SUSPECT")
    file.images["MASK"][1, 1] = 2
    assert bit(opened(), "SUSPECT")[1, 1]


def test_planes_beyond_31_are_in_further_images(file, opened):
    names = [f"P{n}" for n in range(31)] + ["SATURATED"]
    file.tree["mask"]["planes"] = planes(*names)
    file.images["MASK"][0, 0] = 1 << 30
    second = np.zeros((6, 8), np.int32)
    second[2, 2] = 1
    file.tree["mask"]["data"].append(file.image_node("MASK_2", second))
    exposure = opened()
    assert len(exposure.mask_planes) == 32
    assert np.argwhere(bit(exposure, "P30")).tolist() == [[0, 0]]
    assert np.argwhere(bit(exposure, "SAT")).tolist() == [[2, 2]]


def test_of_more_than_32_planes_those_that_flags_are_made_of_are_kept(file, opened):
    names = [f"P{n}" for n in range(40)] + ["NO_DATA", "COSMIC_RAY"]
    file.tree["mask"]["planes"] = planes(*names)
    second = np.zeros((6, 8), np.int32)
    second[3, 4], second[4, 5] = 1 << 9, 1 << 10
    file.tree["mask"]["data"].append(file.image_node("MASK_2", second))
    exposure = opened()
    assert list(exposure.mask_planes) == [f"P{n}" for n in range(30)] + ["NO_DATA", "CR"]
    assert np.argwhere(bit(exposure, "NO_DATA")).tolist() == [[3, 4]]
    assert np.argwhere(bit(exposure, "CR")).tolist() == [[4, 5]]


def test_planes_without_an_image_and_images_of_other_sizes_are_refused(file, opened):
    file.tree["mask"]["planes"] = planes(*[f"P{n}" for n in range(32)])
    with pytest.raises(ReadError, match="1 images for 32 planes"):
        opened()
    file.tree["mask"]["data"].append(file.image_node("MASK_2", np.zeros((6, 7), np.int32)))
    with pytest.raises(ReadError, match="pixels, the mask's first image"):
        opened()


@pytest.mark.parametrize("values", [np.zeros((6, 8), np.float32), np.zeros((6, 8), np.int64)])
def test_a_mask_of_other_numbers_is_refused(file, opened, values):
    file.images["MASK"] = values
    with pytest.raises(ReadError, match="a mask has integers of at most 32 bits"):
        opened()


@pytest.mark.parametrize("name", ["a\nb", 5, "x" * 300])
def test_names_of_planes_are_short_printable_strings(file, opened, name):
    file.tree["mask"]["planes"] = planes(name)
    with pytest.raises(ReadError):
        opened()


def test_thousands_of_planes_are_refused(file, opened):
    file.tree["mask"]["planes"] = planes(*["BAD"] * 2_000)
    with pytest.raises(FileLimitError, match="at most 1000"):
        opened()
