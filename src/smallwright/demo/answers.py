"""The answers of the demo's training sentences: what a sentence says, as a mapping under ``answer.schema.json``.

What enters: an intent and the clean text that tells the wish. What leaves: the fields that the text says.
Not here: the words (``answer_words``, ``answer_names``), numbers (``answer_numbers``), and writing the sentences.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable

from smallwright.demo import answer_names, answer_numbers, answer_words
from smallwright.demo.answer_words import Phrases, joined, phrases_of

Answer = dict[str, object]

FIELD_ORDER = ("intent", "area", "device", "value", "color", "duration", "time", "day", "name", "items")
"""The order of the schema's properties."""

_LIGHT_INTENTS = ("lights_on", "lights_off", "brightness_set", "color_set")
_DOOR_INTENTS = ("door_lock", "door_unlock")
_COVER_INTENTS = ("cover_open", "cover_close")
_MAYBE_DOOR_INTENTS = (*_DOOR_INTENTS, *_COVER_INTENTS, "state_query")
"""Intents in which a garage may be a door rather than a place."""

FIELDS: dict[str, tuple[str, ...]] = {
    "lights_on": ("area", "device"),
    "lights_off": ("area", "device"),
    "brightness_set": ("area", "device", "value"),
    "color_set": ("area", "device", "color"),
    "device_on": ("area", "device"),
    "device_off": ("area", "device"),
    "temperature_set": ("area", "device", "value"),
    "temperature_query": ("area", "device"),
    "door_lock": ("area", "device"),
    "door_unlock": ("area", "device"),
    "cover_open": ("area", "device"),
    "cover_close": ("area", "device"),
    "music_play": ("area", "device", "name"),
    "music_stop": ("area", "device"),
    "volume_set": ("area", "device", "value"),
    "vacuum_start": ("area", "device"),
    "vacuum_stop": ("area", "device"),
    "timer_set": ("duration",),
    "timer_cancel": ("duration",),
    "alarm_set": ("time", "day"),
    "security_arm": ("device",),
    "security_disarm": ("device",),
    "state_query": ("area", "device"),
    "weather_query": ("day",),
    "scene_activate": ("area", "name"),
    "shopping_add": ("items",),
}
"""The fields that the answer to each intent may have, beside the intent itself."""

_NUMBER = rf"(?:\d|(?:{'|'.join(word for word in answer_numbers.NUMBER_WORDS if word != 'one')})\b)"
_CORRECTION = re.compile(
    r",? (?:oh )?(?:no wait|wait no|no sorry|sorry i mean|no i mean|i mean|no actually|actually no|no no|scratch that"
    rf"|no make (?:it|that)|no(?= {_NUMBER}))\b,?|, no, |, actually "
)
"""What stands between a mistake and what was meant."""


def read_answer(intent: str, text: str) -> Answer:
    """Read what a sentence says.

    Args:
        intent: the label of the sentence.
        text: the clean sentence in lower case, without reasons.
    Returns:
        ``intent`` and the fields that the text says, in the order of the schema; a correction counts before a mistake.
    """
    said = _CORRECTION.split(text)
    answer: Answer = {}
    for part in reversed(said):
        for field in FIELDS[intent]:
            if field not in answer:
                value = _READERS[field](intent, part)
                if value is not None:
                    answer[field] = value
    return _ordered(intent, answer)


def answer_of(intent: str, texts: Iterable[str]) -> Answer:
    """Read several texts of one sentence; of one field the first that says it counts, of items all.

    Args:
        intent: the label of the sentence.
        texts: the clean texts that tell the wish, in the order in which they are said.
    """
    whole: Answer = {}
    for text in texts:
        for field, value in read_answer(intent, text).items():
            first = whole.setdefault(field, value)
            if isinstance(first, list) and isinstance(value, list):
                whole[field] = answer_names.merge_items(first, value)
    return _ordered(intent, whole)


def _ordered(intent: str, answer: Answer) -> Answer:
    return {
        field: intent if field == "intent" else answer[field] for field in FIELD_ORDER if field in {"intent", *answer}
    }


def _read_area(intent: str, text: str) -> str | None:
    return _areas(intent).first(text) or _AREAS_OF_THINGS.first(text)


