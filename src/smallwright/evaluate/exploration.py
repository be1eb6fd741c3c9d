"""What an exploration found: many ways of storing one student, each a package that was measured.

Enters: numbers of each way. Leaves: one frozen value with both Pareto fronts, and the same as plain JSON values.
Not here: writing and measuring the packages (pipeline/explore.py), the page (report/explore_page.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from smallwright.evaluate.pareto import pareto_front

SCHEMA = "smallwright.exploration/1"


@dataclass(frozen=True)
class Measure:
    """What answers are judged by.

    Attributes:
        name: accuracy, exactly right, or perplexity.
        unit: what one value is of: a row or a token.
        more_is_better: whether it is a share of right answers (0 to 1); else the exponential of mean nats.
    """

    name: str
    unit: str
    more_is_better: bool


@dataclass(frozen=True)
class Point:
    """One way and its package.

    Attributes:
        name: of the way, for people.
        method: by which it is chosen.
        steps: as a recipe's ``compress`` list.
        own: whether the recipe itself stores the student so.
        sha256, size_bytes: of the package.
        score: of the measure; ``low`` and ``high``: its 95 % interval.
        lost: how much worse than the reference on the same rows: share of right answers, or nats a token.
        lost_error: half the width of its 95 % interval (normal approximation, paired).
        ms: median of a text, an answer or a new token, one thread; None: too few tokens to tell.
            ``ms_low``, ``ms_high``: least and largest median of a round; None: not known of tokens.
        added_rss_bytes: what opening and answering added to a process; None: not measured.
        seconds: processor time of coding, writing and calibrating the package.
    """

    name: str
    method: str
    steps: Sequence[Mapping[str, Any]]
    own: bool
    sha256: str
    size_bytes: int
    score: float
    low: float
    high: float
    lost: float
    lost_error: float
    ms: float | None
    ms_low: float | None
    ms_high: float | None
    added_rss_bytes: int | None
    seconds: float


@dataclass(frozen=True)
class Exploration:
    """All ways of one student.

    Attributes:
        name: of the recipe.
        measure: what answers are judged by.
        rows: validation rows behind every score; ``values``: rows or tokens scored.
        timed: what ``ms`` is of, for people.
        reference: name of the way that ``lost`` is against.
        points: in the order in which they were made.
        left_out: ways that were not made, with the reason.
        machine: where it was measured.
    """

    name: str
    measure: Measure
    rows: int
    values: int
    timed: str
    reference: str
    points: Sequence[Point]
    left_out: Mapping[str, str]
    machine: Mapping[str, Any]

    def front(self, cost: str) -> list[bool]:
        """By point, whether none is both better and cheaper; ``cost`` is ``size_bytes`` or ``ms``.

        A point without a measured cost is not on the front.
        """
        sign = -1 if self.measure.more_is_better else 1
        known = [index for index, point in enumerate(self.points) if getattr(point, cost) is not None]
        found = pareto_front([(getattr(self.points[index], cost), sign * self.points[index].score) for index in known])
        best = {index for index, on in zip(known, found, strict=True) if on}
        return [index in best for index in range(len(self.points))]

    def to_document(self) -> dict[str, Any]:
        """Plain values for JSON; each point says on which fronts it is."""
        fronts = {cost: self.front(cost) for cost in ("size_bytes", "ms")}
        told = asdict(self)
        for index, point in enumerate(told["points"]):
            point["on_front"] = [cost for cost, front in fronts.items() if front[index]]
        return {"schema": SCHEMA, "judged_on": "validation rows", **told}
