"""Decoders of archive objects: one function per class, one table of all of them.

A new class is one function in the module of its family, and one line in that module's
``DECODERS``.
"""

from collections.abc import Mapping

from forcedsql.readers.archive import Decoder
from forcedsql.readers.decoders import (
    calibration,
    coadd,
    detector,
    exposures,
    fields,
    information,
    kernels,
    old_wcs,
    piff,
    projection,
    psf,
    psfex,
)

DECODERS: Mapping[str, Decoder] = {
    **calibration.DECODERS,
    **coadd.DECODERS,
    **detector.DECODERS,
    **exposures.DECODERS,
    **fields.DECODERS,
    **information.DECODERS,
    **kernels.DECODERS,
    **old_wcs.DECODERS,
    **piff.DECODERS,
    **projection.DECODERS,
    **psf.DECODERS,
    **psfex.DECODERS,
}
