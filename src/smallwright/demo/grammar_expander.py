"""The small template language of the demo grammar: compact strings in, sentences out.

What enters: a template with ``{slot}``, ``[optional]``, ``(one|other)`` and weights ``a*3``. What leaves: a text.
Not here: the words themselves (``grammar_slots`` and the frame tables) and the slips of the tongue (``grammar_noise``).
"""

from __future__ import annotations

import bisect
import functools
import random
import re
from typing import NamedTuple, Union

OPTIONAL_SHARE = 0.45
"""How often the text inside square brackets is said."""

MAX_DEPTH = 12
"""Slots inside slots deeper than this are a circle."""


class IntentFrames(NamedTuple):
    """The sentence frames of one intent, one frame a line, by the part of speech that decides what may stand around it.

    Args:
        commands: begin with a bare verb ("turn on ..."), so that "can you" may precede.
        needs: statements that imply the wish ("it's dark in here").
        questions: ask for a fact ("is the door locked").
        fragments: noun phrases and cut-off commands ("kitchen lights").
        reasons: why one would want it, said after a command ("the baby is asleep").
    """

    commands: str = ""
    needs: str = ""
    questions: str = ""
    fragments: str = ""
    reasons: str = ""


class Slot(NamedTuple):
    """A reference to a named table."""

    name: str


class Alternation(NamedTuple):
    """One of several sequences, drawn by cumulative weight."""

    options: tuple[tuple[Node, ...], ...]
    cumulative: tuple[float, ...]


Node = Union[str, Slot, Alternation]  # noqa: UP007 - evaluated at run time on Python 3.10 with a forward reference

_NAMES_OWNING = (
    "(?:emma|jack|leo|mia|sam|lily|tom|anna|ben|ella|max|sophie|oliver|grace|noah"
    "|mum|mom|dad|grandma|grandad|granny|nan)'s"
)
_SPECIAL = re.compile(r"[\[\](){}|]")
_DOUBLED_ARTICLE = re.compile(rf"\bthe (?=(?:the|my|our|{_NAMES_OWNING})\b)")
_A_BEFORE_VOWEL = re.compile(r"\ba (?=[aei]|o(?!ne))")
_WEIGHT = re.compile(r"\*(\d+)\s*$")


def draw(rng: random.Random, count: int) -> int:
    """Draw an integer in [0, count). Only ``random()`` is used, whose stream Python promises never to change."""
    return int(rng.random() * count)


def frame_lines(block: str) -> list[str]:
    """Split a block of frames into its non-empty lines, in order."""
    return [line.strip() for line in block.splitlines() if line.strip()]


@functools.cache
def parse(template: str) -> Alternation:
    """Parse a template once.

    Args:
        template: text; ``{slot}``, ``[optional]``, ``(a|b)``, and ``*n`` at the end of an alternative as its weight.
    Returns:
        The alternation at the top of the template (a frame without ``|`` has one option).
    Raises:
        ValueError: a bracket is not closed, or closes what was never opened.
    """
    node, position = _parse_alternation(template, 0, "")
    if position != len(template):
        raise ValueError(f"brackets must be balanced. Got {template!r} at character {position}. Close each one opened.")
    return node


def _parse_alternation(template: str, position: int, closer: str) -> tuple[Alternation, int]:
    """Parse alternatives up to ``closer`` (not consumed) or the end."""
    options: list[tuple[Node, ...]] = []
    weights: list[float] = []
    sequence: list[Node] = []

    def finish() -> None:
        weight = 1.0
        if sequence and isinstance(sequence[-1], str):
            found = _WEIGHT.search(sequence[-1])
            if found:
                weight = float(found.group(1))
                sequence[-1] = sequence[-1][: found.start()]
        options.append(tuple(sequence))
        weights.append(weight)
        sequence.clear()

    while position < len(template):
        found = _SPECIAL.search(template, position)
        end = found.start() if found else len(template)
        if end > position:
            sequence.append(template[position:end])
        if not found:
            position = end
            break
        mark = found.group()
        position = end + 1
        if mark == "|":
            finish()
        elif mark == "{":
            close = template.find("}", position)
            if close < 0:
                raise ValueError(f"a slot must be closed. Got {template!r} at character {end}. Add a brace.")
            sequence.append(Slot(template[position:close]))
            position = close + 1
        elif mark in "([":
            inner, position = _parse_alternation(template, position, ")" if mark == "(" else "]")
            if position >= len(template):
                raise ValueError(
                    f"brackets must be balanced. Got {template!r} at character {end}. Close each one opened."
                )
            position += 1
            sequence.append(_optional(inner) if mark == "[" else inner)
        else:
            position = end
            if mark != closer:
                raise ValueError(f"brackets must be balanced. Got {template!r} at character {end}. Remove {mark!r}.")
            break
    finish()
    total = 0.0
    cumulative = []
    for weight in weights:
        total += weight
        cumulative.append(total)
    return Alternation(tuple(options), tuple(cumulative)), position


def _optional(inner: Alternation) -> Alternation:
    return Alternation(((), (inner,)), (1.0 - OPTIONAL_SHARE, 1.0))


def frame_weight(frame: str) -> float:
    """The weight written at the end of a frame line; 1 when none is."""
    return parse(frame).cumulative[-1]


class Expander:
    """Turns templates into text with one set of slots.

    Args:
        slots: table name to template; a template may name other slots.
    """

    def __init__(self, slots: dict[str, str]) -> None:
        self._slots = slots

    def expand(self, template: str, rng: random.Random) -> str:
        """Draw one text.

        Args:
            template: see :func:`parse`.
            rng: the only source of chance.
        Returns:
            The text with single spaces, without a space before a comma; may be empty if the template may be.
        Raises:
            KeyError: the template names a slot that does not exist.
            RecursionError: slots name each other in a circle.
        """
        pieces: list[str] = []
        self._walk(parse(template), rng, pieces, 0)
        return tidy("".join(pieces))

    def _walk(self, node: Alternation, rng: random.Random, pieces: list[str], depth: int) -> None:
        if depth > MAX_DEPTH * 4:
            raise RecursionError("slots must not name each other in a circle.")
        options = node.options
        if len(options) == 1:
            sequence = options[0]
        else:
            cumulative = node.cumulative
            sequence = options[bisect.bisect_right(cumulative, rng.random() * cumulative[-1])]
        for item in sequence:
            if isinstance(item, str):
                pieces.append(item)
            elif isinstance(item, Slot):
                self._walk(parse(self._slots[item.name]), rng, pieces, depth + 1)
            else:
                self._walk(item, rng, pieces, depth + 1)


def tidy(text: str) -> str:
    """Collapse runs of spaces, put commas and 'd against the word before them, and mend doubled and wrong articles."""
    text = " ".join(text.split()).replace(" ,", ",").replace(" 's ", "'s ").replace(" 'd ", "'d ").strip(" ,")
    return _A_BEFORE_VOWEL.sub("an ", _DOUBLED_ARTICLE.sub("", text))


def slot_names(template: str) -> list[str]:
    """Every slot that a template names, in order, without looking inside those slots."""
    names: list[str] = []

    def visit(node: Alternation) -> None:
        for sequence in node.options:
            for item in sequence:
                if isinstance(item, Slot):
                    names.append(item.name)
                elif isinstance(item, Alternation):
                    visit(item)

    visit(parse(template))
    return names
