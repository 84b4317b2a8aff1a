"""Warped and coadd PSFs, position by position and pixel by pixel, with AST's own derivatives."""

import math

import numpy as np
from starlink import Ast

PADDING = 4


def lanczos3(t):
    return float(np.sinc(t) * np.sinc(t / 3))


def tabulated_weights(phase, cache_size):
    """Weights of the six taps -2 to 3 at a sub-pixel phase, from a table of `cache_size` phases."""
    if cache_size:
        phase = (min(int(phase * cache_size), cache_size - 1) + 0.5) / cache_size
    weights = np.array([lanczos3(d - phase) for d in range(-2, 4)])
    return weights / weights.sum()


def warp(image, x, y, inverse, half_x, half_y, cache_size):
    """Value of `image` where each pixel of a centred box comes from, divided by the sum."""
    padded = np.pad(image, PADDING)
    height, width = padded.shape
    out = np.zeros((2 * half_y + 1, 2 * half_x + 1))
    for j in range(-half_y, half_y + 1):
        for i in range(-half_x, half_x + 1):
            column = inverse[0][0] * i + inverse[0][1] * j + x + PADDING
            line = inverse[1][0] * i + inverse[1][1] * j + y + PADDING
            c, r = math.floor(column), math.floor(line)
            if not (2 <= c < width - 3 and 2 <= r < height - 3):
                continue
            taps = padded[r - 2 : r + 4, c - 2 : c + 4]
            weights_y = tabulated_weights(line - r, cache_size)
            out[j + half_y, i + half_x] = weights_y @ taps @ tabulated_weights(column - c, cache_size)
    return out / out.sum()


def c_round(value):
    """``std::round``: halves away from zero."""
    return math.copysign(math.floor(abs(value) + 0.5), value)


def warped_kernel_image(psf, mapping, x, y, cache_size, *, inverse=None):
    """Kernel image of a PSF warped by an AST mapping from destination to source pixels.

    The derivatives are AST's numerical ones unless they are given.
    """
    if inverse is None:
        inverse = [[mapping.rate([x, y], a, b) for b in (1, 2)] for a in (1, 2)]
    centre = mapping.tran([[x], [y]])[:, 0]
    step = c_round(x) - x, c_round(y) - y
    source_x, source_y = (centre[a] + inverse[a][0] * step[0] + inverse[a][1] * step[1] for a in (0, 1))
    image = psf.images(np.array([source_x]), np.array([source_y]))
    stamp = image.values[0, : image.height[0], : image.width[0]]
    matrix = np.linalg.inv(inverse)
    corners = np.array([[u, v] for u in (0, stamp.shape[1]) for v in (0, stamp.shape[0])]) @ matrix.T
    half_x, half_y = (int(0.5 * extent) for extent in np.ptp(corners, axis=0))
    x0, y0 = image.x0[0], image.y0[0]
    return warp(stamp, source_x - x0, source_y - y0, inverse, half_x, half_y, cache_size)


def pixel_to_sky(wcs):
    return Ast.Channel(wcs.text[wcs.text.index("Begin") :].split("\n")).read()


def in_polygon(polygon, x, y):
    """Even-odd rule, one edge after the other."""
    inside = False
    for k in range(len(polygon.x)):
        x0, y0, x1, y1 = polygon.x[k - 1], polygon.y[k - 1], polygon.x[k], polygon.y[k]
        if (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0:
            inside = not inside
    return inside


def coadd_kernel_image(coadd, x, y):
    """Kernel image of a CoaddPsf of AstWcs inputs at one position, None where no input covers it."""
    images, weights = [], []
    coadd_map = pixel_to_sky(coadd.coadd_wcs)
    sky = coadd_map.tran([[x], [y]])
    for part in coadd.inputs:
        own_map, box = pixel_to_sky(part.footprint.wcs), part.footprint.bbox
        u, v = own_map.tran(sky, False)[:, 0]
        inside = box.x0 - 0.5 <= u < box.x1 + 0.5 and box.y0 - 0.5 <= v < box.y1 + 0.5
        polygon = part.footprint.valid_polygon
        if not inside or (polygon is not None and not in_polygon(polygon, u, v)):
            continue
        to_sky, from_sky = own_map.getmapping(), coadd_map.getmapping()
        from_sky.invert()
        mapping = Ast.CmpMap(to_sky, from_sky, True).simplify()
        mapping.invert()
        images.append(warped_kernel_image(part.psf, mapping, x, y, coadd.kernel.cache_size))
        weights.append(part.weight)
    if not images:
        return None
    half_y, half_x = (max(image.shape[axis] for image in images) // 2 for axis in (0, 1))
    total = np.zeros((2 * half_y + 1, 2 * half_x + 1))
    for image, weight in zip(images, weights, strict=True):
        j, i = image.shape[0] // 2, image.shape[1] // 2
        total[half_y - j : half_y + j + 1, half_x - i : half_x + i + 1] += weight * image
    return total / sum(weights)
