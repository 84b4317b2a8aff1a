"""Decoders of convolution kernels and the functions in them (afw ``src/math``)."""

from forcedsql.errors import ReadError
from forcedsql.psf.functions import (
    Chebyshev1Function2D,
    DoubleGaussianFunction2D,
    GaussianFunction2D,
    PolynomialFunction2D,
)
from forcedsql.psf.kernels import (
    AnalyticKernel,
    DeltaFunctionKernel,
    FixedKernel,
    LinearCombinationKernel,
)
from forcedsql.readers import limits
from forcedsql.readers.archive import ArchiveObject, Decoder, UnknownClassError
from forcedsql.readers.rows import Rows


def kernel_size(row: Rows, label: str) -> tuple[int, int]:
    """Return the (width, height) that a row asks for.

    Raises
    ------
    ReadError
        If a side is not a positive whole number of pixels.
    FileLimitError
        If a side is longer than a reader grants.
    """
    width, height = _whole_pair(row, "dimensions", label)
    for side in (width, height):
        limits.require_at_most(side, limits.MAX_KERNEL_SIDE, f"pixels along a side of {label}")
        if side < 1:
            raise ReadError(f"{label} is {width} x {height} pixels")
    return width, height


def _whole_pair(row: Rows, name: str, label: str) -> tuple[int, int]:
    x, y = row.pair(name)
    if not (x.is_integer() and y.is_integer()):
        raise ReadError(f"{label}: {name} is ({x}, {y}) where whole pixels are expected")
    return int(x), int(y)


def _spatial_functions(row: Rows) -> tuple[int, ...]:
    return row.ids("spatialfunctions") if row.has("spatialfunctions") else ()


def _require_constant(row: Rows, source: ArchiveObject) -> None:
    if _spatial_functions(row):
        raise UnknownClassError(f"{source.class_name} with spatially varying parameters")


def _fixed_kernel(source: ArchiveObject) -> FixedKernel:
    row = source.row()
    width, height = kernel_size(row, source.label)
    image = row.vector("image", limit=limits.MAX_KERNEL_SIDE**2)
    if image.size != width * height:
        raise ReadError(f"{source.label} has {image.size} pixel values for {width} x {height} pixels")
    return FixedKernel(image.reshape(height, width), _whole_pair(row, "center", source.label))


def _analytic_kernel(source: ArchiveObject) -> AnalyticKernel:
    row = source.row()
    _require_constant(row, source)
    width, height = kernel_size(row, source.label)
    function = source.refer(row.integer("kernelfunction"), "function")
    return AnalyticKernel(width, height, _whole_pair(row, "center", source.label), function)


def _delta_function_kernel(source: ArchiveObject) -> DeltaFunctionKernel:
    row = source.row()
    width, height = kernel_size(row, source.label)
    centre, pixel = (_whole_pair(row, name, source.label) for name in ("center", "pixel"))
    return DeltaFunctionKernel(width, height, centre, pixel)


def _linear_combination_kernel(source: ArchiveObject) -> LinearCombinationKernel:
    row = source.row()
    size = kernel_size(row, source.label)
    basis = tuple(source.refer(part, "kernel") for part in row.ids("components"))
    if any((kernel.width, kernel.height) != size for kernel in basis):
        raise ReadError(f"{source.label} has components of another size than its own {size}")
    functions = tuple(source.refer(part, "function") for part in _spatial_functions(row))
    amplitudes = () if functions else tuple(row.vector("amplitudes", limit=limits.MAX_KERNEL_COMPONENTS))
    return LinearCombinationKernel(
        basis, amplitudes, functions, centre=_whole_pair(row, "center", source.label)
    )


def _gaussian(source: ArchiveObject) -> GaussianFunction2D:
    row = source.row()
    return GaussianFunction2D(row.number("sigma1"), row.number("sigma2"), row.number("angle"))


def _double_gaussian(source: ArchiveObject) -> DoubleGaussianFunction2D:
    row = source.row()
    return DoubleGaussianFunction2D(row.number("sigma1"), row.number("sigma2"), row.number("ampl2"))


def _polynomial(source: ArchiveObject) -> PolynomialFunction2D:
    return PolynomialFunction2D(tuple(source.row().vector("coefficients")))


def _chebyshev1(source: ArchiveObject) -> Chebyshev1Function2D:
    row = source.row()
    return Chebyshev1Function2D(tuple(row.vector("coefficients")), *row.pair("min"), *row.pair("max"))


_FUNCTIONS = {
    "GaussianFunction2": _gaussian,
    "DoubleGaussianFunction2": _double_gaussian,
    "PolynomialFunction2": _polynomial,
    "Chebyshev1Function2": _chebyshev1,
}

DECODERS = {
    "AnalyticKernel": Decoder("kernel", _analytic_kernel),
    "DeltaFunctionKernel": Decoder("kernel", _delta_function_kernel),
    "FixedKernel": Decoder("kernel", _fixed_kernel),
    "LinearCombinationKernel": Decoder("kernel", _linear_combination_kernel),
    # The last letter is the C++ return type, float or double; the fields are the same.
    **{name + letter: Decoder("function", decode) for name, decode in _FUNCTIONS.items() for letter in "DF"},
}
