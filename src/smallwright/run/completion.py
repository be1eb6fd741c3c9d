"""The answer of a package that generates text.

Enters: what the engine says of a request. Leaves: ``Completion``, or the error that it is.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from smallwright.errors import EngineError, PackageError
from smallwright.spec.package import KEY_ANSWER_CALIBRATION


@dataclass(frozen=True)
class Completion:
    """The answer to one prompt.

    Args:
        text: what was generated, without the prompt and without a stop string.
        tokens: of the text, the end token left out.
        ending: ``end_token``, ``stop_string``, ``complete`` (a constraint is satisfied), ``max_tokens``, ``context``,
            ``incomplete`` (a constraint is not satisfied: the limit came first) or ``cancelled``.
        log_probabilities: natural logarithms, of each token under the model's own distribution (before temperature,
            penalty and constraint); 0 for tokens that a constraint forced. Empty unless ``confidence`` was asked for.
        entropies: of those distributions, in nats; 0 where forced. Empty likewise.
        guessed: tokens guessed by prompt lookup; ``guessed_right``: those that stood.
        forced: tokens that a constraint left no choice about.
        prompt_cached: tokens of the prompt that were not computed again.
        probability: that the answer is right, 0 to 1: how often answers as sure as this one were exactly right on the
            rows that the package was calibrated on. None where it was not, where confidence was not asked for, for
            answers that were cut short, and for others than greedy ones under the package's own schema.
    """

    text: str
    tokens: list[int]
    ending: str
    log_probabilities: list[float]
    entropies: list[float]
    guessed: int
    guessed_right: int
    forced: int
    prompt_cached: int
    probability: float | None = None

    @property
    def whole(self) -> bool:
        """Whether the text ended by itself, not because a limit came."""
        return self.ending in ("end_token", "stop_string", "complete")

    @property
    def chosen(self) -> list[float]:
        """Log-probabilities of the tokens that were chosen, not forced."""
        return [
            value for value, entropy in zip(self.log_probabilities, self.entropies, strict=True) if value or entropy
        ]

    @property
    def confidence(self) -> float | None:
        """Geometric mean of the chosen tokens' probabilities, 0 to 1; None unless it was asked for."""
        if not self.log_probabilities:
            return None
        return math.exp(sum(self.chosen) / len(self.chosen)) if self.chosen else 1.0

    @property
    def least_confidence(self) -> float | None:
        """The smallest probability of a chosen token, 0 to 1; None unless it was asked for."""
        if not self.log_probabilities:
            return None
        return math.exp(min(self.chosen, default=0.0))


@dataclass(frozen=True)
class AnswerCalibration:
    """How the probability of an answer follows from its tokens' log-probabilities; ``KEY_ANSWER_CALIBRATION``."""

    slope: float
    offset: float

    def probability(self, chosen: Sequence[float]) -> float:
        """That an answer is right, 0 to 1, by the log-probabilities of its chosen tokens."""
        log_odds = self.slope * sum(chosen) + self.offset
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, log_odds))))


def read_calibration(text: str) -> AnswerCalibration | None:
    """The calibration that a package holds; None where it holds none.

    Raises:
        PackageError: the text is something else.
    """
    if not text:
        return None
    try:
        found = json.loads(text)
        return AnswerCalibration(float(found["slope"]), float(found["offset"]))
    except (ValueError, TypeError, KeyError) as error:
        raise PackageError(
            f"{KEY_ANSWER_CALIBRATION} must be JSON with slope and offset. Got {text[:80]!r}. Build the package again.",
            "bad_value",
        ) from error


def read_result(result: dict[str, Any], calibration: AnswerCalibration | None = None) -> Completion:
    """The answer that the engine's result is.

    Args:
        result: as the engine gives it.
        calibration: the package's, where it has one.

    Raises:
        EngineError: the request failed.
    """
    kind, message = result.pop("error_kind"), result.pop("error")
    if result["ending"] == "failed":
        raise EngineError(message, kind)
    answer = Completion(**result)
    if calibration is None or not answer.log_probabilities or not answer.whole:
        return answer
    return replace(answer, probability=calibration.probability(answer.chosen))


def demand_whole(answer: Completion, index: int = 0) -> Completion:
    """The same answer.

    Raises:
        EngineError: it is constrained and was cut short (kind ``incomplete``).
    """
    if answer.ending == "incomplete":
        raise EngineError(
            f"a constrained answer must be whole. Got the limit of max_tokens or of the context after "
            f"{len(answer.tokens)} tokens of answer {index}. Raise max_tokens, or shorten the prompt.",
            "incomplete",
        )
    return answer
