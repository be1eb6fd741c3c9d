"""What machine this is, from the operating system's own tables. Nothing is measured.

Enters: /proc, /sys. Leaves: names and sizes; what a system does not tell is "unknown", None or empty.
Not here: how fast it is (limits.py).
"""

from __future__ import annotations

import os
import platform
from pathlib import Path

from smallwright.spec.device import Cache

_CPUINFO = Path("/proc/cpuinfo")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
# the instruction sets that the engine, or the libraries it is compared with, choose kernels by
_KNOWN_ISA = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni",
    "avx512_vbmi2", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def read_cpu() -> tuple[str, tuple[str, ...]]:
    """The CPU's name, and which of the known instruction sets it says it has."""
    if not _CPUINFO.exists():
        return platform.processor() or "unknown", ()
    fields: dict[str, str] = {}
    for line in _CPUINFO.read_text("utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    name = fields.get("model name") or fields.get("cpu model") or platform.processor() or "unknown"
    flags = frozenset((fields.get("flags") or fields.get("features") or "").split())
    return name, tuple(isa for isa in _KNOWN_ISA if isa in flags)


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int | None:
    """Physical memory."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def read_caches() -> tuple[Cache, ...]:
    """The caches of the first core, as Linux tells them."""
    found = []
    for folder in sorted(_CACHES.glob("index*")):
        try:
            level, kind, size, shared = (
                (folder / name).read_text("ascii").strip() for name in ("level", "type", "size", "shared_cpu_list")
            )
            found.append(Cache(int(level), kind.lower(), _size_bytes(size), _count_cores(shared)))
        except (OSError, ValueError):
            continue  # a virtual machine may tell half of it; a cache without its size says nothing
    return tuple(cache for cache in found if cache.size_bytes > 0)


def _size_bytes(text: str) -> int:
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1:] in _UNITS else int(text)


def _count_cores(text: str) -> int:
    """Cores in a list such as ``0-3,8``."""
    ends = [part.split("-") for part in text.split(",")]
    return sum(int(end[-1]) - int(end[0]) + 1 for end in ends)
