"""A text given to a session at once or in parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smallwright.run import _engine


def append_in_parts(session: _engine.Session, tokens: NDArray[np.int32], parts: Sequence[int]) -> NDArray[np.float32]:
    """(tokens, vocabulary) float32 logits of ``tokens``, appended ``parts`` at a time; these sum to their number."""
    logits, at = [], 0
    for size in parts:
        logits.append(session.append(tokens[at : at + size], True))
        at += size
    return np.concatenate(logits)
