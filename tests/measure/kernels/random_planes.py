"""Random pixels and positions for the kernels, and when two kernels agree."""

import numpy as np

from forcedsql.measure.kernels import Planes

FAULTS = (np.nan, np.inf, -np.inf, 0.0, -1e4, 3e38)


def make_planes(seed, shape=(120, 130), *, faults=0.0):
    rng = np.random.default_rng(seed)
    image = rng.normal(50.0, 30.0, shape).astype(np.float32)
    variance = rng.uniform(1.0, 9.0, shape).astype(np.float32)
    mask = rng.integers(-(1 << 31), 1 << 31, shape).astype(np.int32)
    mask[rng.random(shape) < 0.7] = 0
    for plane in (image, variance):
        at = rng.random(shape) < faults
        plane[at] = rng.choice(FAULTS, at.sum())
    return Planes(image, variance, mask)


def positions(rng, shape, n):
    """Anywhere on the image, its rim included, some on pixel centres and some on pixel borders."""
    rows, columns = shape
    x, y = rng.uniform(-0.5, columns - 0.5, n), rng.uniform(-0.5, rows - 0.5, n)
    some = rng.random(n) < 0.3
    x[some], y[some] = np.floor(2 * x[some] + 1) / 2, np.floor(2 * y[some] + 1) / 2
    return np.clip(x, -0.5, columns - 0.501), np.clip(y, -0.5, rows - 0.501)


def pixels_of(x, y):
    return np.floor(x + 0.5).astype(np.int64), np.floor(y + 0.5).astype(np.int64)


def assert_same(native, numpy, *, scale):
    """The same where finite, and not finite at the same places.

    `scale` is the sum of the absolute values that are added up.  Other orders of a sum of up
    to 10^4 terms differ by some 1e-14 of it.
    """
    np.testing.assert_array_equal(np.isfinite(native), np.isfinite(numpy))
    good = np.isfinite(numpy) & np.isfinite(scale)
    difference = np.abs(native[good] - numpy[good])
    assert (difference <= 1e-12 * np.broadcast_to(scale, numpy.shape)[good] + 1e-300).all(), difference.max()


def absolute(planes):
    """The planes with absolute values, which give the scale of every sum."""
    return Planes(np.abs(planes.image), np.abs(planes.variance), planes.mask)


def assert_same_psf_sums(native, numpy, planes, model, *, scale):
    """`assert_same` of all sums of PSF images; `scale` are the sums of `absolute` planes and images."""
    np.testing.assert_array_equal(native.npixels, numpy.npixels)
    for name in ("m", "mm", "m_image", "mm_variance"):
        assert_same(getattr(native, name), getattr(numpy, name), scale=getattr(scale, name))
    used = numpy.npixels > 0
    assert_same(native.chi2[used], numpy.chi2[used], scale=chi2_scale(planes, numpy, model)[used])


def chi2_scale(planes, sums, model):
    """Size of what chi2 adds up: squares of the data and of the model over the variance, signs off."""
    with np.errstate(all="ignore"):
        smallest = np.abs(planes.variance[np.isfinite(planes.variance) & (planes.variance != 0)])
        smallest = smallest.min() if len(smallest) else 1.0
        amplitude = np.abs(sums.m_image / sums.mm)
        data = np.abs(planes.image[np.isfinite(planes.image)])
        largest = (data.max() if len(data) else 0.0) + amplitude * np.abs(model).max(axis=(1, 2))
        return model[0].size * largest**2 / smallest
