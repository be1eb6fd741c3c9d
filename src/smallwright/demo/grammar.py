"""The smart-home grammar: writes the training rows of the embedded demo from frames, word tables, manners and slips.

What enters: how many rows, and a seed. What leaves: ``{"text", "label"}`` rows, balanced over 26 intents, none twice,
and on request the answer to each.
Not here: the hand-written test set, which was written first by someone else and which nothing here has ever read.
"""

from __future__ import annotations

import functools
import math
import random
import re
from typing import NamedTuple

from smallwright.demo import (
    grammar_appliances,
    grammar_climate,
    grammar_covers,
    grammar_doors,
    grammar_household,
    grammar_light_levels,
    grammar_lights,
    grammar_media,
    grammar_out_of_scope,
    grammar_queries,
    grammar_security,
    grammar_slots,
    grammar_style,
    grammar_time,
    grammar_vacuum,
)
from smallwright.demo.answers import Answer, answer_of
from smallwright.demo.grammar_expander import Expander, IntentFrames, draw, frame_lines, frame_weight, tidy
from smallwright.demo.grammar_noise import disturb
from smallwright.errors import DataError

INTENTS: dict[str, str] = {
    "lights_on": "Switch lamps on, or say that it is dark.",
    "lights_off": "Switch lamps off.",
    "brightness_set": "Make lamps brighter or dimmer, or set a level.",
    "color_set": "Give lamps a colour, or a warmer or cooler white.",
    "device_on": "Start an appliance that is not a lamp: fan, television, kettle, heater, plug.",
    "device_off": "Stop an appliance that is not a lamp.",
    "temperature_set": "Make it warmer or cooler inside, or say that one is cold or hot.",
    "temperature_query": "Ask how warm it is inside.",
    "door_lock": "Lock a door.",
    "door_unlock": "Unlock a door, or let somebody in.",
    "cover_open": "Open blinds, curtains, shutters, a garage door; put an awning out.",
    "cover_close": "Close blinds, curtains, shutters, a garage door; take an awning in.",
    "music_play": "Play or resume music or other audio.",
    "music_stop": "Stop or pause music or other audio.",
    "volume_set": "Make the sound louder or quieter, mute it, or set a level.",
    "vacuum_start": "Have the robot vacuum clean, or say that the floor is dirty.",
    "vacuum_stop": "Stop the robot vacuum, or send it to its dock.",
    "timer_set": "Start a countdown.",
    "timer_cancel": "Cancel a countdown.",
    "alarm_set": "Set a wake-up alarm at an hour.",
    "security_arm": "Switch the burglar alarm on.",
    "security_disarm": "Switch the burglar alarm off.",
    "state_query": "Ask whether something is on, off, open, locked or running.",
    "weather_query": "Ask about the weather outside.",
    "scene_activate": "Set a scene: movie night, good night, leaving home, a romantic mood.",
    "shopping_add": "Put something on the shopping list.",
}
"""Each intent and what it means, in the order in which rows are written."""

KINDS = ("commands", "needs", "questions", "fragments")

KIND_WEIGHTS: dict[str, float] = {"commands": 0.40, "needs": 0.33, "questions": 0.62, "fragments": 0.24}
"""How often each kind is spoken, among the kinds that an intent has; only the three query intents have questions."""

REASON_SHARE = 0.08
NEED_AND_COMMAND_SHARE = 0.1
SECOND_THOUGHT_SHARE = 0.006

OUT_OF_SCOPE_LABEL = "out_of_scope"

_NEITHER_LETTER_NOR_DIGIT = re.compile(r"[^a-z0-9 ]+")


class Frame(NamedTuple):
    """One sentence frame of the grammar."""

    label: str
    kind: str
    template: str


def all_frames() -> dict[str, IntentFrames]:
    """Every intent's frames, in the order of ``INTENTS``."""
    modules = (
        grammar_lights,
        grammar_light_levels,
        grammar_appliances,
        grammar_vacuum,
        grammar_climate,
        grammar_queries,
        grammar_doors,
        grammar_covers,
        grammar_media,
        grammar_time,
        grammar_security,
        grammar_household,
    )
    found: dict[str, IntentFrames] = {}
    for module in modules:
        found.update(module.FRAMES)
    return {label: found[label] for label in INTENTS}


