"""How the learning rate moves over a run.

Enters: a step and the run's length. Leaves: the factor that the peak learning rate is multiplied by.
Not here: the optimizer.
"""

from __future__ import annotations

import math

from smallwright.errors import RecipeError

SCHEDULES = ("linear", "cosine", "constant")


def learning_rate_factor(step: int, *, total_steps: int, warmup_steps: int, schedule: str) -> float:
    """The learning rate of a step, as a share of the peak.

    Rises by equal parts over the first ``warmup_steps`` steps, the last of which is at the peak (no step is spent at
    zero), then falls to zero at ``total_steps``: in a straight line, along half a cosine, or not at all (``constant``).

    Args:
        step: 0-based, below ``total_steps``.
        total_steps: at least 1.
        warmup_steps: 0 to ``total_steps``.
        schedule: one of ``SCHEDULES``.
    Returns:
        A factor in [0, 1].
    Raises:
        RecipeError: the schedule is unknown.
    """
    if schedule not in SCHEDULES:
        raise RecipeError(f"schedule must be one of {', '.join(SCHEDULES)}. Got {schedule!r}. Use one of these.")
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    if schedule == "constant":
        return 1.0
    progress = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
    return 1.0 - progress if schedule == "linear" else 0.5 * (1.0 + math.cos(math.pi * progress))
