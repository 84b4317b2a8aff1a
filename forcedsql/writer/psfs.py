"""How PSFs, their kernels and functions are stored in the archive of an afw file.

Class names, columns and their order are those of the persistence code of afw (``src/math``,
``src/detection``) and meas_algorithms (``src``).
"""

from collections.abc import Mapping, Sequence

import numpy as np

from forcedsql.psf.analytic import DoubleGaussianPsf, GaussianPsf, SingleGaussianPsf
from forcedsql.psf.functions import (
    Chebyshev1Function2D,
    DoubleGaussianFunction2D,
    GaussianFunction2D,
    PolynomialFunction2D,
)
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.kernels import (
    AnalyticKernel,
    DeltaFunctionKernel,
    FixedKernel,
    Kernel,
    LinearCombinationKernel,
)
from forcedsql.writer.archive import ArchiveWriter, Encoder, Record
from forcedsql.writer.hdus import Field, Row, Schema

_MATH, _DETECTION, _ALGORITHMS = "lsst.afw.math", "lsst.afw.detection", "lsst.meas.algorithms"


def _single_gaussian_psf(part: SingleGaussianPsf, _: ArchiveWriter) -> Record:
    return _round_gaussian("SingleGaussianPsf", _ALGORITHMS, part.width, part.height, part.sigma)


def _gaussian_psf(part: GaussianPsf, _: ArchiveWriter) -> Record:
    return _round_gaussian("GaussianPsf", _DETECTION, part.width, part.height, part.sigma)


def _double_gaussian_psf(part: DoubleGaussianPsf, _: ArchiveWriter) -> Record:
    schema = Schema(
        (
            *_size("width/height of kernel"),
            Field("sigma1", "double", "radius of inner Gaussian", unit="pixel"),
            Field("sigma2", "double", "radius of outer Gaussian", unit="pixel"),
            Field("b", "double", "central amplitude of outer Gaussian (inner amplitude == 1)"),
        )
    )
    row = {
        "dimensions_x": part.width,
        "dimensions_y": part.height,
        "sigma1": part.sigma1,
        "sigma2": part.sigma2,
        "b": part.b,
    }
    return Record("DoubleGaussianPsf", _ALGORITHMS, schema, [row])


def _kernel_psf(part: KernelPsf, archive: ArchiveWriter) -> Record:
    doc = "average position of stars used to make the PSF"
    schema = Schema(
        (
            Field("kernel", "int", "archive ID of nested kernel object"),
            Field("averagePosition_x", "double", doc, unit="pixel"),
            Field("averagePosition_y", "double", doc, unit="pixel"),
        )
    )
    x, y = part.average_position
    row = {"kernel": archive.put(part.kernel), "averagePosition_x": x, "averagePosition_y": y}
    return Record(part.kind, _ALGORITHMS, schema, [row])


def _fixed_kernel(part: FixedKernel, _: ArchiveWriter) -> Record:
    image = np.asarray(part.image, dtype=np.float64)
    fields, row = _kernel_base(part)
    schema = Schema((*fields, _doubles("image", image.size, "pixel values (row-major)")))
    return Record("FixedKernel", _MATH, schema, [row | {"image": image.ravel()}])


def _analytic_kernel(part: AnalyticKernel, archive: ArchiveWriter) -> Record:
    fields, row = _kernel_base(part)
    doc = "archive ID for analytic function used to produce kernel images"
    schema = Schema((*fields, Field("kernelfunction", "int", doc)))
    return Record("AnalyticKernel", _MATH, schema, [row | {"kernelfunction": archive.put(part.function)}])


def _delta_function_kernel(part: DeltaFunctionKernel, _: ArchiveWriter) -> Record:
    fields, row = _kernel_base(part)
    doc = "position of nonzero pixel"
    pixel = (Field("pixel_x", "int", doc, unit="pixel"), Field("pixel_y", "int", doc, unit="pixel"))
    row |= {"pixel_x": part.pixel[0], "pixel_y": part.pixel[1]}
    return Record("DeltaFunctionKernel", _MATH, Schema((*fields, *pixel)), [row])


def _linear_combination_kernel(part: LinearCombinationKernel, archive: ArchiveWriter) -> Record:
    """Store a combination: its coefficients are functions or numbers, never both."""
    count = len(part.basis)
    fields, row = _kernel_base(part)
    components = Field("components", "int_array", "archive IDs of component kernel", size=count)
    row["components"] = [archive.put(kernel) for kernel in part.basis]
    if part.functions:
        doc = "archive IDs for the Kernel's spatial functions"
        row["spatialfunctions"] = [archive.put(function) for function in part.functions]
        fields = (*fields, Field("spatialfunctions", "int_array", doc, size=count), components)
    else:
        row["amplitudes"] = part.amplitudes
        fields = (*fields, components, _doubles("amplitudes", count, "amplitudes component kernel"))
    return Record("LinearCombinationKernel", _MATH, Schema(fields), [row])


