"""The block solver against dense algebra, on matrices that no image need make."""

from itertools import pairwise

import numpy as np
from scipy.sparse import csr_array

from forcedsql.measure.blend_groups import BlendGroups, Blocks
from forcedsql.measure.joint_equations import NormalEquations
from forcedsql.measure.joint_solver import solve


def chain(sizes, rng, *, dependent=()):
    """A block-tridiagonal pair N, W of stamps that overlap within and between neighbouring blocks."""
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    count, pixels = bounds[-1], 60
    stamps = np.zeros((pixels * (len(sizes) + 1), count))
    for k, (start, stop) in enumerate(pairwise(bounds)):
        stamps[k * pixels : (k + 2) * pixels, start:stop] = rng.normal(size=(2 * pixels, stop - start))
    for copy, original in dependent:
        stamps[:, copy] = stamps[:, original]
    variance = rng.uniform(0.5, 4.0, len(stamps))
    data = stamps @ rng.normal(size=count) + rng.normal(size=len(stamps))
    equations = NormalEquations(
        csr_array(stamps.T @ stamps), csr_array(stamps.T @ (variance[:, None] * stamps)), stamps.T @ data
    )
    groups = BlendGroups(np.zeros(count, np.int64), np.array([count]))
    return equations, groups, Blocks(np.arange(count), bounds), stamps, variance, data


def test_fluxes_and_variances_of_a_chain_of_blocks_are_those_of_dense_algebra():
    rng = np.random.default_rng(2)
    equations, groups, blocks, stamps, variance, data = chain([7, 12, 1, 20, 5], rng)
    solution = solve(equations, groups, blocks)
    inverse = np.linalg.pinv(stamps)
    np.testing.assert_allclose(solution.flux, inverse @ data, rtol=1e-10)
    np.testing.assert_allclose(solution.variance, np.square(inverse) @ variance, rtol=1e-10)
    assert not solution.degenerate.any()


def test_a_block_of_nothing_but_copies_is_left_out_whole():
    rng = np.random.default_rng(3)
    # Block 1 holds copies of sources 0 and 3, which are in block 0.
    equations, groups, blocks, stamps, variance, data = chain([5, 2, 6], rng, dependent=[(5, 0), (6, 3)])
    solution = solve(equations, groups, blocks)
    assert np.flatnonzero(solution.degenerate).tolist() == [0, 3, 5, 6]
    rest = np.delete(np.arange(13), [0, 3, 5, 6])
    inverse = np.linalg.pinv(np.delete(stamps, [5, 6], axis=1))
    kept = np.delete(np.arange(13), [5, 6])
    flux, error = np.zeros(13), np.zeros(13)
    flux[kept], error[kept] = inverse @ data, np.square(inverse) @ variance
    np.testing.assert_allclose(solution.flux[rest], flux[rest], rtol=1e-10)
    np.testing.assert_allclose(solution.variance[rest], error[rest], rtol=1e-10)
    # One of each pair has the light of both.
    assert sorted(np.flatnonzero(solution.flux == 0.0)) == [5, 6]
    np.testing.assert_allclose(solution.flux[[0, 3]], flux[[0, 3]], rtol=1e-10)


def test_a_copy_in_a_linear_relation_of_three_marks_all_three():
    rng = np.random.default_rng(4)
    equations, groups, blocks, stamps, _, _ = chain([8], rng)
    stamps[:, 7] = 0.5 * stamps[:, 1] - 2.0 * stamps[:, 2]
    equations = NormalEquations(
        csr_array(stamps.T @ stamps), csr_array(stamps.T @ stamps), stamps.T @ rng.normal(size=len(stamps))
    )
    assert np.flatnonzero(solve(equations, groups, blocks).degenerate).tolist() == [1, 2, 7]
