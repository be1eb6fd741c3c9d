"""Set before torch loads: waiting threads sleep, as they do under the command line; tests side by side share cores."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.engine_under_test import use_engine_under_test

use_engine_under_test()
