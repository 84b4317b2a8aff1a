"""Solving the normal equations of a joint fit: fluxes, their errors, and what is not determined.

Fluxes come from SuperLU.  Errors need the diagonal of ``N^-1 W N^-1`` exactly, though only that:
with the sources in blocks of which only neighbours overlap, one elimination forwards and one
recursion backwards give it from dense matrices of a block's size (the recursive Green's function
of Svizhenko et al. 2002, J. Appl. Phys. 91, 2343; for ``N^-1`` alone Takahashi, Fagan & Chen
1973, Proc. 8th PICA Conf., 63).  Here ``N^-1 W N^-1`` is obtained as the derivative of that
recursion for ``N^-1`` in the direction ``-W``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.linalg.lapack import dpotrf, dpotri, dpstrf

from forcedsql.arrays import BoolArray, FloatArray, IntArray
from forcedsql.measure.blend_groups import BlendGroups, Blocks, block_ranges
from forcedsql.measure.joint_equations import BackgroundTerms, NormalEquations, SparseMatrix

WEAKEST_PIVOT = 1e-10
"""Part of a stamp's square that must be independent of the stamps before it.

Two Gaussian PSFs come below it when they are less than 1.4e-5 sigma apart.
"""

_PART_OF_A_RELATION = 1e-3
"""Least coefficient that counts of a stamp in a linear relation; the solver's rounding is far below."""

_COLUMNS = 64
"""Right-hand sides that are solved for together, which bounds the memory."""

Range = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Solution:
    """Fluxes of n sources.

    Parameters
    ----------
    flux, variance : ndarray, (n,) float64
        Meaningful where not `degenerate`; a source that was left out has flux 0, and those that
        it is a combination of carry its light.
    degenerate : ndarray, (n,) bool
        The data do not determine this flux, only sums of it and others.
    background, background_variance : ndarray, (groups,) float64
        The constant of each group; 0 where none was fitted.
    """

    flux: FloatArray
    variance: FloatArray
    degenerate: BoolArray
    background: FloatArray
    background_variance: FloatArray


def solve(
    equations: NormalEquations,
    groups: BlendGroups,
    blocks: Blocks,
    background: BackgroundTerms | None = None,
) -> Solution:
    """Solve the normal equations of all groups.

    Sources whose stamps are a combination of others' are left out, so that the rest is independent.
    They, and the others of the combination, are degenerate; sources that have no
    part in it are estimated as if nothing had happened (estimable functions: Searle 1971,
    *Linear Models*, ch. 5).

    Parameters
    ----------
    equations : NormalEquations
    groups : BlendGroups
    blocks : Blocks
        See `forcedsql.measure.blend_groups.ordered_blocks`.
    background : BackgroundTerms, optional
        Fits a constant in every group.
    """
    scale = 1.0 / np.sqrt(equations.gram.diagonal())
    gram, noise = (_scaled(matrix, scale, blocks.order) for matrix in (equations.gram, equations.noise))
    ranges = block_ranges(blocks)
    kept, ranges = _without(_dependent(gram, ranges), ranges)
    solver = _Solver(gram[kept][:, kept], noise[kept][:, kept], ranges)
    involved = _involved(solver, gram, kept)
    own = blocks.order[kept]
    answer = _fluxes(solver, scale[own], equations.data[own])
    constants = np.zeros((2, len(groups.size)))
    if background is not None:
        answer, constants = _with_background(solver, answer, own, scale[own], groups.label[own], background)
    flux, variance = np.zeros((2, len(scale)))
    flux[own], variance[own] = answer
    degenerate = np.zeros(len(scale), np.bool_)
    degenerate[blocks.order[involved]] = True
    degenerate |= ~(np.isfinite(flux) & np.isfinite(variance))
    if background is None:
        _solve_singles(equations, groups, flux, variance)
    return Solution(flux, variance, degenerate, *constants)


def _scaled(matrix: SparseMatrix, scale: FloatArray, order: IntArray) -> SparseMatrix:
    """Return a matrix in another order, for stamps of unit square."""
    from scipy.sparse import csr_array, diags_array  # noqa: PLC0415 - slow to import

    factor = diags_array(scale)
    return csr_array((factor @ matrix @ factor)[order][:, order])


def _solve_singles(
    equations: NormalEquations, groups: BlendGroups, flux: FloatArray, variance: FloatArray
) -> None:
    """Write the closed form of base_PsfFlux, equal to it to the last bit, where a source is alone."""
    alone = groups.size[groups.label] == 1
    gram, noise = equations.gram.diagonal()[alone], equations.noise.diagonal()[alone]
    flux[alone] = equations.data[alone] / gram
    variance[alone] = (np.sqrt(noise) / gram) ** 2


