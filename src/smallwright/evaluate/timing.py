"""How long one call takes: the same protocol for the package, the teacher and every baseline.

Enters: a callable and the texts to call it with, in order. Leaves: a ``Latency``.
Not here: processes (worker.py, cost.py).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smallwright.errors import DataError


@dataclass(frozen=True)
class Latency:
    """Wall time of single calls, over all texts of all rounds.

    ``round_p50_min_ms`` and ``round_p50_max_ms`` are the smallest and largest median of one round: how much the machine
    itself wavered.
    """

    texts: int
    rounds: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float
    min_ms: float
    max_ms: float
    round_p50_min_ms: float
    round_p50_max_ms: float


def time_round(function: Callable[[str], Any], texts: Sequence[str]) -> list[int]:
    """Call the function once a text, in order; the garbage collector waits. Returns nanoseconds a call."""
    clock = time.perf_counter_ns
    gc.collect()
    collecting = gc.isenabled()
    gc.disable()
    try:
        taken = []
        for text in texts:
            start = clock()
            function(text)
            taken.append(clock() - start)
        return taken
    finally:
        if collecting:
            gc.enable()


def summarise(rounds: Sequence[Sequence[int]]) -> Latency:
    """Percentiles (linear interpolation) over every call of every round.

    Args:
        rounds: (R, N) nanoseconds, R and N at least 1.
    Raises:
        DataError: nothing was timed.
    """
    if not rounds or not all(rounds):
        raise DataError("a latency needs at least one round over at least one text. Got none.")
    taken_ms = np.concatenate([np.asarray(taken, dtype=np.float64) for taken in rounds]) / 1e6
    medians = [float(np.median(taken)) / 1e6 for taken in rounds]
    p50, p95, p99 = (float(value) for value in np.percentile(taken_ms, [50, 95, 99]))
    return Latency(
        texts=len(rounds[0]),
        rounds=len(rounds),
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        mean_ms=float(taken_ms.mean()),
        min_ms=float(taken_ms.min()),
        max_ms=float(taken_ms.max()),
        round_p50_min_ms=min(medians),
        round_p50_max_ms=max(medians),
    )


def time_calls(function: Callable[[str], Any], texts: Sequence[str], rounds: int = 5) -> Latency:
    """Time single calls: one warm-up pass over all texts, then ``rounds`` timed passes in the same order.

    Args:
        function: called with one text.
        texts: one or more.
        rounds: one or more.
    Raises:
        DataError: no texts, or no rounds.
    """
    time_round(function, texts)
    return summarise([time_round(function, texts) for _ in range(rounds)])
