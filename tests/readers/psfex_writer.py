"""PSFEx files for tests, written as PSFEx and the Legacy Surveys lay them out."""

import numpy as np
from astropy.io import fits

COUNT_FROM = 1


def header_facts(psf):
    """The cards of a ``.psf`` file for a model of this package; PSFEx counts pixels from 1."""
    count, height, width = psf.components.shape
    return {
        "POLNAXIS": 2,
        "POLGRP1": 1,
        "POLNAME1": "X_IMAGE",
        "POLZERO1": psf.offset[0] + COUNT_FROM,
        "POLSCAL1": psf.scale[0],
        "POLGRP2": 1,
        "POLNAME2": "Y_IMAGE",
        "POLZERO2": psf.offset[1] + COUNT_FROM,
        "POLSCAL2": psf.scale[1],
        "POLNGRP": 1,
        "POLDEG1": psf.degree,
        "PSF_FWHM": 4.0,
        "PSF_SAMP": psf.pixel_step,
        "PSFNAXIS": 3,
        "PSFAXIS1": width,
        "PSFAXIS2": height,
        "PSFAXIS3": count,
    }


def model_hdu(psf, **changes):
    """The table that PSFEx writes for one CCD."""
    count, height, width = psf.components.shape
    column = fits.Column(
        "PSF_MASK", f"{psf.components.size}E", dim=f"({width}, {height}, {count})", array=psf.components[None]
    )
    hdu = fits.BinTableHDU.from_columns([column], name="PSF_DATA")
    for name, value in (header_facts(psf) | changes).items():
        if value is not None:
            hdu.header[name] = value
    return hdu


def write_psf(path, *models, **changes):
    """A ``.psf`` file with one extension for each model."""
    fits.HDUList([fits.PrimaryHDU(), *(model_hdu(psf, **changes) for psf in models)]).writeto(path)
    return path


def write_merged(path, models):
    """A table with a row for each ``(expnum, ccdname)``, images padded to one size."""
    shapes = np.array([psf.components.shape for psf in models.values()])
    pixels = np.zeros((len(models), *shapes.max(axis=0)), np.float32)
    for k, psf in enumerate(models.values()):
        count, height, width = psf.components.shape
        pixels[k, :count, :height, :width] = psf.components
    rows = [header_facts(psf) | {"EXPNUM": expnum, "CCDNAME": ccd} for (expnum, ccd), psf in models.items()]
    columns = [_column(name.lower(), [row[name] for row in rows]) for name in rows[0]]
    count, height, width = pixels.shape[1:]
    columns.append(
        fits.Column("psf_mask", f"{count * height * width}E", dim=f"({width},{height},{count})", array=pixels)
    )
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return path


def _column(name, values):
    if isinstance(values[0], str):
        return fits.Column(name, "7A", array=values)
    return fits.Column(name, "K" if isinstance(values[0], int) else "D", array=values)