def _dependent(gram: SparseMatrix, ranges: list[Range]) -> BoolArray:
    """Tell, in block order, which stamps are a combination of those before them."""
    dependent = np.zeros(gram.shape[0], np.bool_)
    inherited: FloatArray | None = None
    for k, (start, stop) in enumerate(ranges):
        schur = gram[start:stop, start:stop].toarray()
        if inherited is not None:
            schur -= inherited
        factor, weak = _independent_factor(schur)
        dependent[start + weak] = True
        inherited = None
        links = _links(gram, gram, ranges, k)
        if links is not None:
            inverse = _inverse(factor)
            inverse[weak] = inverse[:, weak] = 0.0
            inherited = _between(links[0], inverse, links[0])
    return dependent


def _independent_factor(schur: FloatArray) -> tuple[FloatArray, IntArray]:
    """Return the Cholesky factor of a matrix, its dependent rows replaced by the identity's."""
    factor, failed = dpotrf(schur, lower=1)
    weak = np.empty(0, np.int64)
    if failed or (np.square(np.diagonal(factor)) < WEAKEST_PIVOT).any():
        # Largest pivot first: what is left at the end is a combination of what came before.
        _, order, rank, _ = dpstrf(schur, tol=WEAKEST_PIVOT, lower=1)
        if np.diagonal(schur).max() < WEAKEST_PIVOT:
            rank = 0  # LAPACK takes the first pivot whatever it is.
        weak = np.sort(order[rank:] - 1).astype(np.int64)
        schur[weak] = schur[:, weak] = 0.0
        schur[weak, weak] = 1.0
        factor, _ = dpotrf(schur, lower=1)
    return factor, weak


def _without(dropped: BoolArray, ranges: list[Range]) -> tuple[IntArray, list[Range]]:
    """Return what is left in block order, and the ranges of the blocks then."""
    left = np.concatenate([[0], np.cumsum(~dropped)])
    shrunk = [(int(left[start]), int(left[stop])) for start, stop in ranges]
    return np.flatnonzero(~dropped), [(start, stop) for start, stop in shrunk if start < stop]


def _involved(solver: "_Solver", gram: SparseMatrix, kept: IntArray) -> BoolArray:
    """Tell, in block order, which sources have a part in a linear relation between stamps."""
    involved = np.ones(gram.shape[0], np.bool_)
    involved[kept] = False
    dropped = np.flatnonzero(involved)
    for start in range(0, len(dropped), _COLUMNS):
        columns = gram[kept][:, dropped[start : start + _COLUMNS]].toarray()
        involved[kept] |= (np.abs(solver.solve(columns)) > _PART_OF_A_RELATION).any(axis=1)
    return involved


def _links(
    gram: SparseMatrix, noise: SparseMatrix, ranges: list[Range], k: int
) -> tuple[SparseMatrix, SparseMatrix] | None:
    """Return the parts of N and W between blocks k and k + 1, or None if they do not overlap."""
    if k + 1 == len(ranges):
        return None
    (start, stop), (after, end) = ranges[k], ranges[k + 1]
    link, link_noise = (matrix[start:stop, after:end] for matrix in (gram, noise))
    return (link, link_noise) if link.nnz else None


def _between(left: SparseMatrix, symmetric: FloatArray, right: SparseMatrix) -> FloatArray:
    """Return ``left^T symmetric right`` of sparse matrices around a dense one."""
    return np.asarray(left.T @ (right.T @ symmetric).T)


def _inverse(factor: FloatArray) -> FloatArray:
    """Return the inverse of a matrix of which the lower Cholesky factor is given."""
    lower, _ = dpotri(factor, lower=1)
    inverse: FloatArray = np.tril(lower) + np.tril(lower, -1).T
    return inverse


