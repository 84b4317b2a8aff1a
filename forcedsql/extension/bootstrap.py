"""Where a worker process begins: paths and environment, before anything heavy is imported."""

import os
import sys

if __name__ == "__main__":
    # The C library's threads take what processors a call has; NumPy's would come on top.
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    # Last, so that a checkout's other folders never stand before what is installed.
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    if root not in sys.path:
        sys.path.append(root)

    from forcedsql.extension.worker import main

    main()
