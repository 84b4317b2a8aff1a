"""The compiled kernel: the C of ``src/``, how it is loaded, and how many threads it may use.

It is an optional fast path.  Whatever is done here is done, and explained, in NumPy by the
modules that call it: `forcedsql.measure.kernels.numpy_kernel`, `forcedsql.psf.shift`,
`forcedsql.psf.moments`, `forcedsql.psf.kernel`, `forcedsql.readers.packed_rows`.
"""

from forcedsql.native.combined import CombinedImages
from forcedsql.native.libdeflate import libdeflate_functions
from forcedsql.native.library import Library, native_library
from forcedsql.native.threads import limit_threads, thread_limit

__all__ = [
    "CombinedImages",
    "Library",
    "libdeflate_functions",
    "limit_threads",
    "native_library",
    "thread_limit",
]
