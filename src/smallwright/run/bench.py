"""Measures a package on this machine, and how much of the machine's limits it reaches.

Enters: a package's path. Leaves: a ``Bench``: the device's profile, cold starts, and the speed of each phase with the
share of the limit it reaches. Not here: the device's limits (limits.py), other processes (cold_start.py), tables (cli).

A phase has two floors: the bytes it must read at the bandwidth of its working set, and the operations it must do at the
peaks. The higher floor is the limit; ``fraction`` is that floor divided by the time measured (the roofline of Williams,
Waterman and Patterson, 2009).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from smallwright.errors import DeviceProfileError, EngineError
from smallwright.run import _engine
from smallwright.run.cold_start import ColdStart, measure_cold_starts
from smallwright.run.limits import default_profile_path, measure_device
from smallwright.run.machine import usable_cores
from smallwright.run.workload import Case, classify_cases, generate_cases, short_text
from smallwright.spec.device import DeviceLimits, DeviceProfile, Rate

FORMAT = "smallwright.bench"
VERSION = 1


@dataclass(frozen=True)
class Settings:
    """How to measure. ``threads``: beside one thread; 0 means every usable core. ``quick``: less work.

    ``in_place``: the package's weights stay in its file.
    """

    threads: int = 0
    repeats: int = 7
    quick: bool = False
    in_place: bool = False

    def __post_init__(self) -> None:
        for name, value, least, most in (("threads", self.threads, 0, 256), ("repeats", self.repeats, 1, 1000)):
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise EngineError(f"{name} must be a whole number from {least} to {most}. Got {value!r}.")

    @property
    def thread_counts(self) -> tuple[int, ...]:
        """What the model is measured with: one thread, and as many as asked for."""
        return tuple(sorted({1, self.threads or usable_cores()}))

    @property
    def sample_seconds(self) -> float:
        """The least time of one sample; short calls are repeated until it has passed."""
        return 0.01 if self.quick else 0.05


@dataclass(frozen=True)
class Limit:
    """The two floors of a phase, in seconds of one call, and the share of the time measured that each would take.

    ``bound``: ``memory`` or ``arithmetic``, the higher floor; ``fraction`` is its share. ``working_set_bytes``:
    where the bandwidth was taken.
    """

    working_set_bytes: float
    bytes_per_second: float
    int8_operations_per_second: float
    f32_operations_per_second: float
    memory_seconds: float
    arithmetic_seconds: float
    memory_fraction: float
    arithmetic_fraction: float
    bound: str
    fraction: float


@dataclass(frozen=True)
class Phase:
    """One phase on some threads.

    ``detail``: the work in words. ``seconds``: of one call, the median of all calls, with the smallest and the largest
    median of a repeat; ``p95_seconds`` where single calls were timed. ``per_second``: ``units`` (tokens or texts) a
    second. ``tokens``: token rows of a call. ``weight_bytes`` and ``kv_bytes``: read in a call; ``int8_operations`` and
    ``f32_operations``: done in a call.
    """

    name: str
    detail: str
    threads: int
    units: str
    units_of_call: int
    tokens: int
    seconds: Rate
    p95_seconds: float | None
    per_second: Rate
    weight_bytes: int
    kv_bytes: float
    int8_operations: int
    f32_operations: int
    limit: Limit


@dataclass(frozen=True)
class Bench:
    """Everything that was measured. ``model``: facts of the package; ``profile_path``: of the device."""

    model: dict[str, Any]
    settings: Settings
    device: DeviceProfile
    profile_path: str
    cold_starts: tuple[ColdStart, ...]
    phases: tuple[Phase, ...]

    def to_document(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "model": self.model,
            "settings": asdict(self.settings),
            "device": self.device.to_document(),
            "profile_path": self.profile_path,
            "cold_starts": [asdict(start) for start in self.cold_starts],
            "phases": [asdict(phase) for phase in self.phases],
        }


def bench(
    path: str | PathLike[str],
    settings: Settings | None = None,
    *,
    profile: str | PathLike[str] | None = None,
    tell: Callable[[str], None] = lambda _step: None,
) -> Bench:
    """Measure the device and the package, and write the device's profile.

    Args:
        path: a package.
        settings: how; the defaults take about half a minute.
        profile: where the device's profile goes; None: ``default_profile_path()``.
        tell: called with each step's name before it begins.
    Raises:
        PackageError: the file cannot be opened.
        EngineError: a setting is out of range, or a process did not answer.
        DeviceProfileError: there is no place for the profile.
        OSError: the profile's place cannot be written.
    """
    settings = settings or Settings()
    place = Path(profile) if profile is not None else default_profile_path()
    if not place.name:
        raise DeviceProfileError(f"a profile is a file. Got {str(profile)!r}. Name one after --profile.", "bad_place")
    model = _engine.open(fspath(path), settings.in_place)  # a bad file is refused before anything is measured
    facts = _facts(path, model.description)
    place.parent.mkdir(parents=True, exist_ok=True)  # so is a place that cannot be
    tell("cold starts")
    threads = settings.thread_counts[-1]
    starts = measure_cold_starts(
        fspath(path),
        short_text(model),
        task=model.task,
        threads=threads,
        repeats=1 if settings.quick else settings.repeats,
        in_place=settings.in_place,
    )
    tell("limits of the device")
    counts = sorted({*settings.thread_counts, usable_cores()})
    device = measure_device(counts, repeats=settings.repeats, seconds=settings.sample_seconds / 2)
    device.write(place)
    tell("the model")
    phases = measure_model(model, device.limits, settings)
    return Bench(facts, settings, device, str(place.absolute()), tuple(starts), tuple(phases))


def measure_model(model: _engine.Model, limits: DeviceLimits, settings: Settings) -> list[Phase]:
    """Every phase at every number of threads; each repeat goes through all of them once.

    Raises:
        DeviceProfileError: the limits were not measured with these threads.
    """
    make = classify_cases if model.task == "classify" else generate_cases
    cases = [case for threads in settings.thread_counts for case in make(model, threads, quick=settings.quick)]
    calls = [_calls_of_sample(case, settings.sample_seconds) for case in cases]
    taken: list[list[list[float]]] = [[] for _ in cases]
    for _ in range(settings.repeats):
        for case, count, samples in zip(cases, calls, taken, strict=True):
            samples.append(case.time(count))
    return [_phase(case, samples, limits) for case, samples in zip(cases, taken, strict=True)]


def limit_of(case: Case, seconds: float, limits: DeviceLimits) -> Limit:
    """The floors of a call that took ``seconds``."""
    bandwidth = limits.read_bandwidth_at(case.working_set_bytes, case.threads)
    int8, f32 = limits.int8_dot_at(case.threads), limits.f32_multiply_add_at(case.threads)
    memory = (case.weight_bytes + case.kv_bytes) / bandwidth
    arithmetic = case.int8_operations / int8 + case.f32_operations / f32
    floors = {"memory": memory, "arithmetic": arithmetic}
    bound = max(floors, key=floors.__getitem__)
    return Limit(
        working_set_bytes=case.working_set_bytes,
        bytes_per_second=bandwidth,
        int8_operations_per_second=int8,
        f32_operations_per_second=f32,
        memory_seconds=memory,
        arithmetic_seconds=arithmetic,
        memory_fraction=memory / seconds,
        arithmetic_fraction=arithmetic / seconds,
        bound=bound,
        fraction=floors[bound] / seconds,
    )


def _phase(case: Case, samples: list[list[float]], limits: DeviceLimits) -> Phase:
    calls = [seconds for sample in samples for seconds in sample]
    medians = [statistics.median(sample) for sample in samples]
    seconds = Rate(statistics.median(calls), min(medians), max(medians))
    units = case.units_of_call
    return Phase(
        name=case.name,
        detail=case.detail,
        threads=case.threads,
        units=case.units,
        units_of_call=units,
        tokens=case.tokens,
        seconds=seconds,
        p95_seconds=float(np.percentile(calls, 95)) if case.single_calls else None,
        per_second=Rate(units / seconds.median, units / seconds.high, units / seconds.low),
        weight_bytes=case.weight_bytes,
        kv_bytes=case.kv_bytes,
        int8_operations=case.int8_operations,
        f32_operations=case.f32_operations,
        limit=limit_of(case, seconds.median, limits),
    )


def _calls_of_sample(case: Case, least_seconds: float) -> int:
    """Calls that fill the time of a sample, from one call; the session is warm already."""
    return max(1, min(1000, int(least_seconds / max(statistics.median(case.time(1)), 1e-6))))


def _facts(path: str | PathLike[str], description: str) -> dict[str, Any]:
    told = json.loads(description)
    names = ("architecture", "task", "parameters", "file_bytes", "packed_bytes", "width", "layers", "vocabulary")
    return {"file": Path(path).name, **{name: told[name] for name in (*names, "context", "classes", "tensor_types")}}
