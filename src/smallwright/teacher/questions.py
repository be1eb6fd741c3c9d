"""The questions that a teacher behind an endpoint is asked: one prompt for each text.

Enters: labels, a few training rows, settings. Leaves: the body of a request for each text.
Not here: sending it (endpoint.py), what an answer means (reading.py).
"""

from __future__ import annotations

import difflib
import hashlib
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smallwright.data.row import Row
from smallwright.errors import RecipeError
from smallwright.teacher.endpoint_settings import EndpointSettings

INSTRUCTION = "Classify the text into exactly one of the classes below."
_LETTER_TOKENS, _LEAST_NAME_TOKENS = 8, 16


@dataclass(frozen=True)
class Questions:
    """How a text becomes a question.

    Attributes:
        labels: (C,) the classes, in the order of the student's head.
        codes: (C,) what stands for each class in question and answer: letters, or the labels themselves.
        head: instruction and classes, before everything else.
        examples: texts with the codes of their labels.
        api: ``chat`` or ``completions``.
        fields: of the request's body, beside the prompt.
    """

    labels: tuple[str, ...]
    codes: tuple[str, ...]
    head: str
    examples: tuple[tuple[str, str], ...]
    api: str
    fields: Mapping[str, Any]

    @property
    def by_letters(self) -> bool:
        """Whether letters stand for the classes, so that one token's probabilities are those of the classes."""
        return self.codes != self.labels

    def ask(self, text: str) -> dict[str, Any]:
        """The body of the request for one text. A text that is itself an example is not shown its own label."""
        shown = [(other, code) for other, code in self.examples if other != text]
        if self.api == "completions":
            blocks = [f"Text: {_one_line(other)}\nClass: {code}" for other, code in shown]
            prompt = "\n\n".join([self.head, *blocks, f"Text: {_one_line(text)}\nClass:"])
            return {"prompt": prompt, **self.fields}
        # No system message: some models' chat templates refuse one.
        turns = [*(turn for other, code in shown for turn in (f"Text: {other}", code)), f"Text: {text}"]
        turns[0] = f"{self.head}\n\n{turns[0]}"
        roles = ("user", "assistant")
        messages = [{"role": roles[index % 2], "content": turn} for index, turn in enumerate(turns)]
        return {"messages": messages, **self.fields}

    def count_chars(self, text: str) -> int:
        """Characters of the prompt of one text."""
        body = self.ask(text)
        return len(body["prompt"]) if "prompt" in body else sum(len(turn["content"]) for turn in body["messages"])


def make_questions(
    settings: EndpointSettings, labels: Sequence[str], rows: Sequence[Row], *, seed: int = 0
) -> Questions:
    """Word the questions for a task.

    Args:
        settings: the recipe's ``teacher``.
        labels: (C,) the classes, two or more.
        rows: the training rows, of which ``settings.examples`` are shown.
        seed: chooses those.
    Raises:
        RecipeError: a description is of no class.
    """
    for name in settings.descriptions:
        if name not in labels:
            near = difflib.get_close_matches(name, labels, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"The first classes are {', '.join(labels[:5])}."
            raise RecipeError(f"teacher.descriptions must name classes of the data. Got {name!r}. {remedy}")
    codes = _choose_codes(settings, labels)
    by_letters = codes != tuple(labels)
    lines = []
    for label, code in zip(labels, codes, strict=True):
        line = f"{code}. {label}" if by_letters else f"- {label}"
        lines.append(f"{line}: {settings.descriptions[label]}" if label in settings.descriptions else line)
    wish = "the letter of the class" if by_letters else "the name of the class, exactly as it is written above"
    head = "\n".join([settings.instruction or INSTRUCTION, "", *lines, "", f"Answer with {wish}, and nothing else."])
    code_of = dict(zip(labels, codes, strict=True))
    examples = choose_examples(rows, settings.examples, seed=seed)
    return Questions(
        labels=tuple(labels),
        codes=codes,
        head=head,
        examples=tuple((row.text, code_of[str(row.label)]) for row in examples),
        api=settings.api,
        fields=_make_fields(settings, codes, by_letters),
    )


def choose_examples(rows: Sequence[Row], count: int, *, seed: int) -> list[Row]:
    """Rows to show, the classes in turn: each has one before any has two.

    Args:
        rows: with labels.
        count: how many, 0 or more; fewer come where there are fewer rows.
        seed: chooses them. A row more or less seldom changes the choice, which stands in every request: their answers
            would have to be asked for again.
    """
    by_class: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: _draw(seed, row.text)):
        by_class.setdefault(str(row.label), []).append(row)
    turns = list(by_class)  # in the order of the first one drawn
    chosen: list[Row] = []
    for turn in range(max(map(len, by_class.values()), default=0)):
        chosen += [by_class[label][turn] for label in turns if turn < len(by_class[label])]
        if len(chosen) >= count:
            break
    return chosen[:count]


def _draw(seed: int, text: str) -> bytes:
    """A number of a text's own, as if drawn."""
    return hashlib.blake2b(f"{seed} {text}".encode(), digest_size=16).digest()


def _choose_codes(settings: EndpointSettings, labels: Sequence[str]) -> tuple[str, ...]:
    """Letters where their probabilities can be had and no label is a letter itself; else the labels."""
    letters = string.ascii_uppercase[: len(labels)]
    mistakable = any(len(label.strip()) == 1 and label.strip().isalpha() for label in labels)
    if settings.top_logprobs is None or len(labels) > len(letters) or mistakable:
        return tuple(labels)
    return tuple(letters)


def _make_fields(settings: EndpointSettings, codes: Sequence[str], by_letters: bool) -> dict[str, Any]:
    longest = _LETTER_TOKENS if by_letters else max(_LEAST_NAME_TOKENS, *(len(code.encode()) + 8 for code in codes))
    fields: dict[str, Any] = {"model": settings.model, "temperature": 0, "max_tokens": longest}
    if settings.api == "completions":
        fields["stop"] = ["\n"]
    if by_letters and settings.top_logprobs is not None:
        chat = {"logprobs": True, "top_logprobs": settings.top_logprobs}
        fields |= chat if settings.api == "chat" else {"logprobs": settings.top_logprobs}
    return {name: value for name, value in {**fields, **settings.extra}.items() if value is not None}


def _one_line(text: str) -> str:
    return " ".join(text.split())
