"""What a teacher's answer says: the probability of each class, or nothing that can be read.

Enters: the text of an answer, and where offered the probabilities of its first token. Leaves: log-probabilities (C,).
Not here: asking (asking.py), the wording of questions (questions.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from smallwright.teacher.endpoint import Answer
from smallwright.teacher.questions import Questions

# Below this share of the first token's probability on the classes' letters, the answer is not one of them yet.
LEAST_MASS = 0.5
# No class is impossible: a server shows only the most probable tokens, rounded.
FLOOR = 1e-6
_AROUND = " \t\r\n.:;,!()[]{}<>*_`'\""
# Some models reason aloud first, in the answer itself.
_REASONING = re.compile(r"\s*<think>.*?</think>", re.DOTALL)
_LABELLED = re.compile(r"(?:the\s+)?(?:class|answer|label|category)\s*(?:is|[:=])?\s+(?=\S)", re.IGNORECASE)
_LETTER_FIRST = re.compile(r"[(\[*`'\"]*([A-Z])[.):\]*`'\"-]+(?:\s|$)")


@dataclass(frozen=True)
class Reading:
    """``log_probabilities`` (C,) float32; ``from_tokens``: they are the server's own, not only a class and a trust."""

    log_probabilities: NDArray[np.float32]
    from_tokens: bool


def read_answer(answer: Answer, questions: Questions, *, trust: float) -> Reading | None:
    """Make an answer a distribution over the classes.

    The first token's probabilities count where the letters of the classes have most of them; else the class that the
    text names, with ``trust``.

    Args:
        trust: probability of the named class, above 0.5 and below 1; the others share the rest evenly.
    Returns:
        None where neither says anything.
    """
    if questions.by_letters and answer.top is not None:
        found = read_probabilities(answer.top, questions.codes)
        if found is not None:
            return Reading(np.log(found).astype(np.float32), from_tokens=True)
    named = find_class(answer.text, questions)
    return None if named is None else Reading(name_class(named, len(questions.labels), trust), from_tokens=False)


def read_probabilities(top: Sequence[tuple[str, float]], codes: Sequence[str]) -> NDArray[np.float64] | None:
    """The classes' probabilities from the most probable first tokens.

    Args:
        top: tokens with their natural log-probabilities; several may spell one code (``A``, `` A``).
        codes: (C,) one letter each.
    Returns:
        (C,) summing to 1, none below about ``FLOOR``; None where the codes together have less than ``LEAST_MASS``. A
        class that is not shown gets an even share of the probability that is not shown, but never more than the least
        of those shown.
    """
    number = {code: index for index, code in enumerate(codes)}
    found = np.zeros(len(codes))
    shown = np.exp(np.minimum([value for _, value in top], 0.0)) if top else np.zeros(0)
    for (token, _), share in zip(top, shown, strict=True):
        index = number.get(token.strip("\u2581\u0120" + _AROUND))
        if index is not None:
            found[index] += share
    if found.sum() < LEAST_MASS:
        return None
    absent = found == 0
    if absent.any():
        found[absent] = min(float(shown.min()), max(0.0, 1.0 - float(shown.sum())) / int(absent.sum()))
    found = np.maximum(found / found.sum(), FLOOR)
    return found / found.sum()


def strip_reasoning(text: str) -> str:
    """An answer without what some models think aloud before it."""
    return _REASONING.sub("", text, count=1) if _REASONING.match(text) else text


def find_class(text: str, questions: Questions) -> int | None:
    """The class that an answer's text names: by its letter or by its name, exactly, else whatever the case.

    Names also count with blanks for hyphens and underscores, where that leaves them different.
    """
    text = strip_reasoning(text)
    lines = [line for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return None
    for candidate in (text.strip(), lines[0].strip()):
        for words in (candidate, _LABELLED.sub("", candidate, count=1) if _LABELLED.match(candidate) else None):
            found = None if words is None else _match(words, questions)
            if found is not None:
                return found
    return None


def name_class(number: int, classes: int, trust: float) -> NDArray[np.float32]:
    """(C,) log-probabilities of a class that is named without any: ``trust`` for it, the rest evenly for the others."""
    spread: NDArray[np.float32] = np.full(classes, np.log((1.0 - trust) / (classes - 1)), dtype=np.float32)
    spread[number] = np.log(trust)
    return spread


def _match(words: str, questions: Questions) -> int | None:
    bare = words.strip(_AROUND)
    if questions.by_letters:
        letter = bare if len(bare) == 1 else None
        first = _LETTER_FIRST.match(words)
        letter = first.group(1) if first else letter
        if letter is not None and letter.upper() in questions.codes:
            return questions.codes.index(letter.upper())
    for same in (str, str.casefold, _flatten):
        names = [same(label) for label in questions.labels]
        for given in (same(words), same(bare)):
            if names.count(given) == 1:
                return names.index(given)
    return None


def _flatten(name: str) -> str:
    return " ".join(re.split(r"[\s_-]+", name.casefold())).strip()
