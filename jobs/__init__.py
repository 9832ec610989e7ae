"""Everything that travels to the nodes, as one zip: numpy and the standard library only, Python 3.9 syntax.

Importing this package comes before the first import of numpy or mrjob in every task and every driver, so the two things
that must happen before those imports happen here.
"""

import os
import sys

NUMPY_CAME_FIRST = "numpy" in sys.modules
# GEMM and QR give other bits with two BLAS threads than with one, and every core already has a task of its own. The
# libraries read these once, when numpy is first imported.
for _name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"):
    os.environ[_name] = "1"
