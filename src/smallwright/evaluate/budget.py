"""Ship, or do not ship: each law of the budget against what was measured.

Enters: limits as plain numbers, and measurements. Leaves: a ``Verdict`` with one line a law.
Not here: how anything is measured (cost.py, comparison.py), the process's exit status (cli).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

NO_BUDGET = "no budget given: nothing was judged"


class Budget(Protocol):
    """Limits; None is not judged. ``BudgetSettings`` is one."""

    @property
    def size(self) -> int | None: ...
    @property
    def memory(self) -> int | None: ...
    @property
    def latency_p50(self) -> float | None: ...
    @property
    def latency_p95(self) -> float | None: ...
    @property
    def keep_accuracy(self) -> float | None: ...
    @property
    def min_accuracy(self) -> float | None: ...


@dataclass(frozen=True)
class Measurements:
    """What was measured on the package; None where it was not.

    ``memory_bytes``: resident memory that opening and running the package adds to a process that already imported the
    runtime. Latencies are of one answer on one thread. ``kept_accuracy``: accuracy / teacher's accuracy.
    """

    size_bytes: int | None = None
    memory_bytes: int | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    kept_accuracy: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True)
class BudgetLine:
    """One law. ``bound`` is ``at most`` or ``at least``; ``unit`` is bytes, ms or share."""

    law: str
    bound: str
    limit: float
    measured: float | None
    unit: str
    ok: bool
    note: str


@dataclass(frozen=True)
class Verdict:
    """``ship`` is true when every line is ok. ``note`` says so when nothing was asked."""

    ship: bool
    lines: tuple[BudgetLine, ...]
    note: str

    @property
    def headline(self) -> str:
        """``ship`` or ``do not ship``."""
        return "ship" if self.ship else "do not ship"


# (law, field of Measurements, bound, unit)
_LAWS = (
    ("size", "size_bytes", "at most", "bytes"),
    ("memory", "memory_bytes", "at most", "bytes"),
    ("latency_p50", "latency_p50_ms", "at most", "ms"),
    ("latency_p95", "latency_p95_ms", "at most", "ms"),
    ("keep_accuracy", "kept_accuracy", "at least", "share"),
    ("min_accuracy", "accuracy", "at least", "share"),
)


def judge(budget: Budget | None, measurements: Measurements) -> Verdict:
    """Hold the measurements against the budget.

    Args:
        budget: limits; None, or one without any limit, gives ``ship`` with a note that nothing was judged.
        measurements: of the package. A value that a law needs and that is missing or not a number breaks the law.
    Returns:
        The verdict, with lines in a fixed order.
    """
    lines = []
    for law, field, bound, unit in _LAWS:
        limit = None if budget is None else getattr(budget, law)
        if limit is not None:
            lines.append(_line(law, bound, float(limit), getattr(measurements, field), unit))
    if not lines:
        return Verdict(ship=True, lines=(), note=NO_BUDGET)
    broken = [line.law for line in lines if not line.ok]
    note = f"breaks {', '.join(broken)}" if broken else "every limit is kept"
    return Verdict(ship=not broken, lines=tuple(lines), note=note)


def _line(law: str, bound: str, limit: float, measured: float | None, unit: str) -> BudgetLine:
    if measured is None or math.isnan(measured):
        return BudgetLine(law, bound, limit, None, unit, ok=False, note="not measured, so not kept")
    ok = measured <= limit if bound == "at most" else measured >= limit
    return BudgetLine(law, bound, limit, float(measured), unit, ok=ok, note="")