def frame_table() -> list[Frame]:
    """Every frame but the reasons, one after another, so that whole frames can be held out."""
    return [
        Frame(label, kind, line)
        for label, frames in all_frames().items()
        for kind in KINDS
        for line in frame_lines(getattr(frames, kind))
    ]


class Sentence(NamedTuple):
    """A sentence, and what of it tells the wish.

    Args:
        text: all that is said.
        telling: the clean texts of the wish in the order of speaking, without reasons, mistakes and manners.
    """

    text: str
    telling: tuple[str, ...]


class _Wheel:
    """Templates to draw from, by the square root of their weight: loud frames must not drown the rare ones."""

    def __init__(self, templates: list[str]) -> None:
        self.templates = templates
        self.cumulative: list[float] = []
        total = 0.0
        for template in templates:
            total += math.sqrt(frame_weight(template))
            self.cumulative.append(total)

    def draw(self, rng: random.Random) -> str:
        target = rng.random() * self.cumulative[-1]
        low, high = 0, len(self.templates) - 1
        while low < high:
            middle = (low + high) // 2
            if self.cumulative[middle] > target:
                high = middle
            else:
                low = middle + 1
        return self.templates[low]


class RowWriter:
    """Writes sentences of any intent from a set of frames.

    Args:
        frames: the frames to write from; a label needs at least one.
    """

    def __init__(self, frames: list[Frame]) -> None:
        self._expander = Expander({**grammar_slots.SLOTS, **grammar_style.SLOTS})
        self._stylist = grammar_style.Stylist(self._expander)
        grouped: dict[str, dict[str, list[str]]] = {}
        for frame in frames:
            grouped.setdefault(frame.label, {}).setdefault(frame.kind, []).append(frame.template)
        self._wheels = {
            label: {kind: _Wheel(templates) for kind, templates in kinds.items()} for label, kinds in grouped.items()
        }
        self._reasons = {label: frame_lines(frames.reasons) for label, frames in all_frames().items()}
        self._labels = list(self._wheels)

    def write(self, label: str, rng: random.Random) -> str:
        """Write one sentence, with its manner and its slips.

        Args:
            label: an intent that has frames.
            rng: the only source of chance.
        Returns:
            The sentence; never empty.
        """
        return self.write_told(label, rng).text

    def write_told(self, label: str, rng: random.Random) -> Sentence:
        """Write what ``write`` writes, and keep the clean texts that tell its wish."""
        sentence = self._compose(label, rng)
        return Sentence(disturb(sentence.text, rng), sentence.telling)

    def write_clean(self, label: str, rng: random.Random) -> str:
        """Write one sentence in lower case, without slips and final punctuation."""
        return self._compose(label, rng).text

    def _compose(self, label: str, rng: random.Random) -> Sentence:
        wheels = self._wheels[label]
        kind = self._draw_kind(wheels, rng)
        text = self._expander.expand(wheels[kind].draw(rng), rng)
        telling = [text]
        reason = None
        chance = rng.random()
        if kind in ("commands", "fragments") and chance < REASON_SHARE and self._reasons.get(label):
            reasons = self._reasons[label]
            reason = self._expander.expand(reasons[draw(rng, len(reasons))], rng)
        elif kind == "commands" and chance > 1.0 - SECOND_THOUGHT_SHARE:
            other = self._labels[draw(rng, len(self._labels))]
            if "commands" in self._wheels[other]:
                mistake = self._expander.expand(self._wheels[other]["commands"].draw(rng), rng)
                text = self._stylist.second_thought(mistake, text, rng)
        dressed = self._stylist.dress(text, kind, label, reason, rng)
        if kind == "needs" and "commands" in wheels and rng.random() < NEED_AND_COMMAND_SHARE:
            command = self._expander.expand(wheels["commands"].draw(rng), rng)
            telling.append(command)
            dressed = f"{text}, {self._stylist.lead(command, rng)}"
        elif dressed.endswith(" today"):
            # The one word with which a manner can end and say something that an answer has.
            telling.append("today")
        return Sentence(tidy(dressed), tuple(telling))

    def _draw_kind(self, wheels: dict[str, _Wheel], rng: random.Random) -> str:
        present = [kind for kind in KINDS if kind in wheels]
        target = rng.random() * sum(KIND_WEIGHTS[kind] for kind in present)
        for kind in present:
            target -= KIND_WEIGHTS[kind]
            if target < 0:
                return kind
        return present[-1]


