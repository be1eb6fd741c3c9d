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

from smallwright.run.machine import memory_bytes, read_cpu, usable_cores

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
    cpu, isa = read_cpu()
    return Machine(
        cpu=cpu,
        architecture=platform.machine(),
        cores=os.cpu_count() or 1,
        usable_cores=usable_cores(),
        isa=isa,
        ram_bytes=memory_bytes(),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        versions=_versions(parts),
        load_average=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def _versions(parts: Sequence[str]) -> dict[str, str]:
    found = {}
    for part in parts:
        try:
            found[part] = importlib.metadata.version(part)
        except importlib.metadata.PackageNotFoundError:
            continue  # an absent part has no version; the doctor says what is missing
    return found
