"""Small files of both kinds, for tests of faults and of agreement."""

import numpy as np

from tests.readers import lsst_images_file as layout
from tests.readers.lsst_images_file import PSF_FLUX, LsstImagesFile


def small_file(which: str = "coadd") -> LsstImagesFile:
    """A coadd of four cells, one missing, or a visit image with a product of fields and a Piff fit."""
    if which == "coadd":
        bounds = layout.cell_bounds(cell=(20, 20), cells=(2, 2), first=(0, 0), missing=[(1, 1)])
        ones = np.ones((40, 40))
        psf = np.random.default_rng(0).uniform(size=(2, 2, 5, 5))
        table = {"cell_i": [0, 0, 1], "cell_j": [0, 1, 0], PSF_FLUX: [1.0, 1.0, 1.0]}
        return layout.cell_coadd(ones, ones, np.zeros((40, 40), int), psf, bounds=bounds, ap_corr=table)
    bounds = layout.box(0, 0, 40, 40)
    product = layout.combined("PRODUCT", *[layout.chebyshev(bounds, [[1.0, 0.1]])] * 2)
    file = layout.visit_image(np.ones((40, 40)), np.ones((40, 40)), ap_corr={PSF_FLUX: product})
    file.tree["psf"] = layout.piff_psf(file, np.full((25, 1), 0.04), stamp_size=5, order=0, keys=("x", "y"))
    return file