def _gaussian_function(part: GaussianFunction2D, _: ArchiveWriter) -> Record:
    schema = Schema(
        (
            Field("sigma1", "double", "sigma along axis 1"),
            Field("sigma2", "double", "sigma along axis 2"),
            Field("angle", "double", "angle of axis 1 in rad (along x=0, y=pi/2)"),
        )
    )
    row = {"sigma1": part.sigma1, "sigma2": part.sigma2, "angle": part.angle}
    return Record("GaussianFunction2D", _MATH, schema, [row])


def _double_gaussian_function(part: DoubleGaussianFunction2D, _: ArchiveWriter) -> Record:
    schema = Schema(
        (
            Field("sigma1", "double", "sigma of first Gaussian"),
            Field("sigma2", "double", "sigma of second Gaussian"),
            Field("ampl2", "double", "peak of second Gaussian relative to peak of first"),
        )
    )
    row = {"sigma1": part.sigma1, "sigma2": part.sigma2, "ampl2": part.ampl2}
    return Record("DoubleGaussianFunction2D", _MATH, schema, [row])


def _polynomial_function(part: PolynomialFunction2D, _: ArchiveWriter) -> Record:
    schema = Schema((_function_coefficients(part.coefficients),))
    return Record("PolynomialFunction2D", _MATH, schema, [{"coefficients": part.coefficients}])


def _chebyshev_function(part: Chebyshev1Function2D, _: ArchiveWriter) -> Record:
    corners = [
        Field(f"{corner}_{axis}", "double", f"{corner}imum point for function's bbox", unit="pixel")
        for corner in ("min", "max")
        for axis in ("x", "y")
    ]
    schema = Schema((_function_coefficients(part.coefficients), *corners))
    row = {
        "coefficients": part.coefficients,
        "min_x": part.min_x,
        "min_y": part.min_y,
        "max_x": part.max_x,
        "max_y": part.max_y,
    }
    return Record("Chebyshev1Function2D", _MATH, schema, [row])


def _round_gaussian(name: str, module: str, width: int, height: int, sigma: float) -> Record:
    schema = Schema(
        (
            *_size("width/height of realization of Psf"),
            Field("sigma", "double", "radius of Gaussian", unit="pixel"),
        )
    )
    row = {"dimensions_x": width, "dimensions_y": height, "sigma": sigma}
    return Record(name, module, schema, [row])


def _kernel_base(kernel: Kernel) -> tuple[tuple[Field, ...], dict[str, Row | object]]:
    doc = "center point in a Kernel image"
    fields = (
        *_size("dimensions of a Kernel's images"),
        Field("center_x", "int", doc, unit="pixel"),
        Field("center_y", "int", doc, unit="pixel"),
    )
    row: dict[str, object] = {
        "dimensions_x": kernel.width,
        "dimensions_y": kernel.height,
        "center_x": kernel.centre[0],
        "center_y": kernel.centre[1],
    }
    return fields, row


def _size(doc: str) -> tuple[Field, Field]:
    return Field("dimensions_x", "int", doc, unit="pixel"), Field("dimensions_y", "int", doc, unit="pixel")


def _doubles(name: str, size: int, doc: str) -> Field:
    return Field(name, "double_array", doc, size=size)


def _function_coefficients(coefficients: Sequence[float]) -> Field:
    doc = "polynomial coefficients, ordered (x,y) [0,0; 1,0; 0,1; 2,0; 1,1; 0,2; ...]"
    return _doubles("coefficients", len(coefficients), doc)


PSF_ENCODERS: Mapping[type, Encoder] = {
    SingleGaussianPsf: _single_gaussian_psf,
    GaussianPsf: _gaussian_psf,
    DoubleGaussianPsf: _double_gaussian_psf,
    KernelPsf: _kernel_psf,
    FixedKernel: _fixed_kernel,
    AnalyticKernel: _analytic_kernel,
    DeltaFunctionKernel: _delta_function_kernel,
    LinearCombinationKernel: _linear_combination_kernel,
    GaussianFunction2D: _gaussian_function,
    DoubleGaussianFunction2D: _double_gaussian_function,
    PolynomialFunction2D: _polynomial_function,
    Chebyshev1Function2D: _chebyshev_function,
}
"""Encoders of the PSFs that this package can write, and of their parts."""
