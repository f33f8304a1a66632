"""Benchmarks: pytest-benchmark files, and the comparison with peers (python -m benchmarks.peers).

Everything is timed on one thread. The libraries read these variables when they are imported, so
they are set here, before any module of this package imports NumPy.
"""

import os

for _variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_variable] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
