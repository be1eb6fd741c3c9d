"""The simplest neighbours of a model that writes free text: the prompt's own first words, or always the same answer.

Enters: training completions, a prompt. Leaves: answers.
Not here: timing (cost.py measures ``open_lead`` and ``open_constant`` like any other subject), the nearest row
(nearest.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median

from smallwright.errors import DataError

LEAD_NAME = "the prompt's first words"
CONSTANT_NAME = "the most frequent completion"


def count_lead(completions: Sequence[str]) -> int:
    """How many words ``lead`` copies: the median of the training completions, at least 1.

    Raises:
        DataError: there are none.
    """
    if not completions:
        raise DataError("a median needs at least one completion. Got none.")
    return max(1, round(median(len(text.split()) for text in completions)))


def most_frequent(completions: Sequence[str]) -> str:
    """The most frequent completion; the first of equals.

    Raises:
        DataError: there are none.
    """
    if not completions:
        raise DataError("the most frequent of completions needs at least one. Got none.")
    return Counter(completions).most_common(1)[0][0]


def open_lead(words: int) -> Callable[[str], str]:
    """A callable that answers with the first ``words`` words of the prompt, single spaces between them."""
    return lambda prompt: " ".join(prompt.split(maxsplit=words)[:words])


def open_constant(text: str) -> Callable[[str], str]:
    """A callable that always answers the same."""
    return lambda prompt: text
