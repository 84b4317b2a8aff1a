"""How a PiffPsf is stored in the archive of an afw file: a pickle of Piff's objects.

The pickle is written opcode by opcode, so that neither Piff nor GalSim has to be installed; they
read it.  Attributes are those of Piff 1.7 (``piff/simplepsf.py``, ``pixelgrid.py``,
``basis_interp.py``) and GalSim 2.8; the archive's row is that of meas_extensions_piff
``python/lsst/meas/extensions/piff/piffPsf.py``.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from forcedsql.arrays import AnyArray
from forcedsql.psf.piff import BasisPolynomial, PiffPsf, PixelGrid
from forcedsql.writer.archive import ArchiveWriter, Encoder, Record
from forcedsql.writer.hdus import Field, Schema

_MODULE = "lsst.meas.extensions.piff.piffPsf"
_PROTOCOL = 3
_BYTES = b"B"
_SCIPY_SOLVER = "scipy"

_GALSIM_ACCURACY = (128, 8192, 0.005, 5.0, 1e-3, 1e-5, 1e-5, 1, 1e-4, 1e-6, 1e-6, 1e-8, 1e-5)
"""GalSim's default parameters, which its interpolants carry."""


@dataclass(frozen=True, slots=True)
class _Foreign:
    """An object of a class that need not be installed: its full name and its state."""

    class_name: str
    state: Any


def piff_pickle(psf: PiffPsf) -> bytes:
    """Return a PSF as ``(width, height, fit)``, pickled as Piff's own objects."""
    grid = psf.grid
    fit = _Foreign(
        "piff.simplepsf.SimplePSF",
        {
            "model": _model(grid),
            "interp": _interpolation(grid.polynomial),
            "outliers": None,
            "chisq_thresh": 0.1,
            "min_iter": 2,
            "max_iter": 30,
            "kwargs": {},
            "chisq": 0.0,
            "last_delta_chisq": 0.0,
            "dof": 0,
            "nremoved": 0,
            "niter": 0,
            "_num": None,
            "wcs": {0: _Foreign("galsim.wcs.PixelScale", {"_color": None, "_scale": grid.pixel_scale})},
            "pointing": None,
        },
    )
    return b"\x80" + bytes([_PROTOCOL]) + _pickled((psf.width, psf.height, fit)) + b"."


def _model(grid: PixelGrid) -> _Foreign:
    interpolant = _Foreign(
        "galsim.interpolant.Lanczos",
        {
            "_n": grid.interpolant.order,
            "_conserve_dc": grid.interpolant.conserve_dc,
            "_gsparams": _Foreign("galsim.gsparams.GSParams", _GALSIM_ACCURACY),
        },
    )
    return _Foreign(
        "piff.pixelgrid.PixelGrid",
        {
            "scale": grid.scale,
            "size": grid.size,
            "pixel_area": grid.scale**2,
            "interp": interpolant,
            "_centered": True,
            "_init": None,
            "_fit_flux": False,
            "maxuv": (grid.size + 1) / 2.0 * grid.scale,
            "_origin": grid.size // 2,
            "kwargs": {"scale": grid.scale, "size": grid.size, "centered": True},
            "_num": None,
            "_nparams": grid.size**2,
            "_maxk": 0.0,
            "_stepk": 0.0,
        },
    )


def _interpolation(polynomial: BasisPolynomial) -> _Foreign:
    orders = [count - 1 for count in polynomial.terms.shape]
    highest = int(np.sum(np.nonzero(polynomial.terms), axis=0).max(initial=0))
    return _Foreign(
        "piff.basis_interp.BasisPolynomial",
        {
            "degenerate_points": True,
            "solver": _SCIPY_SOLVER,
            "q": np.ascontiguousarray(polynomial.solution, dtype=np.float64),
            "_num": None,
            "_keys": list(polynomial.keys),
            "_orders": tuple(orders),
            "_max_order": highest,
            "kwargs": {"order": max(orders), "max_order": highest, "solver": _SCIPY_SOLVER},
            "_mask": np.ascontiguousarray(polynomial.terms, dtype=np.bool_),
        },
    )


def _pickled(value: Any) -> bytes:
    """Return the opcodes that push a value."""
    match value:
        case _Foreign():
            opcodes = _global(value.class_name) + b")\x81" + _pickled(value.state) + b"b"
        case Mapping():
            items = b"".join(_pickled(key) + _pickled(item) for key, item in value.items())
            opcodes = b"}(" + items + b"u"
        case tuple():
            opcodes = b"(" + b"".join(map(_pickled, value)) + b"t"
        case list():
            opcodes = b"](" + b"".join(map(_pickled, value)) + b"e"
        case np.ndarray():
            opcodes = _pickled_array(value)
        case _:
            opcodes = _pickled_scalar(value)
    return opcodes


def _pickled_scalar(value: Any) -> bytes:
    match value:
        case bool():
            opcodes = b"\x88" if value else b"\x89"
        case int():
            opcodes = b"J" + struct.pack("<i", value)
        case float():
            opcodes = b"G" + struct.pack(">d", value)
        case str():
            opcodes = b"X" + _counted(value.encode())
        case _:
            opcodes = b"N"
    return opcodes


def _pickled_array(array: AnyArray) -> bytes:
    """Return the opcodes of an array in row-major order (numpy ``_core/src/multiarray/methods.c``)."""
    code = array.dtype.str[1:]
    order = array.dtype.newbyteorder("<").byteorder.replace("=", "<")
    made = _global("numpy.core.multiarray._reconstruct") + _global("numpy.ndarray")
    made += _pickled((0,)) + _BYTES + _counted(b"b") + b"\x87R"
    kind = _global("numpy.dtype") + _pickled((code, False, True)) + b"R"
    kind += _pickled((3, order, None, None, None, -1, -1, 0)) + b"b"
    data = _BYTES + _counted(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return made + b"(" + _pickled(1) + _pickled(array.shape) + kind + _pickled(False) + data + b"tb"


def _global(name: str) -> bytes:
    module, _, member = name.rpartition(".")
    return f"c{module}\n{member}\n".encode("ascii")


def _counted(data: bytes) -> bytes:
    return struct.pack("<I", len(data)) + data


def _piff_psf(part: PiffPsf, _: ArchiveWriter) -> Record:
    schema = Schema((Field("bytes", "bytes", "width, height and fit, pickled"),))
    return Record("PiffPsf", _MODULE, schema, [{"bytes": piff_pickle(part)}])


PIFF_ENCODERS: Mapping[type, Encoder] = {PiffPsf: _piff_psf}
"""The encoder of Piff PSFs."""
