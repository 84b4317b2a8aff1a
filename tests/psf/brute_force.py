"""Definitions written out pixel by pixel in plain Python: shifts, moments, and PSFs that are drawn."""

import math

import numpy as np
from scipy.special import sici


def lanczos5(t):
    """Lanczos kernel of order 5, not truncated."""
    return 1.0 if abs(math.pi * t) <= 1e-5 else float(np.sinc(t) * np.sinc(t / 5))


def shift_line(line, fraction):
    """Move a list of pixel values by a fraction of a pixel; beyond its ends all is zero."""
    offsets = range(-5, 5) if fraction > 0 else range(-4, 6)
    weights = [lanczos5(d + fraction) for d in offsets]
    total = sum(weights)
    n = len(line)
    return [
        sum(w / total * line[i + d] for d, w in zip(offsets, weights, strict=True) if 0 <= i + d < n)
        for i in range(n)
    ]


def shift_image(image, dx, dy):
    """Move an image along both axes, one line at a time."""
    rows = np.array([shift_line(list(row), dx) for row in image])
    return np.array([shift_line(list(column), dy) for column in rows.T]).T


class NoSolutionError(Exception):
    """The weighted moments have no solution."""


def adaptive_moments(image, cx, cy):
    """Adaptive moments (xx, yy, xy) of one image, in double precision (meas_base src/SdssShape.cc)."""
    state = {"box": None, "subpixel": False}
    try:
        xx, xy, yy = _iterate(image, cx, cy, state)
    except NoSolutionError:
        m0, xx, xy, yy = _sums(image, cx, cy, state["box"], (0.0, 0.0, 0.0), state["subpixel"])
        if m0 <= 0:
            return (math.nan,) * 3
        if xx <= 0 or yy <= 0:
            return 1 / 12, 1 / 12, 0.0
        xx, xy, yy = xx / m0, xy / m0, yy / m0
    return xx, yy, xy


def _iterate(image, cx, cy, state):
    weight, inverse, old = (1.5, 0.0, 1.5), None, None
    iteration = 0
    while iteration < 100:
        radius = min(4 * math.sqrt(max(weight[0], weight[2])), 1000)
        state["box"] = math.floor(radius + 0.5)
        previous, inverse = inverse, _invert(weight)
        determinant = weight[0] * weight[2] - weight[1] ** 2
        if (min(weight[0], weight[2]) < 0.25 or determinant < 0.0625) and not state["subpixel"]:
            state["subpixel"] = True
            if iteration > 0:
                inverse, old = previous, None
                iteration -= 1
        m0, *second = _sums(image, cx, cy, state["box"], inverse, state["subpixel"])
        if m0 <= 0 or second[0] <= 0 or second[2] <= 0:
            raise NoSolutionError
        s = tuple(value / m0 for value in second)
        new = ((s[0] - s[2]) / (s[0] + s[2]), 2 * s[1] / (s[0] + s[2]), s[0])
        if iteration > 0 and old is not None and _close(new, old):
            return weight
        old = new
        weight = _invert(tuple(a - b for a, b in zip(_invert(s), inverse, strict=True)))
        if weight[0] <= 0 or weight[2] <= 0:
            raise NoSolutionError
        iteration += 1
    raise NoSolutionError


def _close(new, old):
    return abs(new[0] - old[0]) < 1e-5 and abs(new[1] - old[1]) < 1e-5 and abs(new[2] / old[2] - 1) < 1e-4


def _invert(matrix):
    xx, xy, yy = matrix
    determinant = xx * yy - xy * xy
    if not determinant >= np.finfo(np.float32).eps:
        raise NoSolutionError
    return yy / determinant, -xy / determinant, xx / determinant


def _sums(image, cx, cy, box, inverse, subpixel):
    steps = (-0.375, -0.125, 0.125, 0.375) if subpixel else (0.0,)
    limit = 9.0 if subpixel else 14.0
    totals = [0.0] * 4

    def exponent(x, y):
        return x * x * inverse[0] + 2 * x * y * inverse[1] + y * y * inverse[2]

    for j in range(max(cy - box, 0), min(cy + box, image.shape[0] - 1) + 1):
        for i in range(max(cx - box, 0), min(cx + box, image.shape[1] - 1) + 1):
            corners = [
                exponent(i - cx + a, j - cy + b) for a in {steps[0], steps[-1]} for b in {steps[0], steps[-1]}
            ]
            if max(corners) > limit:
                continue
            for b in steps:
                for a in steps:
                    x, y = i - cx + a, j - cy + b
                    weighted = image[j, i] * math.exp(-0.5 * exponent(x, y))
                    for k, power in enumerate((1.0, x * x, x * y, y * y)):
                        totals[k] += weighted * power
    return totals


def lanczos_of_galsim(t, order):
    """GalSim's Lanczos interpolant with conserve_dc, from its published formula."""
    if abs(t) >= order:
        return 0.0
    plain = float(np.sinc(t) * np.sinc(t / order))

    def si_term(v):
        return v * float(sici(math.pi * v)[0])

    series = 1.0
    for j in range(1, 6):
        above, below = order * (2 * j + 1), order * (2 * j - 1)
        k = (si_term(below - 1) - si_term(below + 1) - si_term(above - 1) + si_term(above + 1)) / (
            2 * math.pi
        )
        series -= 2 * k * (1 - math.cos(2 * math.pi * j * t))
    return plain / series


def piff_image(points, x, y, *, width, order, step=1.0, kernel=False):
    """One Piff stamp and its (x0, y0), one pixel and one grid point at a time.

    ``points`` are the grid's values at (x, y), as rows; ``step`` is grid steps per pixel.
    """
    size = len(points)

    def place(position):
        if kernel:
            return (width - 1) / 2 - width // 2, -(width // 2)
        drawn_on = math.ceil(position - 0.5) if width % 2 else math.ceil(position)
        return position - drawn_on, math.floor(position + 0.5) - width // 2

    def weights(fraction):
        return [
            [
                lanczos_of_galsim(step * (i - width // 2 - fraction) - (g - size // 2), order)
                for g in range(size)
            ]
            for i in range(width)
        ]

    (fx, x0), (fy, y0) = place(x), place(y)
    wx, wy = weights(fx), weights(fy)
    image = np.zeros((width, width))
    for j in range(width):
        for i in range(width):
            for gy in range(size):
                for gx in range(size):
                    image[j, i] += points[gy][gx] * wx[i][gx] * wy[j][gy]
    return image / image.sum(), (x0, y0)


def psfex_resample(image, size, offset, pixel_step):
    """Rows of an oversampled image resampled along x alone, in double precision."""
    step = float(np.float32(1) / np.float32(pixel_step))
    elements = image.shape[1]
    out = np.zeros((len(image), size))
    for i in range(size):
        centre = elements // 2 - offset * step + (i - size // 2) * step
        if not 0 <= centre <= elements - 1:
            continue
        taps = [e for e in range(int(centre) - 6, int(centre) + 6) if 0 <= e < elements]
        weights = [lanczos5(e - centre) if abs(e - centre) <= 5 else 0.0 for e in taps]
        for e, weight in zip(taps, weights, strict=True):
            out[:, i] += weight / sum(weights) * image[:, e]
    return out
