"""An EMMI cutout without a sky projection, with SExtractor's rms image and its catalogue.

Bounds are those of the README of the data set; ``-s`` prints what is found.
"""

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from forcedsql.measure.driver import measure_positions
from forcedsql.open_options import OpenOptions
from forcedsql.readers import open_exposure
from tests.readers.plain.real_data import apertures


# back.fits has lines of a log among its cards.
@pytest.mark.filterwarnings("ignore::astropy.utils.exceptions.AstropyUserWarning")
def test_exact_apertures_agree_with_sextractor(shared, tmp_path):
    folder = shared / "data" / "sextractor_emmi"
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 128.0, "CRPIX2": 128.0})
    header.update({"CRVAL1": 5.6, "CRVAL2": -30.2, "CD1_1": -7.4e-5, "CD2_2": 7.4e-5})
    fits.PrimaryHDU(header=header).writeto(tmp_path / "sky.fits")
    options = OpenOptions(
        error=str(folder / "rms.fits"), error_kind="rms", wcs=f"{tmp_path / 'sky.fits'}[0]", gain=2.0
    )
    exposure = open_exposure(folder / "image.fits", options=options)
    with fits.open(folder / "back.fits") as back:
        exposure = replace(exposure, image=(exposure.image - back[0].data).astype(np.float32))
    catalogue = np.loadtxt(folder / "image.cat")
    ra, dec = exposure.wcs.pixel_to_sky(catalogue[:, 1] - 1, catalogue[:, 2] - 1)
    columns = measure_positions(exposure, ra, dec, apertures(5.0))
    ratio = (columns["ap05Flux"] / catalogue[:, 12])[catalogue[:, -1] == 0]
    print(
        f"SExtractor: n={ratio.size} median {np.median(ratio):.6f} std {ratio.std():.4f} "
        f"largest {np.abs(ratio - 1).max():.4f}; {exposure.origins['error']}"
    )
    assert ratio.size == 53
    assert abs(np.median(ratio) - 1) < 5e-5
    assert ratio.std() < 0.0025
    assert np.abs(ratio - 1).max() < 0.0115
