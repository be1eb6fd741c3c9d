"""The temperature that makes a classifier's confidence honest.

Enters: logits and labels of rows that were not trained on. Leaves: one number, by which logits are divided.
Not here: measuring calibration (evaluate/).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import DataError

LOWEST, HIGHEST = 0.05, 20.0
_GOLDEN = (5**0.5 - 1) / 2


def negative_log_likelihood(logits: NDArray[np.floating], labels: NDArray[np.integer], temperature: float) -> float:
    """Mean of minus log softmax(logits / temperature) at the label, in nats.

    Args:
        logits: (N, C).
        labels: (N,) in 0..C-1.
        temperature: above 0.
    """
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    return float(np.mean(np.log(np.exp(scaled).sum(axis=1)) - scaled[np.arange(len(labels)), labels]))


def fit_temperature(logits: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """The temperature with the least negative log-likelihood, by golden-section search over its logarithm.

    The likelihood is convex in 1 / temperature, so there is one minimum.

    Args:
        logits: (N, C), finite, N at least 1, of held-out rows.
        labels: (N,) in 0..C-1.
    Returns:
        A value in [LOWEST, HIGHEST], exact to about 1e-4; an end of that range where the minimum lies outside (all
        rows right: any sharper is better; no better than chance: any flatter is).
    Raises:
        DataError: there are no rows, or a logit is not finite.
    Source: Guo et al., arXiv:1706.04599, section 4.2.
    """
    if not len(labels) or len(labels) != len(logits) or not np.isfinite(logits).all():
        raise DataError(
            f"calibration needs finite logits and a label for each row. Got {len(logits)} rows of logits, "
            f"{len(labels)} labels. Give held-out rows."
        )
    low, high = np.log(LOWEST), np.log(HIGHEST)

    def cost(log_temperature: float) -> float:
        return negative_log_likelihood(logits, labels, float(np.exp(log_temperature)))

    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = cost(left), cost(right)
    while high - low > 1e-4:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = cost(right)
    return float(np.clip(np.exp((low + high) / 2), LOWEST, HIGHEST))
