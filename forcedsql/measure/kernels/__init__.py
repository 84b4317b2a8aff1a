"""Kernels: the sums over pixels behind every plugin."""

from forcedsql.measure.kernels.native_kernel import NativeKernel
from forcedsql.measure.kernels.numpy_kernel import NumpyKernel
from forcedsql.measure.kernels.protocol import Kernel, Planes, PsfSums
from forcedsql.native import native_library

__all__ = ["Kernel", "NativeKernel", "NumpyKernel", "Planes", "PsfSums", "default_kernel"]


def default_kernel() -> Kernel:
    """Return the fastest kernel that this installation has.

    The environment variable ``FORCEDSQL_KERNEL`` = ``numpy`` or ``native`` asks for one.

    Raises
    ------
    ConfigError
        If ``FORCEDSQL_KERNEL`` names no kernel, or one that this installation does not have.
    """
    library = native_library()
    return NumpyKernel() if library is None else NativeKernel(library)