@functools.cache
def _areas(intent: str) -> Phrases:
    """The places of an intent: what only names a door is none."""
    table, silent = dict(answer_words.AREAS), answer_words.NO_AREAS
    if intent in _MAYBE_DOOR_INTENTS:
        things = [phrase for group in (answer_words.LIGHTS, answer_words.APPLIANCES) for phrase in _all_phrases(group)]
        things += [phrase for phrase in _all_phrases(answer_words.COVERS) if "garage" not in phrase]
        before_thing = f"(?= (?:and [a-z' ]+ )?(?:{'|'.join(things)})\\b)"
        table["garage"] = f"(?<=in the )garage; (?<=into the )garage; (?<=out of the )garage; garage{before_thing}"
        if intent not in _COVER_INTENTS:
            silent += "; (?<!in the )shed; (?<!in the )entrance"
        if intent == "door_unlock":
            silent += "; (?:is|are) downstairs"
    else:
        table = joined(table, answer_words.HOUSE)
    return Phrases(table, silent, r"\w| doors?\b| gates?\b")


def _all_phrases(table: answer_words.Table) -> list[str]:
    return [phrase for listing in table.values() for phrase in phrases_of(listing)]


def _read_device(intent: str, text: str) -> str | None:
    devices, locks = _devices(intent)
    found = devices.found(text)
    if not found:
        return locks.first(text) if locks else None
    # "plug in the fan": the verb is no plug
    if len(found) > 1 and found[0] == (0, "plug"):
        return found[1][1]
    return found[0][1]


@functools.cache
def _devices(intent: str) -> tuple[Phrases, Phrases | None]:
    """The things of an intent, and those that count where none of the first is named."""
    words = answer_words
    locks = Phrases(words.LOCKS)
    if intent in _LIGHT_INTENTS:
        silent = words.NO_LIGHTS + ("; light up(?! here)" if intent == "lights_on" else "")
        return Phrases(words.LIGHTS, silent), None
    if intent in _DOOR_INTENTS:
        return Phrases(words.DOORS, words.GARAGE_AS_PLACE), locks
    if intent in _COVER_INTENTS:
        return Phrases(words.COVERS, f"{words.NO_COVERS}; {words.GARAGE_AS_PLACE}"), None
    if intent == "state_query":
        tables = (words.LIGHTS, words.APPLIANCES, words.DOORS, words.COVERS, words.VACUUMS, words.ALARMS, words.SOUND)
        silent = "; ".join((words.NO_LIGHTS, words.NO_APPLIANCES, words.NO_COVERS, words.GARAGE_AS_PLACE))
        climate = {"thermostat": words.CLIMATE["thermostat"]}
        return Phrases(joined(*tables, climate), silent), locks
    if intent in ("device_on", "device_off"):
        return Phrases(words.APPLIANCES, words.NO_APPLIANCES), None
    if intent.startswith("temperature"):
        return Phrases(words.CLIMATE, words.NO_CLIMATE), None
    if intent.startswith("vacuum"):
        return Phrases(words.VACUUMS), None
    if intent.startswith("security"):
        return Phrases(words.ALARMS, words.NO_ALARMS), None
    return Phrases(words.SOUND, words.NO_SOUND), None


def _read_value(intent: str, text: str) -> int | float | None:
    if intent == "temperature_set":
        return answer_numbers.read_degrees(text)
    return answer_numbers.read_level(text)


_AREAS_OF_THINGS = Phrases(answer_words.AREAS_OF_THINGS)
_COLORS = Phrases(answer_words.COLORS, answer_words.NO_COLORS)
_DAYS = Phrases(answer_words.DAYS, answer_words.NO_DAYS)


def _read_name(intent: str, text: str) -> str | None:
    return answer_names.read_scene(text) if intent == "scene_activate" else answer_names.read_music(text)


_READERS: dict[str, Callable[[str, str], object | None]] = {
    "area": _read_area,
    "device": _read_device,
    "value": _read_value,
    "color": lambda _, text: _COLORS.first(text),
    "duration": lambda _, text: answer_numbers.read_duration(text),
    "time": lambda _, text: answer_numbers.read_time(text),
    "day": lambda _, text: _DAYS.first(text),
    "name": _read_name,
    "items": lambda _, text: answer_names.read_items(text) or None,
}
