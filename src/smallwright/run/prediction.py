"""The answer of a package with classes.

Enters: logits. Leaves: ``Prediction``. Imported with the first classification: generating text needs no arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer to one text.

    ``confidence`` is the calibrated probability of ``label``; ``truncated`` tells that the text was longer than the
    model's context and was cut at its end.
    """

    label: str
    confidence: float
    truncated: bool
    labels: tuple[str, ...]
    values: NDArray[np.float32]

    @property
    def probabilities(self) -> dict[str, float]:
        """Every label with its calibrated probability, in the package's order."""
        return {label: float(value) for label, value in zip(self.labels, self.values, strict=True)}


def read_logits(
    logits: NDArray[np.float32], truncated: Sequence[bool], labels: tuple[str, ...], temperature: float
) -> list[Prediction]:
    """The answers that logits (N, C) float32 give at a calibration temperature."""
    probabilities = _softmax(logits / np.float32(temperature))
    return [
        Prediction(labels[int(np.argmax(row))], float(np.max(row)), cut, labels, row)
        for row, cut in zip(probabilities, truncated, strict=True)
    ]


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: NDArray[np.float32] = shifted / shifted.sum(axis=-1, keepdims=True)
    return out
