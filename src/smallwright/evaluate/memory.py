"""Resident memory of this process.

Enters: the kernel's counters. Leaves: bytes, or None where the system does not tell.
Not here: what the memory is spent on.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Resident:
    """Resident set of a process, in bytes. ``peak`` is the high-water mark. None: the system does not tell."""

    current_bytes: int | None
    peak_bytes: int | None
    anonymous_bytes: int | None
    file_bytes: int | None


def resident() -> Resident:
    """Read this process's resident memory: /proc on Linux, only the peak (getrusage) on other systems."""
    if _STATUS.exists():
        fields = dict(line.split(":", 1) for line in _STATUS.read_text("utf-8").splitlines() if ":" in line)
        names = ("VmRSS", "VmHWM", "RssAnon", "RssFile")
        values = [int(fields[name].split()[0]) * 1024 if name in fields else None for name in names]
        return Resident(*values)
    try:
        import resource
    except ImportError:  # Windows has neither; the report then says "not measured"
        return Resident(None, None, None, None)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Resident(None, peak if sys.platform == "darwin" else peak * 1024, None, None)


def reset_peak() -> bool:
    """Let the peak start again from the current size (Linux). Returns whether the kernel allowed it."""
    try:
        _CLEAR_REFS.write_text("5", "ascii")
    except OSError:
        return False
    return True
