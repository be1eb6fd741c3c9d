"""Puts another build of the engine in the installed one's place: how `make sanitize` runs the tests.

Enters: the module's path in SMALLWRIGHT_TEST_ENGINE, which `smallwright` itself never reads. Leaves: every later
``import smallwright.run`` of this process uses that build.
"""

from __future__ import annotations

import importlib.util
import os
import sys

NAME = "smallwright.run._engine"


def use_engine_under_test() -> bool:
    """Load the module that the environment names, if it names one.

    Returns:
        Whether it names one.
    Raises:
        ImportError: there is no module at that path.
        RuntimeError: the installed engine was imported before.
    """
    path = os.environ.get("SMALLWRIGHT_TEST_ENGINE")
    if path is None:
        return False
    loaded = sys.modules.get(NAME)
    if loaded is not None:
        if loaded.__file__ != path:
            raise RuntimeError(f"the engine under test must come first. Got {loaded.__file__} before {path}.")
        return True
    spec = importlib.util.spec_from_file_location(NAME, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"SMALLWRIGHT_TEST_ENGINE must name an extension module. Got {path}.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return True
