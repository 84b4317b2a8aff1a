"""Fluxes of overlapping sources, fitted together at fixed positions.

The model of the image is the sum of the PSF stamps of all sources, each times its flux; the fluxes
are those of unweighted least squares over the pixels of the stamps.  A source that overlaps no
other has the numbers of base_PsfFlux.
"""

from dataclasses import dataclass, field, replace

import numpy as np

from forcedsql.arrays import AnyArray, BoolArray, Float32Array, FloatArray, IntArray
from forcedsql.exposure import Exposure
from forcedsql.geometry import Box
from forcedsql.measure.blend_groups import BlendGroups, blend_groups, ordered_blocks, overlapping_pairs
from forcedsql.measure.joint_equations import background_terms, normal_equations, painted_groups
from forcedsql.measure.joint_solver import Solution, solve
from forcedsql.measure.joint_stamps import PsfStamps, StampFaults, UsablePixels, make_stamps, usable_pixels

SAME_SOURCE = 0.1
"""Pixels within which a neighbour is taken for the position itself and not fitted beside it."""

_SIZE_SAMPLE = 16
"""PSF images that say how far off the image a source may be and still reach it."""


@dataclass(frozen=True, slots=True, eq=False)
class JointFit:
    """Fluxes of n positions fitted together with their neighbours.

    Parameters
    ----------
    flux, error : ndarray, (n,) float64, unit of the image
        NaN where a flag says why.
    npixels : ndarray, (n,) int64
        Pixels of each stamp that entered the fit.
    blend_id : ndarray, (n,) int64
        Row of the first position of the group; -1 where a position took no part.
    blend_size : ndarray, (n,) int64
        Sources in the group, neighbours included; 0 where a position took no part.
    background, background_error : ndarray, (n,) float64, unit of the image
        The constant fitted in the group; 0 where none was asked for, NaN where a position took
        no part.
    on_image : ndarray, (n,) bool
        The position lies on a pixel of the image.  One that does not has no flux, but where its
        stamp reaches the image it is fitted for the sake of the others.
    degenerate : ndarray, (n,) bool
        The data determine only the sum of this flux and others: two rows at one place, for
        example.
    faults : StampFaults
    residual : ndarray, (ny, nx) float32, unit of the image, or None
        The image minus the model, neighbours included.
    """

    flux: FloatArray
    error: FloatArray
    npixels: IntArray
    blend_id: IntArray
    blend_size: IntArray
    background: FloatArray
    background_error: FloatArray
    on_image: BoolArray
    degenerate: BoolArray
    faults: StampFaults
    residual: Float32Array | None = field(default=None)


def fit_jointly(
    exposure: Exposure,
    x: FloatArray,
    y: FloatArray,
    *,
    neighbours: tuple[FloatArray, FloatArray] | None = None,
    bad_mask_planes: tuple[str, ...] = (),
    background: bool = False,
    residual: bool = False,
) -> JointFit:
    """Fit the fluxes of all positions whose PSF stamps overlap together.

    Parameters
    ----------
    exposure : Exposure
    x, y : ndarray, (n,) float64, pixel
        Parent coordinates; NaN for none.
    neighbours : (ndarray (m,) float64, ndarray (m,) float64), optional
        Parent coordinates x, y of further sources, fitted but not reported.  One within
        `SAME_SOURCE` of a position is that position.
    bad_mask_planes : tuple of str
        Pixels with one of these mask planes are left out.
    background : bool
        Fit a constant in every group.
    residual : bool
        Make the residual image too.

    Raises
    ------
    ConfigError
        If `bad_mask_planes` names a plane that the exposure does not have.
    UnsupportedError
        If the exposure has a PSF of a class that no decoder knows.
    TableError
        If the positions overlap in more pairs than fit into memory.

    Notes
    -----
    Pixels whose image or variance is not finite, or whose variance is negative, are left out of
    the stamps that hold them (`StampFaults.bad_pixels`): the others still determine the fluxes.
    The errors are those of unweighted least squares under the variance plane,
    ``diag((A^T A)^-1 A^T V A (A^T A)^-1)``, covariances with all neighbours included.
    """
    exposure.require_supported("psf")
    sources = _distinct_sources(x, y, neighbours)
    pixels = usable_pixels(exposure, bad_mask_planes)
    with np.errstate(all="ignore"):
        stamps, faults = _stamps_in_reach(exposure, pixels, sources)
        groups, solution = _fit(stamps, pixels, background=background)
        fit = _by_row(sources, stamps, faults, groups, solution, exposure)
    if not residual:
        return fit
    return replace(fit, residual=_residual(exposure, pixels, stamps, groups, solution))


@dataclass(frozen=True, slots=True, eq=False)
class _Sources:
    """Distinct places to fit a source at, and which of them each row is.

    Parameters
    ----------
    x, y : ndarray, (sources,) float64, pixel
    of_row : ndarray, (n,) int64
        Source of each position; -1 for a position that is no place.
    rows : ndarray, (sources,) int64
        How many positions each source is.
    """

    x: FloatArray
    y: FloatArray
    of_row: IntArray
    rows: IntArray


