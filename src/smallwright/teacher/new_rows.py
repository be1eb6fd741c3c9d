"""New training rows from a teacher behind an endpoint: written class by class, filtered, and labelled again.

Enters: training rows as seeds, texts that must not come out, the questions that ask for a class. Leaves: rows, and what
became of all that was written.
Not here: asking (asking.py), the rows' place among the others (pipeline/enlarge.py).

Only training rows are shown to the server; the texts to avoid are compared here.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smallwright.data.row import Row
from smallwright.data.similar import similarity
from smallwright.data.splits import make_key, normalise
from smallwright.teacher.asking import Tally, ask_each
from smallwright.teacher.endpoint import Answer, EndpointError, write_body
from smallwright.teacher.endpoint_settings import EndpointSettings, NewRowsSettings
from smallwright.teacher.journal import Journal
from smallwright.teacher.labelling import answer_texts
from smallwright.teacher.questions import Questions
from smallwright.teacher.reading import strip_reasoning

MOST_ROUNDS = 3  # times the requests that would do if every text were kept
LONGEST = 2.0  # times the longest training row of any class
_NUMBERED = re.compile(r"\s*(?:[-*\u2022]|\(?\d{1,4}[.):])\s+")
_QUOTES = {'"': '"', "'": "'", "`": "`", "\u201c": "\u201d", "\u2018": "\u2019", "\u00ab": "\u00bb"}
FATES = ("held_out", "repeated", "similar", "too_long", "unread", "disagreed", "surplus", "kept")
"""What can become of a text that was written, in the order in which it is looked at."""


@dataclass
class NewRows:
    """Rows that the teacher wrote and labelled alike.

    Attributes:
        rows: class by class, in the order of the labels.
        requests: how many lists were asked for.
        fates: texts by what became of them, see ``FATES``; they sum to those written.
        missing: rows that a class lacks, by label; only those that lack some.
    """

    rows: list[Row] = field(default_factory=list)
    requests: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    missing: dict[str, int] = field(default_factory=dict)


def write_rows(
    seeds: Sequence[Row],
    questions: Questions,
    *,
    held_out: Collection[str],
    known: Collection[str] = (),
    settings: EndpointSettings,
    journal: Journal,
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> NewRows:
    """Have rows written until every class has its number, or ``MOST_ROUNDS`` times the requests needed are spent.

    Args:
        seeds: the training rows, with labels.
        questions: ask for the class of a text; a text is kept when the teacher gives it the class it wrote it for.
        held_out: texts of validation, test and out of scope: what is like them is left out, for nobody may learn it.
        known: other texts that are there already.
        settings: with ``new_rows``.
        journal: open, and nobody else's; with it a killed call goes on where it was.
        seed: chooses the rows that are shown.
    Raises:
        EndpointError: the server refuses, cannot be reached, or no row could be kept.
        RecipeError: the key's variable is not set.
    """
    wish = settings.new_rows
    assert wish is not None  # the caller asks only for a recipe with it
    work = _Work(seeds, questions, held_out, known, settings, wish, journal, seed)
    rounds = MOST_ROUNDS * -(-wish.per_class // wish.at_once)
    for turn in range(rounds):
        lacking = [label for label in questions.labels if len(work.kept[label]) < wish.per_class]
        if not lacking:
            break
        say(f"new rows, round {turn + 1} of at most {rounds}: {len(lacking)} classes lack some")
        work.run(turn, lacking)
    found = work.found
    found.rows = [Row(text, label=label) for label in questions.labels for text in work.kept[label]]
    found.missing = {
        label: wish.per_class - len(texts) for label, texts in work.kept.items() if len(texts) < wish.per_class
    }
    if not found.rows:
        told = ", ".join(f"{count} {fate}" for fate, count in found.fates.items()) or "no text at all"
        raise EndpointError(
            f"a teacher that writes rows must agree with itself on some. Got none of {found.requests} lists: {told}. "
            "Word teacher.new_rows.instruction and teacher.descriptions more plainly, or use another model."
        )
    return found


def word_request(label: str, shown: Sequence[str], labels: Sequence[str], settings: EndpointSettings) -> str:
    """The prompt that asks for one class's texts.

    Args:
        shown: training rows of the class.
        labels: all classes.
        settings: with ``new_rows``.
    """
    wish = settings.new_rows
    assert wish is not None  # nothing is asked without it
    parts = [wish.instruction, "", "The classes:"]
    parts += [f"- {name}: {settings.descriptions[name]}" if name in settings.descriptions else f"- {name}"
              for name in labels]  # fmt: skip
    parts += ["", f"Texts of the class {label!r}, for example:"] if shown else []
    parts += [f"- {' '.join(text.split())}" for text in shown]
    parts += [
        "",
        f"Write {wish.at_once} {'other ' if shown else ''}texts that belong to the class {label!r} and to no other. "
        "Write each on a line of its own, without numbers and without comments.",
    ]
    return "\n".join(parts)


def read_lines(answer: Answer) -> list[str]:
    """The texts of a list: its lines, without numbers, bullets and quotation marks.

    Where most lines are numbered the others are talk; a line that ends in a colon introduces the list; the last line of
    an answer that was cut short is left out.
    """
    lines = [line for line in strip_reasoning(answer.text).splitlines() if line.strip()]
    if answer.cut:
        lines = lines[:-1]
    numbered = [line for line in lines if _NUMBERED.match(line)]
    if 2 * len(numbered) > len(lines):
        lines = [_NUMBERED.sub("", line, count=1) for line in numbered]
    elif lines and lines[0].rstrip().endswith(":"):
        lines = lines[1:]
    return [text for line in lines if (text := _unquote(line.strip()))]


def _unquote(text: str) -> str:
    return text[1:-1].strip() if len(text) > 1 and _QUOTES.get(text[0]) == text[-1] else text


class _Work:
    """What is written and kept so far. Everything goes by the order of labels and lines, never by that of arrival."""

    def __init__(
        self,
        seeds: Sequence[Row],
        questions: Questions,
        held_out: Collection[str],
        known: Collection[str],
        settings: EndpointSettings,
        wish: NewRowsSettings,
        journal: Journal,
        seed: int,
    ) -> None:
        self.questions, self.settings, self.wish, self.journal, self.seed = questions, settings, wish, journal, seed
        self.seeds: dict[str, list[str]] = {label: [] for label in questions.labels}
        for row in seeds:
            self.seeds[str(row.label)].append(row.text)
        self.there = [*(row.text for row in seeds), *known]
        self.keys = {make_key(text) for text in self.there}
        self.held_out = sorted(held_out)
        self.held_out_keys = {make_key(text) for text in self.held_out}
        self.longest = LONGEST * max(len(row.text) for row in seeds)
        self.kept: dict[str, list[str]] = {label: [] for label in questions.labels}
        self.found = NewRows()

    def run(self, turn: int, labels: Sequence[str]) -> None:
        """One request a class, and what comes of it."""
        bodies = {f"{label} {turn}": self._word(label, turn) for label in labels}
        tally = Tally(lambda answer: bool(read_lines(answer)), total=len(bodies))
        answers = ask_each(
            list(bodies), lambda name: bodies[name], tally, settings=self.settings, journal=self.journal, apart=True
        )
        self.found.requests += len(bodies)
        self._label_again(
            self._sift([(label, text) for label in labels for text in read_lines(answers[f"{label} {turn}"])])
        )

    def _word(self, label: str, turn: int) -> bytes:
        rng = np.random.default_rng([self.seed, self.questions.labels.index(label), turn])
        drawn = rng.permutation(len(self.seeds[label]))[: self.wish.shown]
        prompt = word_request(
            label, [self.seeds[label][index] for index in drawn], self.questions.labels, self.settings
        )
        fields: dict[str, Any] = {
            "model": self.settings.model,
            "temperature": self.wish.temperature,
            "max_tokens": self.wish.max_tokens,
            "seed": turn,
        }
        if self.settings.api == "completions":
            fields["prompt"] = prompt + "\n"
        else:
            fields["messages"] = [{"role": "user", "content": prompt}]
        return write_body({name: part for name, part in {**fields, **self.settings.extra}.items() if part is not None})

    def _sift(self, written: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Of (label, text) those that are new and not held out; each counts as there from now on."""
        texts = [text for _, text in written]
        near, near_held_out = similarity(texts, self.there), similarity(texts, self.held_out)
        passed: list[tuple[str, str]] = []
        words: list[frozenset[str]] = []
        for (label, text), like, like_held_out in zip(written, near, near_held_out, strict=True):
            key, own = make_key(text), frozenset(normalise(text).split())
            if key in self.held_out_keys or like_held_out > self.wish.most_similar:
                fate = "held_out"
            elif key in self.keys:
                fate = "repeated"
            elif max([like, *(len(own & other) / len(own | other) for other in words)]) > self.wish.most_similar:
                fate = "similar"
            elif len(text) > self.longest:
                fate = "too_long"
            else:
                self.keys.add(key)
                words.append(own)
                passed.append((label, text))
                continue
            self.found.fates[fate] += 1
        self.there += [text for _, text in passed]
        return passed

    def _label_again(self, candidates: Sequence[tuple[str, str]]) -> None:
        if not candidates:
            return
        texts = [text for _, text in candidates]
        answered = answer_texts(texts, self.questions, settings=self.settings, journal=self.journal, refuses=False)
        for (label, text), read, logits in zip(candidates, answered.read, answered.log_probabilities, strict=True):
            if not read:
                fate = "unread"
            elif self.questions.labels[int(logits.argmax())] != label:
                fate = "disagreed"
            elif len(self.kept[label]) >= self.wish.per_class:
                fate = "surplus"
            else:
                fate = "kept"
                self.kept[label].append(text)
            self.found.fates[fate] += 1
