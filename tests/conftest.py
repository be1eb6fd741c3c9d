"""Set before torch loads: waiting threads sleep, as they do under the command line."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from tests.engine_under_test import use_engine_under_test

use_engine_under_test()