def _distinct_sources(
    x: FloatArray, y: FloatArray, neighbours: tuple[FloatArray, FloatArray] | None
) -> _Sources:
    placed = np.flatnonzero(np.isfinite(x) & np.isfinite(y))
    places, source = np.unique(np.stack([x[placed], y[placed]], axis=1), axis=0, return_inverse=True)
    of_row = np.full(len(x), -1, np.int64)
    of_row[placed] = source.reshape(-1)
    rows = np.bincount(of_row[placed], minlength=len(places))
    if neighbours is not None:
        others = np.stack(neighbours, axis=1)
        others = np.unique(others[np.isfinite(others).all(axis=1)], axis=0)
        if len(places) and len(others):
            from scipy.spatial import cKDTree  # noqa: PLC0415 - slow to import

            distance, _ = cKDTree(places).query(others, distance_upper_bound=SAME_SOURCE)
            others = others[~np.isfinite(distance)]
        places = np.concatenate([places, others])
        rows = np.concatenate([rows, np.zeros(len(others), np.int64)])
    return _Sources(places[:, 0], places[:, 1], of_row, rows)


def _stamps_in_reach(
    exposure: Exposure, pixels: UsablePixels, sources: _Sources
) -> tuple[PsfStamps, StampFaults]:
    """Make the stamps of all sources that may have a pixel on the image."""
    on_image = np.flatnonzero(exposure.bbox.contains(sources.x, sources.y))
    near = on_image
    if exposure.psf is not None and len(on_image):
        some = on_image[:_SIZE_SAMPLE]
        sample = exposure.psf.images(sources.x[some], sources.y[some])
        margin = int(max(sample.width.max(), sample.height.max()))
        box = exposure.bbox
        reach = Box(box.x0 - margin, box.y0 - margin, box.width + 2 * margin, box.height + 2 * margin)
        near = np.flatnonzero(reach.contains(sources.x, sources.y))
    stamps, found = make_stamps(exposure, pixels, sources.x[near], sources.y[near])
    faults = found.spread(near, len(sources.x))
    return replace(stamps, source=near[stamps.source]), faults


def _fit(stamps: PsfStamps, pixels: UsablePixels, *, background: bool) -> tuple[BlendGroups, Solution]:
    first, second = overlapping_pairs(stamps.boxes)
    groups = blend_groups(len(stamps), first, second)
    equations = normal_equations(stamps, pixels, first, second)
    blocks = ordered_blocks(groups, first, second, stamps.x0, stamps.y0)
    terms = background_terms(stamps, pixels, groups) if background else None
    return groups, solve(equations, groups, blocks, terms)


def _by_row(
    sources: _Sources,
    stamps: PsfStamps,
    faults: StampFaults,
    groups: BlendGroups,
    solution: Solution,
    exposure: Exposure,
) -> JointFit:
    """Hand the stamps' numbers to the rows that they belong to."""
    stamp_of_source = np.full(len(sources.x) + 1, -1, np.int64)
    stamp_of_source[stamps.source] = np.arange(len(stamps))
    placed = sources.of_row >= 0
    on_image = placed.copy()
    on_image[placed] = exposure.bbox.contains(sources.x, sources.y)[sources.of_row[placed]]
    stamp = np.where(on_image, stamp_of_source[sources.of_row], -1)
    fitted = np.flatnonzero(stamp >= 0)
    stamp = stamp[fitted]
    label = groups.label[stamp]
    _, first_row, which = np.unique(label, return_index=True, return_inverse=True)
    degenerate = solution.degenerate[stamp] | (sources.rows[sources.of_row[fitted]] > 1)

    def spread(values: AnyArray, blank: float) -> AnyArray:
        column = np.full(len(sources.of_row), blank, values.dtype)
        column[fitted] = values
        return column

    return JointFit(
        flux=spread(np.where(degenerate, np.nan, solution.flux[stamp]), np.nan),
        error=spread(np.where(degenerate, np.nan, np.sqrt(solution.variance[stamp])), np.nan),
        npixels=spread(stamps.sums.npixels[stamp], 0),
        blend_id=spread(fitted[first_row[which]], -1),
        blend_size=spread(groups.size[label], 0),
        background=spread(solution.background[label], np.nan),
        background_error=spread(np.sqrt(solution.background_variance[label]), np.nan),
        on_image=on_image,
        degenerate=spread(degenerate, 0),
        faults=faults.of_rows(sources.of_row[placed]).spread(np.flatnonzero(placed), len(placed)),
    )


def _residual(
    exposure: Exposure, pixels: UsablePixels, stamps: PsfStamps, groups: BlendGroups, solution: Solution
) -> Float32Array:
    """Return the image minus the fitted model; pixels that were left out keep their values."""
    residual = exposure.image.astype(np.float64).reshape(-1)
    columns = pixels.planes.shape[1]
    if solution.background.any():
        group = painted_groups(stamps, pixels, groups)
        residual[group >= 0] -= np.nan_to_num(solution.background)[group[group >= 0]]
    flux = np.nan_to_num(solution.flux)
    for part in stamps.batches():
        used = stamps.used_pixels(pixels, part)
        model = flux[part, None, None] * stamps.values[part]
        np.subtract.at(residual, stamps.places(columns, part)[used], model[used])
    return residual.reshape(exposure.image.shape).astype(np.float32)
