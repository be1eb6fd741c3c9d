"""What ``smallwright doctor`` looks at: the machine, the engine, the installed parts.

Enters: nothing. Leaves: findings, each with what was found and the command that mends it. Works on the base install.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from typing import TypedDict

from smallwright import __version__
from smallwright.errors import SmallwrightError

_BUILD_PARTS = (
    "torch",
    "transformers",
    "safetensors",
    "tokenizers",
    "pydantic",
    "pyyaml",
    "pyarrow",
    "gguf",
    "scikit-learn",
    "rapidfuzz",
    "httpx2",
    "matplotlib",
)


class Finding(TypedDict):
    """One line: ``required`` findings decide the exit status, ``remedy`` is empty when there is nothing to mend."""

    subject: str
    found: str
    ok: bool
    required: bool
    remedy: str


def examine() -> list[Finding]:
    """Look at everything, in order of importance."""
    return [
        _fact("smallwright", __version__),
        _fact("python", f"{platform.python_version()} ({sys.executable})"),
        _fact("machine", f"{platform.machine()}, {platform.system()}, {_cores()} cores for this process"),
        _fact("memory", _memory()),
        _engine(),
        *(_part(name) for name in _BUILD_PARTS),
        _data(),
    ]


def _fact(subject: str, found: str) -> Finding:
    return {"subject": subject, "found": found, "ok": True, "required": True, "remedy": ""}


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _memory() -> str:
    if not hasattr(os, "sysconf"):
        return "unknown on this system"
    return f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB"


def _engine() -> Finding:
    try:
        from smallwright.run import isa

        return _fact("engine kernels", isa())
    except ImportError as error:
        return {
            "subject": "engine kernels",
            "found": f"the native engine does not load: {error}",
            "ok": False,
            "required": True,
            "remedy": "pip install --force-reinstall smallwright (a C++17 compiler is needed)",
        }
    except SmallwrightError as error:
        return {
            "subject": "engine kernels",
            "found": str(error),
            "ok": False,
            "required": True,
            "remedy": "unset SMALLWRIGHT_ISA",
        }


def _part(name: str) -> Finding:
    try:
        found, ok = importlib.metadata.version(name), True
    except importlib.metadata.PackageNotFoundError:
        found, ok = "not installed (needed by build and demo, not by run)", False
    remedy = "" if ok else "pip install 'smallwright[build]'"
    return {"subject": name, "found": found, "ok": ok, "required": False, "remedy": remedy}


def _data() -> Finding:
    folder = os.environ.get("SMALLWRIGHT_DATA")
    ok = bool(folder) and os.path.isdir(folder or "")
    remedy = "" if ok else "export SMALLWRIGHT_DATA=<folder>; only the recipes on public data need it"
    return {"subject": "SMALLWRIGHT_DATA", "found": folder or "not set", "ok": ok, "required": False, "remedy": remedy}
