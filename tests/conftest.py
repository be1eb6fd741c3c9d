"""Set before torch loads: waiting threads sleep, as they do under the command line."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
