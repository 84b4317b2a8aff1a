"""PSF images that are made where they are needed, against the NumPy that says what they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.measure.kernels import NativeKernel, NumpyKernel
from forcedsql.native import CombinedImages
from forcedsql.psf.moments import adaptive_moments
from forcedsql.psf.shift import shift_images
from tests.measure.kernels.random_planes import absolute, assert_same_psf_sums, make_planes
from tests.native.instruction_sets import loaded

pytestmark = pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")

NUMPY = NumpyKernel()
SEEDS = st.integers(0, 1 << 32)


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    shape=st.tuples(st.integers(1, 110), st.integers(1, 110)),
    size=st.tuples(st.integers(1, 45), st.integers(1, 45)),
    terms=st.integers(1, 8),
    faults=st.sampled_from([0.0, 1e-3]),
    bad_bits=st.sampled_from([0, 0b101, -1]),
)
def test_psf_sums_of_combined_images_agree_to_rounding(seed, shape, size, terms, faults, bad_bits):
    planes, rng = make_planes(seed, shape, faults=faults), np.random.default_rng(seed)
    n = 20  # more than the kernel has at hand at once, and not a multiple of it
    weights, basis = rng.normal(size=(n, terms)), rng.normal(size=(terms, *size))
    dx, dy = rng.uniform(-0.5, 0.5, (2, n))
    dx[rng.random(n) < 0.2], dy[rng.random(n) < 0.2] = 0.0, 0.5
    x0 = rng.integers(-size[1] - 2, shape[1] + 2, n)
    y0 = rng.integers(-size[0] - 2, shape[0] + 2, n)
    x0[0], y0[0] = 1 << 40, -(1 << 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FORCEDSQL_KERNEL", "numpy")
        model = shift_images(np.einsum("nk,khw->nhw", weights, basis), dx, dy)
    combined = CombinedImages(loaded(), weights, basis, dx, dy)
    # Twice eleven products of sums of some products of numbers of order 1, in another order.
    np.testing.assert_allclose(combined.images, model, rtol=0, atol=1e-13)
    with np.errstate(all="ignore"):
        native = NativeKernel(loaded()).psf_sums(planes, combined, x0, y0, bad_bits=bad_bits)
        numpy = NUMPY.psf_sums(planes, model, x0, y0, bad_bits=bad_bits)
        scale = NUMPY.psf_sums(absolute(planes), np.abs(model), x0, y0, bad_bits=bad_bits)
    assert_same_psf_sums(native, numpy, planes, model, scale=scale)


def test_the_numpy_kernel_takes_combined_images_too():
    planes, rng = make_planes(4), np.random.default_rng(4)
    combined = CombinedImages(
        loaded(), rng.normal(size=(9, 3)), rng.normal(size=(3, 11, 13)), *rng.uniform(-0.5, 0.5, (2, 9))
    )
    at = rng.integers(20, 80, (2, 9))
    made, unmade = (NUMPY.psf_sums(planes, model, *at, bad_bits=1) for model in (combined.images, combined))
    np.testing.assert_array_equal(made.chi2, unmade.chi2)


def test_moments_are_those_of_the_images_before_they_move(library, monkeypatch):
    rng = np.random.default_rng(6)
    y, x = np.mgrid[-12:13, -12:13]
    basis = np.exp(-0.5 * (x**2 + y**2) / np.array([3.0, 5.0, 8.0])[:, None, None])
    weights = rng.uniform(0.1, 1.0, (20, 3))
    combined = CombinedImages(library, weights, basis, *rng.uniform(-0.5, 0.5, (2, 20)))
    moments = combined.moments((12, 11))
    monkeypatch.setenv("FORCEDSQL_KERNEL", "numpy")
    images, centre = np.einsum("nk,khw->nhw", weights, basis), np.ones(20, np.int64)
    # Sums in another order round to another float32 now and then.
    np.testing.assert_allclose(
        moments, adaptive_moments(images, 12 * centre, 11 * centre), rtol=1e-5, atol=1e-6
    )
