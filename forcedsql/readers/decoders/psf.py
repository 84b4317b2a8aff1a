"""Decoders of PSF models whose state is a few numbers or a kernel."""

from collections.abc import Callable
from functools import partial

from forcedsql.psf.analytic import DoubleGaussianPsf, GaussianPsf, SingleGaussianPsf
from forcedsql.psf.kernel import KernelPsf
from forcedsql.psf.protocol import Psf
from forcedsql.readers.archive import ArchiveObject, Decoder
from forcedsql.readers.decoders.kernels import kernel_size


def _one_gaussian(model: Callable[[int, int, float], Psf], source: ArchiveObject) -> Psf:
    row = source.row()
    return model(*kernel_size(row, source.label), row.number("sigma"))


def _double_gaussian_psf(source: ArchiveObject) -> DoubleGaussianPsf:
    row = source.row()
    width, height = kernel_size(row, source.label)
    return DoubleGaussianPsf(width, height, row.number("sigma1"), row.number("sigma2"), row.number("b"))


def _kernel_psf(source: ArchiveObject) -> KernelPsf:
    row = source.row()
    kernel = source.refer(row.integer("kernel"), "kernel")
    return KernelPsf(kernel, row.pair("averagePosition"), kind=source.class_name)


DECODERS = {
    "DoubleGaussianPsf": Decoder("PSF", _double_gaussian_psf),
    "GaussianPsf": Decoder("PSF", partial(_one_gaussian, GaussianPsf)),
    "KernelPsf": Decoder("PSF", _kernel_psf),
    "PcaPsf": Decoder("PSF", _kernel_psf),
    "SingleGaussianPsf": Decoder("PSF", partial(_one_gaussian, SingleGaussianPsf)),
}