def _key(text: str) -> str:
    """What two texts share when they differ in case and punctuation only."""
    return " ".join(_NEITHER_LETTER_NOR_DIGIT.sub("", text.lower()).split())


def _draw_unique(
    writer: RowWriter, label: str, count: int, rng: random.Random, seen: set[str]
) -> list[tuple[str, Sentence]]:
    written: list[tuple[str, Sentence]] = []
    attempts_left = 40 * count + 2000
    while len(written) < count:
        if attempts_left == 0:
            raise DataError(
                f"the grammar cannot say that many different things. Got a request for {count} rows of {label!r}, "
                f"found {len(written)}. Ask for fewer rows."
            )
        attempts_left -= 1
        sentence = writer.write_told(label, rng)
        key = _key(sentence.text)
        if not key or key in seen:
            continue
        seen.add(key)
        written.append((label, sentence))
    return written


def _write_unique(
    writer: RowWriter, label: str, count: int, rng: random.Random, seen: set[str]
) -> list[dict[str, str]]:
    return [{"text": sentence.text, "label": label} for _, sentence in _draw_unique(writer, label, count, rng, seen)]


def _check_rows(rows: int) -> None:
    if rows < 1:
        raise DataError(f"rows must be at least 1. Got {rows} for the smart-home grammar. Ask for 1 or more.")


def _shuffle(rows: list[tuple[str, Sentence]], rng: random.Random) -> None:
    """Fisher-Yates from ``random()`` alone, so that no Python version can shuffle differently."""
    for last in range(len(rows) - 1, 0, -1):
        other = draw(rng, last + 1)
        rows[last], rows[other] = rows[other], rows[last]


@functools.lru_cache(maxsize=1)
def _full_writer() -> RowWriter:
    return RowWriter(frame_table())


def _draw_sentences(rows: int, seed: int) -> list[tuple[str, Sentence]]:
    _check_rows(rows)
    writer = _full_writer()
    seen: set[str] = set()
    share, remainder = divmod(rows, len(INTENTS))
    written: list[tuple[str, Sentence]] = []
    for index, label in enumerate(INTENTS):
        rng = random.Random(seed * 1_000_003 + index)
        written += _draw_unique(writer, label, share + (1 if index < remainder else 0), rng, seen)
    _shuffle(written, random.Random(seed * 1_000_003 + len(INTENTS)))
    return written


def generate(rows: int, seed: int) -> list[dict[str, str]]:
    """Write training rows.

    Args:
        rows: how many, at least 1; divided over the intents, the first ones getting the remainder.
        seed: same seed and rows, same bytes, on every platform and Python.
    Returns:
        ``rows`` mappings with ``text`` and ``label``, shuffled; no two texts are equal but for case and punctuation.
    Raises:
        DataError: ``rows`` is below 1, or beyond what the grammar can say.
    """
    return [{"text": sentence.text, "label": label} for label, sentence in _draw_sentences(rows, seed)]


def generate_answers(rows: int, seed: int) -> list[dict[str, str | Answer]]:
    """Write the rows of ``generate``, each with its answer.

    Args:
        rows: as for ``generate``.
        seed: as for ``generate``.
    Returns:
        ``rows`` mappings with ``text``, ``label`` and ``answer``, a mapping under ``answer.schema.json``.
    Raises:
        DataError: as for ``generate``.
    """
    return [
        {"text": sentence.text, "label": label, "answer": answer_of(label, sentence.telling)}
        for label, sentence in _draw_sentences(rows, seed)
    ]


def generate_out_of_scope(rows: int, seed: int) -> list[dict[str, str]]:
    """Write sentences that belong to no intent, for calibrating a confidence; never a class to train.

    Args:
        rows: how many, at least 1.
        seed: same seed and rows, same bytes.
    Returns:
        ``rows`` mappings with ``text`` and the label ``out_of_scope``; no two texts are equal but for case.
    Raises:
        DataError: ``rows`` is below 1, or beyond what the grammar can say.
    """
    _check_rows(rows)
    frames = [
        Frame(OUT_OF_SCOPE_LABEL, kind, line)
        for kind in KINDS
        for line in frame_lines(getattr(grammar_out_of_scope.FRAMES, kind))
    ]
    writer = RowWriter(frames)
    return _write_unique(writer, OUT_OF_SCOPE_LABEL, rows, random.Random(seed * 1_000_003 + 101), set())