class _Solver:
    """A factorised N, scaled to unit diagonal and in block order."""

    def __init__(self, gram: SparseMatrix, noise: SparseMatrix, ranges: list[Range]) -> None:
        from scipy.sparse.linalg import splu  # noqa: PLC0415 - slow to import

        self.gram, self.noise, self.ranges = gram, noise, ranges
        symmetric = {"SymmetricMode": True}
        self._lu: Any = (
            splu(gram.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=symmetric)
            if gram.shape[0]
            else None
        )

    def solve(self, right: FloatArray) -> FloatArray:
        """Return ``N^-1 right``, (n,) or (n, m) float64 as `right`."""
        return np.asarray(self._lu.solve(right), np.float64) if self._lu is not None else right

    def variances(self) -> FloatArray:
        """Return the diagonal of ``N^-1 W N^-1``, (n,) float64.

        With Y and T of a `_Step`, B and B' its links in N and W, and Z, C the blocks of the inverse
        and of the covariance that belong to the next block, those of this one are
        ``Y + Y B Z B^T Y`` and ``Y (T + M + M^T + B C B^T) Y``, where
        ``M = T Y B Z B^T - B' Z B^T``.
        """
        variances = np.empty(self.gram.shape[0])
        after_inverse = after_covariance = np.empty((0, 0))
        for (start, stop), step in zip(reversed(self.ranges), reversed(self._eliminate()), strict=True):
            inverse, inner = step.inverse, step.noise
            if step.links is not None:
                link, link_noise = (matrix.T for matrix in step.links)
                spread = _between(link, after_inverse, link)
                mixed = step.noise @ inverse @ spread - _between(link_noise, after_inverse, link)
                inner = inner + mixed + mixed.T + _between(link, after_covariance, link)
                inverse = inverse + inverse @ spread @ inverse
            after_inverse, after_covariance = inverse, step.inverse @ inner @ step.inverse
            variances[start:stop] = np.diagonal(after_covariance)
        return variances

    def _eliminate(self) -> list["_Step"]:
        """Eliminate the blocks forwards, and carry the derivative in the direction W along."""
        steps: list[_Step] = []
        for k, (start, stop) in enumerate(self.ranges):
            schur, noise = (m[start:stop, start:stop].toarray() for m in (self.gram, self.noise))
            before = steps[-1] if steps else None
            if before is not None and before.links is not None:
                link, link_noise = before.links
                crossed = _between(link_noise, before.inverse, link)
                covariance = before.inverse @ before.noise @ before.inverse
                schur -= _between(link, before.inverse, link)
                noise += _between(link, covariance, link) - crossed - crossed.T
            factor, _ = dpotrf(schur, lower=1)
            links = _links(self.gram, self.noise, self.ranges, k)
            steps.append(_Step(_inverse(factor), noise, links))
        return steps


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """One block after the elimination of those before it.

    Parameters
    ----------
    inverse : ndarray, (m, m) float64
        Y, the inverse of its Schur complement in N.
    noise : ndarray, (m, m) float64
        T, the derivative of the Schur complement in the direction W.
    links : (scipy.sparse.csr_array, scipy.sparse.csr_array), (m, m') float64, or None
        B and B', what links it to the next block in N and in W; None if nothing does.
    """

    inverse: FloatArray
    noise: FloatArray
    links: tuple[SparseMatrix, SparseMatrix] | None


def _fluxes(solver: _Solver, scale: FloatArray, data: FloatArray) -> tuple[FloatArray, FloatArray]:
    flux = scale * solver.solve(scale * data)
    return flux, scale**2 * solver.variances()


def _with_background(
    solver: _Solver,
    answer: tuple[FloatArray, FloatArray],
    own: IntArray,
    scale: FloatArray,
    label: IntArray,
    terms: BackgroundTerms,
) -> tuple[tuple[FloatArray, FloatArray], FloatArray]:
    """Add a constant per group to fluxes solved without it.

    The constant borders N with a row, which block elimination removes: with q the fluxes that a
    background of 1 alone would give, the background is ``(t - q.r) / (p - q.u)``, of group sums
    p, t and stamp sums u, and every flux loses q times it.
    """
    flux, variance = answer
    count = len(terms.pixels)

    def group_sum(values: FloatArray) -> FloatArray:
        return np.bincount(label, weights=values, minlength=count).astype(np.float64)

    stamp, stamp_noise = scale * terms.stamp[own], scale * terms.stamp_noise[own]
    response = solver.solve(stamp)
    spread = solver.noise @ response
    left = terms.pixels - group_sum(response * stamp)
    with np.errstate(divide="ignore", invalid="ignore"):
        # The group's stamps add up to a constant: no background can be told from them.
        left = np.where(left > WEAKEST_PIVOT * terms.pixels, left, np.nan)
        constant = (terms.data - group_sum(flux / scale * stamp)) / left
        own_noise = (group_sum(response * (spread - 2.0 * stamp_noise)) + terms.noise) / left**2
    crossed = solver.solve(spread - stamp_noise)
    share = scale * response
    corrected = variance + 2.0 * share * scale * crossed / left[label] + share**2 * own_noise[label]
    return (flux - share * constant[label], corrected), np.stack([constant, own_noise])
