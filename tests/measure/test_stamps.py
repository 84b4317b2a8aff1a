"""The pixels around positions that a batch hands to plugins."""

import numpy as np
import pytest

from forcedsql.measure.batch import Batch
from forcedsql.measure.exposure_planes import planes_of
from forcedsql.measure.kernels import default_kernel
from tests.measure.exposures import make_exposure

XY0 = (1000, -50)


@pytest.fixture
def exposure():
    made = make_exposure(shape=(40, 50), xy0=XY0)
    made.mask[:] = np.arange(made.mask.size).reshape(made.mask.shape)
    made.variance[:] = made.mask + 0.5
    return made


def stamps_at(exposure, x, y, half):
    x, y = np.asarray(x, float), np.asarray(y, float)
    return Batch(exposure, planes_of(exposure), default_kernel(), x, y, None, None).stamps(half)


def test_a_stamp_holds_the_pixels_around_the_nearest_one(exposure):
    stamps = stamps_at(exposure, [1010.4, 1030.5], [-30.5, -20.6], 3)
    assert (stamps.x0.tolist(), stamps.y0.tolist()) == ([1007, 1028], [-33, -24])
    for i, part in enumerate((np.s_[17:24, 7:14], np.s_[26:33, 28:35])):
        for name in ("image", "variance", "mask"):
            np.testing.assert_array_equal(getattr(stamps, name)[i], getattr(exposure, name)[part])
    assert stamps.inside.shape == (2, 7, 7)
    assert stamps.inside.all()


def test_pixels_off_the_image_are_zero_and_said_to_be_outside(exposure):
    stamps = stamps_at(exposure, [1000.0, 1049.0], [-50.0, -11.0], 2)
    assert stamps.inside.sum(axis=(1, 2)).tolist() == [9, 9]
    assert stamps.inside[0, 2:, 2:].all()
    assert stamps.inside[1, :3, :3].all()
    assert not stamps.image[~stamps.inside].any()
    np.testing.assert_array_equal(stamps.mask[0, 2:, 2:], exposure.mask[:3, :3])
