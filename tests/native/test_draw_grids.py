"""Grids of points drawn on pixels in C against the NumPy that says what they are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forcedsql.native import images as native_images
from forcedsql.psf.interpolant import LanczosInterpolant
from tests.native.instruction_sets import loaded

pytestmark = pytest.mark.skipif(loaded() is None, reason="forcedsql was installed without its native kernel")

SPECIAL = (0.0, 0.5, -0.5, 1.0, -1.0, 1e-9, -1e-7, 1.0 - 1e-7, 3e-8 - 1.0)


def random_grids(seed, *, count=20, terms=3, size=25):
    rng = np.random.default_rng(seed)
    weights, basis = rng.uniform(0.1, 1.0, (count, terms)), rng.uniform(-0.2, 1.0, (terms, size, size))
    dx, dy = rng.uniform(-1.0, 1.0, (2, count))
    dx[rng.random(count) < 0.3] = rng.choice(SPECIAL)
    dy[rng.random(count) < 0.3] = rng.choice(SPECIAL)
    return weights, basis, dx, dy


def native(library, grids, interpolant, width, valid=None):
    out = np.full((len(grids[0]), width, width), np.nan)
    valid = np.ones(len(out), np.bool_) if valid is None else valid
    order, ripples = interpolant.order, interpolant.ripples
    drawn = native_images.draw_grids(library, *grids, order=order, ripples=ripples, valid=valid, out=out)
    return out, drawn


def assert_drawn(out, grids, interpolant, width):
    weights, basis, dx, dy = grids
    points = np.einsum("nk,khw->nhw", weights, basis)
    along_x, along_y = (
        interpolant.resampling_matrices(d, pixels=width, grid=points.shape[1]) for d in (dx, dy)
    )
    drawn = along_y @ points @ along_x.transpose(0, 2, 1)
    # Sums of products of numbers of order 1, in another order: the same for each pixel and the sum.
    added = (np.abs(along_y) @ np.abs(points) @ np.abs(along_x).transpose(0, 2, 1)).sum(axis=(1, 2))
    total = drawn.sum(axis=(1, 2))
    usable = np.abs(total) > 1e-6 * added
    expected = drawn[usable] / total[usable, None, None]
    error = 1e-13 * (added[usable] / np.abs(total[usable]))[:, None, None]
    assert (np.abs(out[usable] - expected) <= error * (1.0 + np.abs(expected))).all()


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    size=st.integers(1, 40),
    width=st.integers(1, 40),
    order=st.sampled_from([1, 3, 5, 11]),
    conserve_dc=st.booleans(),
)
def test_drawn_grids_agree_to_rounding(seed, size, width, order, conserve_dc):
    grids = random_grids(seed, size=size)
    interpolant = LanczosInterpolant(order, conserve_dc)
    assert_drawn(native(loaded(), grids, interpolant, width)[0], grids, interpolant, width)


@pytest.mark.parametrize(("size", "width"), [(25, 25), (17, 30), (30, 9)])
def test_every_instruction_set_agrees_with_numpy(library, size, width):
    grids, interpolant = random_grids(1, count=40, size=size), LanczosInterpolant(11)
    assert_drawn(native(library, grids, interpolant, width)[0], grids, interpolant, width)


def test_bits_do_not_depend_on_threads_or_company(library, threads):
    weights, basis, dx, dy = random_grids(2, count=200)
    interpolant = LanczosInterpolant(11)

    def drawn(rows):
        return native(library, (weights[rows], basis, dx[rows], dy[rows]), interpolant, 25)[0]

    threads(1)
    alone = np.concatenate([drawn(slice(i, i + 1)) for i in range(200)])
    for limit in (1, 3):
        threads(limit)
        np.testing.assert_array_equal(drawn(slice(None)), alone)


def test_an_image_without_a_sum_is_zero_and_invalid(library):
    weights, basis, dx, dy = random_grids(3, count=4)
    weights[1] = 0.0
    weights[2] = np.nan
    valid = np.array([True, True, True, False])
    out, drawn = native(library, (weights, basis, dx, dy), LanczosInterpolant(5), 25, valid)
    assert drawn.tolist() == [True, False, False, False]
    assert not out[1:].any()
    assert out[0].sum() == pytest.approx(1.0)


def test_an_order_that_is_none_does_not_reach_c(library):
    options = {"order": 0, "ripples": (), "valid": np.ones(4, np.bool_), "out": np.zeros((4, 5, 5))}
    with pytest.raises(ValueError, match="at least 1, not 0"):
        native_images.draw_grids(library, *random_grids(1, count=4), **options)
