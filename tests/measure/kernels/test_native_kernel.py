"""The native kernel against the NumPy kernel, which says what every sum means."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.measure.kernels import NativeKernel, NumpyKernel, Planes
from forcedsql.measure.sinc import sinc_aperture
from forcedsql.native import CombinedImages
from tests.measure.kernels.random_planes import (
    absolute,
    assert_same,
    assert_same_psf_sums,
    make_planes,
    pixels_of,
    positions,
)
from tests.native.conftest import library, threads  # noqa: F401 - fixtures
from tests.native.instruction_sets import loaded

pytestmark = pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")

NUMPY = NumpyKernel()
RADII = (3.0, 4.5, 6.0, 9.0)

SEEDS = st.integers(0, 1 << 32)
SHAPES = st.tuples(st.integers(1, 110), st.integers(1, 110))


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    shape=SHAPES,
    size=st.tuples(st.integers(1, 45), st.integers(1, 45)),
    faults=st.sampled_from([0.0, 1e-3]),
    bad_bits=st.sampled_from([0, 1, 0b101, -1, -(1 << 31)]),
)
def test_psf_sums_agree_to_rounding(seed, shape, size, faults, bad_bits):
    planes, rng = make_planes(seed, shape, faults=faults), np.random.default_rng(seed)
    n = 12
    model = rng.normal(size=(n, *size))
    x0 = rng.integers(-size[1] - 2, shape[1] + 2, n)
    y0 = rng.integers(-size[0] - 2, shape[0] + 2, n)
    x0[0], y0[0] = 1 << 40, -(1 << 40)
    with np.errstate(all="ignore"):
        native = NativeKernel(loaded()).psf_sums(planes, model, x0, y0, bad_bits=bad_bits)
        numpy = NUMPY.psf_sums(planes, model, x0, y0, bad_bits=bad_bits)
        scale = NUMPY.psf_sums(absolute(planes), np.abs(model), x0, y0, bad_bits=bad_bits)
    assert_same_psf_sums(native, numpy, planes, model, scale=scale)


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    shape=SHAPES,
    faults=st.sampled_from([0.0, 2e-4]),
    shift=st.sampled_from(["lanczos5", "exact"]),
)
def test_sinc_sums_agree_to_rounding(seed, shape, faults, shift):
    planes, rng = make_planes(seed, shape, faults=faults), np.random.default_rng(seed)
    apertures = [sinc_aperture(radius, shift) for radius in rng.permutation(RADII)[: rng.integers(1, 5)]]
    x, y = positions(rng, shape, 10)
    column, row = pixels_of(x, y)
    arguments = (apertures, column, row, x - column, y - row)
    with np.errstate(all="ignore"):
        native = NativeKernel(loaded()).sinc_sums(planes, *arguments)
        numpy = NUMPY.sinc_sums(planes, *arguments)
        near = [np.abs(plane[np.isfinite(plane)]) for plane in (planes.image, planes.variance)]
    for ours, theirs, pixels in zip(native, numpy, near, strict=True):
        # Coefficients are at most 1.2 and sum up, signs off, to some 300 pixels.
        assert_same(ours, theirs, scale=400.0 * float(pixels.max(initial=0.0)))


@pytest.mark.parametrize("terms", [14, 40])
def test_an_exact_aperture_may_have_any_number_of_terms(library, terms):  # noqa: F811
    planes, aperture = make_planes(5), sinc_aperture(4.5, "exact")
    table = np.zeros((terms, aperture.table.shape[1]))
    table[: len(aperture.table)] = aperture.table
    table[-1] += 1e-3 * aperture.table[0]
    apertures = [dataclasses.replace(aperture, table=table), aperture]
    at, fractions = (np.array([60]), np.array([50])), (np.array([0.3]), np.array([-0.2]))
    flux, _ = NativeKernel(library).sinc_sums(planes, apertures, *at, *fractions)
    shape = (aperture.width, aperture.rank)
    across, along = (
        (np.polynomial.chebyshev.chebvander(2.0 * f, terms - 1) @ table).reshape(shape) for f in fractions
    )
    box = planes.image[50 - shape[0] // 2 :, 60 - shape[0] // 2 :][: shape[0], : shape[0]]
    parts = (along * aperture.eigenvalues) @ across.T * box
    assert flux[0, 0] == pytest.approx(parts.sum(), abs=1e-13 * np.abs(parts).sum())
    shorter = NativeKernel(library).sinc_sums(planes, [aperture], *at, *fractions)[0]
    np.testing.assert_array_equal(flux[:, 1:], shorter)


def test_apertures_of_two_modes_are_refused(library):  # noqa: F811
    one, fraction = np.ones(1, np.int64), np.zeros(1)
    apertures = [sinc_aperture(3.0, "exact"), sinc_aperture(3.0, "lanczos5")]
    with pytest.raises(ValueError, match="two modes"):
        NativeKernel(library).sinc_sums(make_planes(1), apertures, one, one, fraction, fraction)


@settings(max_examples=50, deadline=None)
@given(
    seed=SEEDS,
    shape=SHAPES,
    faults=st.sampled_from([0.0, 5e-4]),
    radii=st.lists(st.floats(0.3, 60.0), min_size=1, max_size=6),
)
def test_circle_sums_agree_to_rounding(seed, shape, faults, radii):
    planes, rng = make_planes(seed, shape, faults=faults), np.random.default_rng(seed)
    x, y = positions(rng, shape, 10)
    with np.errstate(all="ignore"):
        native = NativeKernel(loaded()).circle_sums(planes, x, y, radii)
        numpy = NUMPY.circle_sums(planes, x, y, radii)
        rows = absolute(planes)
        # The NumPy kernel takes the difference of running sums along whole rows.
        sums = [np.where(np.isfinite(p), p, 0).sum(dtype=float) for p in (rows.image, rows.variance)]
    for ours, theirs, total in zip(native, numpy, sums, strict=True):
        assert_same(ours, theirs, scale=total)


@settings(max_examples=80, deadline=None)
@given(
    seed=SEEDS,
    shape=SHAPES,
    faults=st.sampled_from([0.0, 5e-4]),
    radii=st.lists(st.floats(0.05, 60.0) | st.sampled_from([0.5, 1.0, 3.0, 12.5]), min_size=1, max_size=6),
)
def test_overlap_sums_agree_to_rounding(seed, shape, faults, radii):
    planes, rng = make_planes(seed, shape, faults=faults), np.random.default_rng(seed)
    x, y = positions(rng, shape, 10)
    with np.errstate(all="ignore"):
        native = NativeKernel(loaded()).overlap_sums(planes, x, y, radii)
        numpy = NUMPY.overlap_sums(planes, x, y, radii)
        rows = absolute(planes)
        sums = [np.where(np.isfinite(p), p, 0).sum(dtype=float) for p in (rows.image, rows.variance)]
    for ours, theirs, total in zip(native, numpy, sums, strict=True):
        # The parts of rim pixels round at 1e-16 of squared radii.
        assert_same(ours, theirs, scale=10.0 * total)


def test_overlaps_in_every_instruction_set(library):  # noqa: F811
    planes, rng = make_planes(3, (200, 210)), np.random.default_rng(4)
    x, y = rng.integers(60, 140, (2, 500)) + rng.choice([0.0, 0.5, 0.25, 1e-9, 0.3], (2, 500))
    radii = (0.5, 1.0, 5.0, 12.3, 49.99999999, 25.0)
    native = NativeKernel(library).overlap_sums(planes, x, y, radii)
    np.testing.assert_allclose(native, NUMPY.overlap_sums(planes, x, y, radii), rtol=1e-9, atol=1e-7)


def test_circles_hold_the_same_pixels_as_in_numpy(library):  # noqa: F811
    """A pixel on the rim is decided by the last bit, so every one is counted."""
    rng = np.random.default_rng(8)
    counts = Planes(
        np.ones((200, 210), np.float32), np.ones((200, 210), np.float32), np.zeros((200, 210), np.int32)
    )
    x, y = rng.integers(60, 140, (2, 2000)) + rng.choice([0.0, 0.5, 0.25, 1e-9, 0.3], (2, 2000))
    radii = (0.5, 1.0, 5.0, 13.0, 25.0, 49.99999999)
    native = NativeKernel(library).circle_sums(counts, x, y, radii)
    np.testing.assert_array_equal(native, NUMPY.circle_sums(counts, x, y, radii))


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, shape=SHAPES)
def test_mask_bits_are_the_same(seed, shape):
    planes, rng = make_planes(seed, shape), np.random.default_rng(seed)
    n = 30
    x, y = positions(rng, shape, n)
    sizes = rng.choice([0.3, 2.0, 30.0, 900.0], (n, 2)) * rng.uniform(0.5, 1.0, (n, 2))
    quadrupole = np.column_stack([sizes, rng.uniform(-0.999, 0.999, n) * np.sqrt(sizes.prod(axis=1))])
    native = NativeKernel(loaded())
    np.testing.assert_array_equal(
        native.ellipse_bits(planes, x, y, quadrupole), NUMPY.ellipse_bits(planes, x, y, quadrupole)
    )
    pixels = pixels_of(x, y)
    np.testing.assert_array_equal(native.centre_bits(planes, *pixels), NUMPY.centre_bits(planes, *pixels))


def everything(planes, n, rows=None, kernel=None):
    """All results of a kernel at n positions, or at some of them, as arrays of (rows, ...)."""
    kernel = kernel or NativeKernel(loaded())
    rng = np.random.default_rng(11)
    x, y = positions(rng, planes.shape, n)
    model = rng.normal(size=(n, 15, 17))
    rows = np.arange(n) if rows is None else rows
    weights, basis = rng.normal(size=(n, 3)), rng.normal(size=(3, 15, 17))
    shifts = rng.uniform(-0.5, 0.5, (2, n))
    combined = CombinedImages(loaded(), weights[rows], basis, *shifts[:, rows])
    model, x, y = model[rows], x[rows], y[rows]
    column, row = pixels_of(x, y)
    with np.errstate(all="ignore"):
        results = []
        for images in (model, combined):
            psf = kernel.psf_sums(planes, images, column - 7, row - 8, bad_bits=4)
            results += [psf.m, psf.mm, psf.m_image, psf.mm_variance, psf.chi2, psf.npixels]
        for shift in ("lanczos5", "exact"):
            apertures = [sinc_aperture(radius, shift) for radius in RADII]
            results += kernel.sinc_sums(planes, apertures, column, row, x - column, y - row)
        results += kernel.circle_sums(planes, x, y, (12.0, 17.0, 40.0))
        results += kernel.overlap_sums(planes, x, y, (3.0, 17.0))
        results.append(kernel.ellipse_bits(planes, x, y, np.tile([9.0, 4.0, 1.0], (len(x), 1))))
        results += kernel.centre_bits(planes, column, row)
    return results


def test_every_instruction_set_agrees_with_numpy(library):  # noqa: F811
    planes = make_planes(12)
    native = everything(planes, 300, kernel=NativeKernel(library))
    for ours, theirs in zip(native, everything(planes, 300, kernel=NUMPY), strict=True):
        # Sums of up to 10^4 numbers of one size, in another order.
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * np.abs(theirs).max())


def test_bits_do_not_depend_on_threads_company_or_order(library, threads):  # noqa: F811
    planes, n = make_planes(10, faults=1e-3), 300
    kernel = NativeKernel(library)
    threads(1)
    alone = [
        np.concatenate(parts) for parts in zip(*(everything(planes, n, [i]) for i in range(n)), strict=True)
    ]
    for limit in (1, 4):
        threads(limit)
        for rows in (np.arange(n), np.arange(n)[::-1]):
            for together, single in zip(everything(planes, n, rows, kernel), alone, strict=True):
                np.testing.assert_array_equal(together, single[rows])


def test_bits_do_not_depend_on_other_callers(threads):  # noqa: F811
    planes = make_planes(10, faults=1e-3)
    expected = everything(planes, 300)
    threads(3)
    with ThreadPoolExecutor(5) as pool:
        for results in pool.map(lambda _: everything(planes, 300), range(10)):
            for ours, theirs in zip(results, expected, strict=True):
                np.testing.assert_array_equal(ours, theirs)


def test_bits_do_not_depend_on_what_lies_around_the_pixels(library):  # noqa: F811
    """A cut-out around a position gives the very sums of the whole image."""
    planes, kernel = make_planes(3), NativeKernel(library)
    part = (slice(20, 115), slice(31, 126))
    cut = Planes(*(plane[part].copy() for plane in (planes.image, planes.variance, planes.mask)))
    x, y = np.array([78.3]), np.array([67.6])
    column, row = pixels_of(x, y)
    apertures = [sinc_aperture(9.0, "lanczos5")]
    model = np.random.default_rng(1).normal(size=(1, 41, 41))

    def measure(planes, column, row, x, y):
        psf = kernel.psf_sums(planes, model, column - 20, row - 20, bad_bits=0)
        sinc = kernel.sinc_sums(planes, apertures, column, row, np.array([0.3]), np.array([-0.4]))
        circle = kernel.circle_sums(planes, x, y, (12.0, 40.0))
        return np.concatenate([psf.m_image, psf.chi2, *np.ravel(sinc)[:, None], *np.ravel(circle)[:, None]])

    whole = measure(planes, column, row, x, y)
    np.testing.assert_array_equal(measure(cut, column - 31, row - 20, x - 31, y - 20), whole)


def test_no_positions_give_no_sums(library):  # noqa: F811
    planes, kernel = make_planes(1), NativeKernel(library)
    none, nowhere = np.zeros(0), np.zeros(0, np.int64)
    assert kernel.psf_sums(planes, np.zeros((0, 5, 5)), nowhere, nowhere, bad_bits=0).m.shape == (0,)
    assert kernel.circle_sums(planes, none, none, (12.0, 17.0))[0].shape == (0, 2)
    assert kernel.circle_sums(planes, np.ones(2), np.ones(2), ())[0].shape == (2, 0)
    sinc = kernel.sinc_sums(planes, [sinc_aperture(3.0, "exact")], nowhere, nowhere, none, none)
    assert sinc[0].shape == (0, 1)
    assert kernel.ellipse_bits(planes, none, none, np.zeros((0, 3))).shape == (0,)


def test_arrays_of_the_wrong_length_do_not_reach_c(library):  # noqa: F811
    planes, kernel = make_planes(1), NativeKernel(library)
    one, two = np.zeros(1, np.int64), np.zeros(2, np.int64)
    short_of_shifts = CombinedImages(library, np.ones((2, 3)), np.ones((3, 5, 5)), np.zeros(2), np.zeros(1))
    for call in (
        lambda: kernel.psf_sums(planes, np.zeros((2, 5, 5)), one, two, bad_bits=0),
        lambda: kernel.psf_sums(planes, short_of_shifts, two, two, bad_bits=0),
        lambda: kernel.sinc_sums(planes, [sinc_aperture(3.0, "exact")], two, one, np.zeros(2), np.zeros(2)),
        lambda: kernel.circle_sums(planes, np.zeros(2), np.zeros(1), (12.0,)),
        lambda: kernel.ellipse_bits(planes, np.zeros(2), np.zeros(2), np.zeros((2, 2))),
        lambda: kernel.centre_bits(planes, one, two),
        lambda: kernel.centre_bits(Planes(planes.image, planes.variance[1:], planes.mask), one, one),
    ):
        with pytest.raises(ValueError, match="was passed where"):
            call()


def test_positions_that_are_no_numbers_neither_crash_nor_reach_others(library):  # noqa: F811
    planes, kernel = make_planes(2), NativeKernel(library)
    x, y = np.array([np.nan, 60.0, np.inf, 1e300]), np.array([60.0, 60.0, -np.inf, np.nan])
    flux, _ = kernel.circle_sums(planes, x, y, (12.0, 17.0))
    np.testing.assert_array_equal(flux[1:2], kernel.circle_sums(planes, x[1:2], y[1:2], (12.0, 17.0))[0])
    kernel.ellipse_bits(planes, x, y, np.array([[np.nan] * 3, [4, 4, 1], [-1, 2, 0], [1, 0, 0]]))


@pytest.mark.parametrize(("count", "words"), [(1, "1 thread"), (3, "3 threads")])
def test_its_name_says_what_it_runs_on(threads, count, words):  # noqa: F811
    threads(count)
    assert NativeKernel(loaded()).name == f"native ({loaded().instruction_set}, {words})"
