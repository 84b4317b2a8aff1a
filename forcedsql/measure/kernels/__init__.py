"""Kernels: the sums over pixels behind every plugin."""

from forcedsql.measure.kernels.numpy_kernel import NumpyKernel
from forcedsql.measure.kernels.protocol import Kernel, Planes, PsfSums

__all__ = ["Kernel", "NumpyKernel", "Planes", "PsfSums", "default_kernel"]


def default_kernel() -> Kernel:
    """Return the fastest kernel that this installation has."""
    return NumpyKernel()
