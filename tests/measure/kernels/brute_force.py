"""Every sum of a kernel written out pixel by pixel, as the specification words it."""

import math

import numpy as np


def psf_sums(planes, model, x0, y0, bad_bits):
    rows, columns = planes.shape
    m, image, variance = [], [], []
    for j in range(model.shape[0]):
        for i in range(model.shape[1]):
            row, column = y0 + j, x0 + i
            inside = 0 <= row < rows and 0 <= column < columns
            if inside and not planes.mask[row, column] & bad_bits:
                m.append(model[j, i])
                image.append(float(planes.image[row, column]))
                variance.append(float(planes.variance[row, column]))
    m, image, variance = np.array(m), np.array(image), np.array(variance)
    with np.errstate(all="ignore"):
        flux = np.float64(np.sum(m * image)) / np.sum(m * m)
        chi2 = np.sum((image - flux * m) ** 2 / variance)
        return {
            "m": np.sum(m),
            "mm": np.sum(m * m),
            "m_image": np.sum(m * image),
            "mm_variance": np.sum(m * m * variance),
            "chi2": chi2 if len(m) else np.nan,
            "npixels": len(m),
        }


def circle_pixels(x, y, radius):
    pixels = []
    for row in range(math.floor(y - radius) - 1, math.ceil(y + radius) + 2):
        squared = radius * radius - (row - y) ** 2
        if squared >= 0:
            half = math.sqrt(squared)
            pixels += [(row, c) for c in range(math.ceil(x - half), math.floor(x + half) + 1)]
    return pixels


def circle_sums(planes, x, y, radius):
    pixels = circle_pixels(x, y, radius)
    with np.errstate(all="ignore"):
        return (
            np.sum([np.float64(planes.image[p]) for p in pixels]),
            np.sum([np.float64(planes.variance[p]) for p in pixels]),
        )


def lanczos5_shift(vector, fraction):
    """Shift with afw's unbuffered kernel; elements whose taps leave the vector stay as they are."""
    first = -5 if fraction > 0 else -4
    taps = np.arange(first, first + 10)
    weights = np.sinc(taps + fraction) * np.sinc((taps + fraction) / 5)
    weights /= weights.sum()
    result = vector.copy()
    for i in range(-first, len(vector) - (first + 9)):
        result[i] = sum(w * vector[i + t] for w, t in zip(weights, taps, strict=True))
    return result


def shifted_coefficients(coefficients, fraction_x, fraction_y):
    """Shift rows, then columns; a pixel moves only where both kernels fit."""
    size = len(coefficients)
    both = np.apply_along_axis(lanczos5_shift, 1, coefficients, fraction_x)
    both = np.apply_along_axis(lanczos5_shift, 0, both, fraction_y)
    first_x, first_y = (5 if f > 0 else 4 for f in (fraction_x, fraction_y))
    moved = np.zeros((size, size), bool)
    moved[first_y : first_y + size - 9, first_x : first_x + size - 9] = True
    return np.where(moved, both, coefficients)


def weighted_sums(planes, weights, x0, y0):
    rows, columns = planes.shape
    flux, variance = 0.0, 0.0
    for j in range(weights.shape[0]):
        for i in range(weights.shape[1]):
            if 0 <= y0 + j < rows and 0 <= x0 + i < columns:
                flux += weights[j, i] * float(planes.image[y0 + j, x0 + i])
                variance += weights[j, i] ** 2 * float(planes.variance[y0 + j, x0 + i])
    return flux, variance


def ellipse_bits(mask, x, y, quadrupole):
    """OR over pixels whose centres satisfy d^T Q^-1 d <= 1."""
    xx, yy, xy = quadrupole
    inverse = np.linalg.inv([[xx, xy], [xy, yy]])
    bits = 0
    for row, column in np.ndindex(mask.shape):
        d = np.array([column - x, row - y])
        if d @ inverse @ d <= 1.0:
            bits |= int(mask[row, column])
    return bits


def centre_bits(mask, column, row):
    box = mask[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    return int(np.bitwise_or.reduce(box, axis=None)), int(np.bitwise_and.reduce(box, axis=None))
