"""Measures this device's limits and makes its profile.

Enters: how many threads and repeats. Leaves: a ``DeviceProfile``. Not here: the loops (``csrc/measure``), the document
and its checks (``spec/device.py``), and any model.

Every repeat goes through all measurements once before the next one begins, so that a slow moment of the machine falls
on all of them; the median of the repeats counts.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path
from statistics import median

from smallwright.errors import DeviceProfileError
from smallwright.run import _engine
from smallwright.run.machine import memory_bytes, read_caches, read_cpu, usable_cores
from smallwright.spec.device import TIME_FORMAT, Bandwidth, DeviceLimits, DeviceProfile, Rate, Throughput

MIB = 1 << 20
WORKING_SETS = (MIB // 4, MIB, 4 * MIB, 8 * MIB, 16 * MIB, 32 * MIB, 64 * MIB, 256 * MIB)
_MEMORY_SHARE = 4  # a working set takes at most a quarter of the memory


def rate_of(samples: Sequence[float]) -> Rate:
    """Median, smallest and largest of one or more samples."""
    return Rate(median(samples), min(samples), max(samples))


def measure_limits(
    threads: Sequence[int], *, repeats: int, seconds: float, working_sets: Sequence[int] = WORKING_SETS
) -> DeviceLimits:
    """Read bandwidth by working set, peaks of int8 and f32 arithmetic, and the time of a barrier of two threads.

    A bandwidth is that of the better of two ways to read, by median: as the hardware fetches alone, and with the lines
    4 KiB ahead asked for. The limit of more threads than cores is that of the cores.

    Args:
        threads: numbers of threads to measure with, each 1 to 256.
        repeats: 1 or more.
        seconds: of one sample; there are about ``repeats * len(threads) * (2 * len(working_sets) + 2)``.
        working_sets: bytes; those above a quarter of the memory are left out.
    Raises:
        EngineError: an argument is out of range, or SMALLWRIGHT_ISA names kernels that cannot run here.
    """
    memory = memory_bytes()
    sizes = [size for size in sorted(working_sets) if memory is None or size <= max(memory // _MEMORY_SHARE, MIB)]
    engine = _engine.Limits(_engine.isa(), max(sizes))
    counts, cores = sorted(set(threads)), usable_cores()
    reads: dict[tuple[int, int, bool], list[float]] = {}
    dots: dict[int, list[float]] = {}
    multiply_adds: dict[int, list[float]] = {}
    barriers: list[float] = []
    for _ in range(repeats):
        for count in counts:
            for size in sizes:
                for ahead in (False, True):
                    rate, _checksum = engine.read_bandwidth(size, min(count, cores), seconds, ahead)
                    reads.setdefault((size, count, ahead), []).append(rate)
            dots.setdefault(count, []).append(engine.int8_dot(min(count, cores), seconds)[0])
            multiply_adds.setdefault(count, []).append(engine.multiply_add(min(count, cores), seconds)[0])
        if cores > 1:
            barriers.append(1 / engine.barrier(2, seconds)[0])
    bandwidth = [
        Bandwidth(size, count, max((rate_of(reads[size, count, ahead]) for ahead in (False, True)), key=_median))
        for count in counts
        for size in sizes
    ]
    return DeviceLimits(
        loops=engine.loops,
        read_bandwidth=tuple(bandwidth),
        int8_dot=tuple(Throughput(count, rate_of(dots[count])) for count in counts),
        f32_multiply_add=tuple(Throughput(count, rate_of(multiply_adds[count])) for count in counts),
        barrier_seconds=rate_of(barriers) if barriers else None,
    )


def measure_device(threads: Sequence[int], *, repeats: int, seconds: float) -> DeviceProfile:
    """This device and its limits, measured now. Arguments and errors are those of ``measure_limits``."""
    limits = measure_limits(threads, repeats=repeats, seconds=seconds)
    cpu, isa = read_cpu()
    return DeviceProfile(
        cpu=cpu,
        architecture=platform.machine() or "unknown",
        system=f"{platform.system()} {platform.release()}".strip() or "unknown",
        isa=isa,
        cores=os.cpu_count() or 1,
        usable_cores=usable_cores(),
        caches=read_caches(),
        memory_bytes=memory_bytes(),
        kernels=_engine.isa(),
        engine_version=_engine.version(),
        measured_at=datetime.now(timezone.utc).strftime(TIME_FORMAT),
        repeats=repeats,
        limits=limits,
    )


def default_profile_path(home: Callable[[], Path] = Path.home) -> Path:
    """Where this machine's profile lies: ``smallwright/devices/MACHINE.json`` in the user's cache folder.

    The cache folder is XDG_CACHE_HOME where that is an absolute path (as the XDG specification demands), else ~/.cache.

    Raises:
        DeviceProfileError: ``kind`` ``no_home``: this user has neither.
    """
    told = os.environ.get("XDG_CACHE_HOME", "")
    try:
        cache = Path(told) if os.path.isabs(told) else home() / ".cache"
    except RuntimeError as error:
        raise DeviceProfileError(
            "a profile needs a place. Got a user without a home folder and no XDG_CACHE_HOME. Use --profile PATH.",
            "no_home",
        ) from error
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", platform.node()).strip("._") or "this_machine"
    return cache / "smallwright" / "devices" / f"{name}.json"


def _median(rate: Rate) -> float:
    return rate.median
