"""Decoders of archive objects: one function per class, one table of all of them.

A new class is one function in the module of its family, and one line in that module's
``DECODERS``.
"""

from collections.abc import Mapping

from forcedsql.readers.archive import Decoder
from forcedsql.readers.decoders import calibration, information, kernels, projection, psf

DECODERS: Mapping[str, Decoder] = {
    **calibration.DECODERS,
    **information.DECODERS,
    **kernels.DECODERS,
    **projection.DECODERS,
    **psf.DECODERS,
}
