"""What machine this is: printed by the doctor, carried by every report and benchmark.

Enters: the operating system's own tables. Leaves: a frozen ``Machine``.
Not here: which kernels the engine chose (the caller passes them where it knows them).
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
# the instruction sets that the engine, or the libraries it is compared with, choose kernels by
_KNOWN_ISA = (
    "sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512_vnni",
    "avx512_vbmi2", "avx512_bf16", "avx512_fp16", "amx_int8", "amx_bf16", "asimd", "asimddp", "i8mm", "bf16", "sve",
)  # fmt: skip
PARTS = ("smallwright", "numpy", "torch", "transformers", "tokenizers", "scikit-learn", "matplotlib")


@dataclass(frozen=True)
class Machine:
    """``cores`` the machine has, ``usable_cores`` this process may use. ``load_average``: 1 minute, None if unknown."""

    cpu: str
    architecture: str
    cores: int
    usable_cores: int
    isa: tuple[str, ...]
    ram_bytes: int | None
    system: str
    python: str
    versions: dict[str, str]
    load_average: float | None


def describe_machine(parts: Sequence[str] = PARTS) -> Machine:
    """Look at this machine.

    Args:
        parts: installed distributions whose versions are wanted; those not installed are left out.
    """
    cpu, flags = _cpu()
    return Machine(
        cpu=cpu,
        architecture=platform.machine(),
        cores=os.cpu_count() or 1,
        usable_cores=usable_cores(),
        isa=tuple(name for name in _KNOWN_ISA if name in flags),
        ram_bytes=_ram_bytes(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=_versions(parts),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def usable_cores() -> int:
    """Cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cpu() -> tuple[str, frozenset[str]]:
    if not _CPUINFO.exists():
        return platform.processor() or "unknown", frozenset()
    fields: dict[str, str] = {}
    for line in _CPUINFO.read_text("utf-8", errors="replace").splitlines():
        key, _, value = line.partition(":")
        fields.setdefault(key.strip().lower(), value.strip())
    name = fields.get("model name") or fields.get("cpu model") or platform.processor() or "unknown"
    return name, frozenset((fields.get("flags") or fields.get("features") or "").split())


def _ram_bytes() -> int | None:
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _versions(parts: Sequence[str]) -> dict[str, str]:
    found = {}
    for part in parts:
        try:
            found[part] = importlib.metadata.version(part)
        except importlib.metadata.PackageNotFoundError:
            continue  # an absent part has no version; the doctor says what is missing
    return found
