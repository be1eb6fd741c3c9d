"""Rows for a home assistant: sentences, with intent and slots as JSON, drawn from Home Assistant's own templates.

Enters: Home Assistant's English intents (CC BY 4.0): templates, tests, and the tests' home. Leaves, in a folder:
train.jsonl and validation.jsonl, drawn from the templates (those of validation are held out of train); test.jsonl, the
tests; answer.schema.json. Not here: what a sentence means, which is hassil's (home_assistant_templates.py asks it).

    pip install hassil && python recipes/home_assistant_rows.py DATA/ha_intents_en OUT

What is fair to know:
- Home Assistant tells its recogniser the names of the home. Half of the training names are those of the tests' home,
  the others are made up, so that a model must learn to copy. What can be any text (messages, titles, items, names of
  timers) is never taken from the tests, and no training sentence is one of the tests.
- "Here" is the area of the satellite that heard the sentence, and answers name it. A sentence does not say it: the
  satellite stands in SATELLITE_AREA, or, with --say-area, anywhere, and then its area stands before the sentence.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hassil
from home_assistant_templates import (
    Sampler,
    Template,
    list_templates,
    make_home,
    read_home,
    read_intents,
    read_yaml,
)

SATELLITE_AREA = "Living Room"
AREA_SHARES = {True: 0.9, False: 0.6}
"""With --say-area: of the sentences whose answer depends on the satellite's area, and of others, those told it."""
CAPITAL_SHARE = 0.1
POLITE_SHARE = 0.15
QUESTION_MARK_SHARE = 0.5
ROWS_PER_VALIDATION_ROW = 40
HELD_OUT = 24
"""Templates that only validation has."""
PATIENCE = 30
"""After so many rows in a row that were not new, a template has no more."""
TEXT_CHARS = 100
SLOTS = (
    "domain", "device_class", "name", "area", "floor", "state", "brightness", "color", "position", "temperature",
    "volume_level", "media_class", "search_query", "item", "message", "hours", "minutes", "seconds", "start_hours",
    "start_minutes", "start_seconds", "conversation_command",
)  # fmt: skip
"""The order of an answer's slots, after its intent."""
_WHOLE_HOME = re.compile(r"\bgarage doors?\b|\ball (the )?fans? off$", re.I)
"""Said without an area these mean the whole home, though templates of "here" say them too."""
_QUESTION = re.compile(r"(is|are|do|does|what|what's|whats|which|how|who|where('?s)?|when|can|could|would)\b", re.I)

Row = dict[str, Any]


def plain(text: str) -> str:
    """A sentence as sentences are compared: lower case, no punctuation, single spaces."""
    return " ".join(re.sub(r"[^\w\s]", "", text.lower()).split())


def _place(sentence: str, area: str | None) -> str:
    return f"{area}: {sentence}" if area else sentence


def make_answer(intent: str, slots: Mapping[str, Any]) -> Row:
    """The answer with its slots in the order of SLOTS."""
    return {"intent": intent, **{slot: slots[slot] for slot in sorted(slots, key=SLOTS.index)}}


@dataclass
class RowMaker:
    """Makes rows of what a sampler says: adds courtesies and capitals, and refuses what is no fair or no certain row.

    Args:
        sampler: says the sentences.
        courtesies: words that change nothing.
        tests: the sentences of the tests, plain.
        names: the names of several words in the tests' home.
        say_area: the satellite's area stands before the sentence.
    """

    sampler: Sampler
    courtesies: Sequence[str]
    tests: frozenset[str]
    names: re.Pattern[str]
    say_area: bool
    refused: Counter[str] = field(default_factory=Counter)
    _seen: dict[str, Row] = field(default_factory=dict)

    def make(self, template: Template) -> Row | None:
        """A new row, or None."""
        area = self._choose_area(template)
        said, slots = self.sampler.say(template, area)
        sentence = self._dress(said, slots)
        text = _place(sentence, area if self.say_area else None)
        answer = make_answer(template.intent, slots)
        if not self.tests.isdisjoint((plain(sentence), plain(text))):
            self.refused["is a test sentence"] += 1
        elif ("name" not in slots and self.names.search(said)) or (template.needs_area and _WHOLE_HOME.search(said)):
            self.refused["says by chance what another template means otherwise"] += 1
        elif (known := self._seen.setdefault(plain(text), answer)) is not answer:
            self.refused["was there already" if known == answer else "was there with another answer"] += 1
        else:
            return {"text": text, "answer": answer}
        return None

    def _choose_area(self, template: Template) -> str | None:
        if not self.say_area:
            return SATELLITE_AREA
        if self.sampler.rng.random() < AREA_SHARES[template.needs_area]:
            return self.sampler.draw_name("area", template)
        return None

    def _dress(self, said: str, slots: Mapping[str, Any]) -> str:
        rng = self.sampler.rng
        # Free text is answered letter by letter, and takes in what stands beside it.
        texts = [str(value) for value in slots.values()]
        begins, ends = any(map(said.startswith, texts)), any(map(said.endswith, texts))
        if rng.random() < POLITE_SHARE and not _QUESTION.match(said):
            words = rng.choice(self.courtesies)
            last = words == "for me" or (words == "please" and rng.random() < 0.5)
            if not (ends if last else begins):
                said = f"{said} {words}" if last else f"{words} {said}"
        if rng.random() < CAPITAL_SHARE and not begins:
            said = said[0].upper() + said[1:]
        return said + "?" if _QUESTION.match(said) and rng.random() < QUESTION_MARK_SHARE else said


def weigh(templates: Iterable[Template]) -> dict[Template, float]:
    """Shares: a template weighs the logarithm of its forms, an intent the square root of what its templates weigh."""
    weights = {template: math.log2(1 + template.forms) for template in templates}
    sums: dict[str, float] = defaultdict(float)
    for template, weight in weights.items():
        sums[template.intent] += weight
    return {template: weight / math.sqrt(sums[template.intent]) for template, weight in weights.items()}


def draw_rows(templates: Sequence[Template], wanted: int, maker: RowMaker) -> list[Row]:
    """New rows by the templates' shares, at least one of each intent. A template that has no more leaves its share."""
    rng, weights = maker.sampler.rng, weigh(templates)
    rows, failures = [], Counter[Template]()
    for intent in dict.fromkeys(template.intent for template in templates):
        own = [template for template in templates if template.intent == intent]
        tries = (maker.make(rng.choice(own)) for _ in range(PATIENCE * len(own)))
        rows += [row for row in [next(filter(None, tries), None)] if row]
    while len(rows) < wanted:
        live = [template for template in templates if failures[template] < PATIENCE]
        if not live:
            break
        for template in rng.choices(live, [weights[template] for template in live], k=wanted - len(rows)):
            row = maker.make(template)
            failures[template] = 0 if row else failures[template] + 1
            rows += [row] if row else []
    rng.shuffle(rows)
    return rows


def hold_out(templates: Sequence[Template], rng: random.Random) -> set[Template]:
    """Templates for validation: one each of some that fill the same slots, so that train has them in other words."""
    alike: dict[tuple[int, frozenset[str]], list[Template]] = defaultdict(list)
    for template in templates:
        alike[id(template.data), frozenset(entry.slot_name for entry in template.references)].append(template)
    groups = [group for group in alike.values() if len(group) >= 3]
    return {rng.choice(group) for group in rng.sample(groups, HELD_OUT)}


def read_tests(folder: Path) -> list[dict[str, Any]]:
    """The tests: sentence, area of the satellite (None: not told), answer."""
    tests = []
    for line in (folder / "tests_en.jsonl").read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        slots = test["slots"]
        if test["source"].count("/") == 3:
            # The files of one slot combination keep slots elsewhere, where the list of tests has not found them.
            entries = read_yaml(folder / test["source"])["tests"]
            slots = next(entry.get("slots", {}) for entry in entries if test["text"] in entry["sentences"])
        answer = make_answer(test["intent"], {slot: _take_one(value) for slot, value in slots.items()})
        tests.append({"sentence": test["text"], "area": test["context"].get("area"), "answer": answer})
    return tests


def _take_one(value: Any) -> Any:
    """A list is what hassil may give for one value; its entries differ in the spaces around them alone."""
    entries = value if isinstance(value, list) else [value]
    values = {entry.strip() if isinstance(entry, str) else entry for entry in entries}
    if len(values) != 1:
        raise SystemExit(f"a test must want one value for a slot. Got {value}. Look at tests_en.jsonl.")
    return values.pop()


def make_schema(templates: Sequence[Template], lists: Mapping[str, hassil.SlotList]) -> dict[str, Any]:
    """The JSON schema of all answers that templates can give."""
    fixed: dict[str, set[Any]] = defaultdict(set)
    filled: dict[str, set[str]] = defaultdict(set)
    for template in templates:
        for slot, value in template.data.slots.items():
            fixed[slot].add(value)
        for reference in template.references:
            filled[reference.slot_name].add(reference.list_name)
    properties = {"intent": {"enum": sorted({template.intent for template in templates})}}
    for slot in SLOTS:
        properties[slot] = _describe(fixed[slot], [lists.get(name) for name in sorted(filled[slot])])
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What a sentence asks of Home Assistant",
        "type": "object",
        "properties": properties,
        "required": ["intent"],
        "additionalProperties": False,
    }


def _describe(fixed: Iterable[Any], lists: Sequence[hassil.SlotList | None]) -> dict[str, Any]:
    """The schema of a slot, by its fixed values and by the lists that fill it (None: names of the home)."""
    values, ranges = set(fixed), [entry for entry in lists if isinstance(entry, hassil.RangeSlotList)]
    for entry in lists:
        if entry is None or isinstance(entry, hassil.WildcardSlotList):
            return {"type": "string", "minLength": 1, "maxLength": TEXT_CHARS}
        if isinstance(entry, hassil.TextSlotList):
            values |= {value.value_out for value in entry.values}
    if not ranges:
        return {"enum": sorted(values)}
    bounds = [*values, *(entry.start for entry in ranges), *(entry.stop for entry in ranges)]
    kind = "number" if any(entry.fraction_type for entry in ranges) else "integer"
    return {"type": kind, "minimum": min(bounds), "maximum": max(bounds)}


def make_files(folder: Path, rows: int, seed: int, say_area: bool) -> tuple[dict[str, str], dict[str, Any]]:
    """The files' contents by name, and what is worth knowing of them."""
    intents, home, rng = read_intents(folder), read_home(folder), random.Random(seed)
    templates, tests = list_templates(intents), read_tests(folder)
    texts = [_place(test["sentence"], test["area"] if say_area else None) for test in tests]
    names = "|".join(re.escape(entity.name) for entity in home.entities if " " in entity.name)
    maker = RowMaker(
        sampler=Sampler(intents.slot_lists, (home, make_home(home)), rng),
        courtesies=intents.skip_words,
        tests=frozenset(map(plain, (*texts, *(test["sentence"] for test in tests)))),
        names=re.compile(rf"\b({names})\b", re.I),
        say_area=say_area,
    )
    held = hold_out(templates, rng)
    trained = [template for template in templates if template not in held]
    withheld = [template for template in templates if template in held]
    splits = {
        "train": draw_rows(trained, rows, maker),
        "validation": draw_rows(withheld, rows // ROWS_PER_VALIDATION_ROW, maker),
        "test": [{"text": text, "answer": test["answer"]} for text, test in zip(texts, tests, strict=True)],
    }
    contents = {
        f"{split}.jsonl": "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in made)
        for split, made in splits.items()
    }
    contents["answer.schema.json"] = json.dumps(make_schema(templates, intents.slot_lists), indent=1) + "\n"
    facts = {
        "templates": f"{len(templates)}, of them held out {len(held)}",
        **{split: f"{len(made)} rows" for split, made in splits.items()},
        "intents in train": Counter(row["answer"]["intent"] for row in splits["train"]).most_common(),
        "refused": dict(maker.refused),
    }
    return contents, facts


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, write the files, tell what they hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path, help="the folder ha_intents_en")
    parser.add_argument("out", type=Path, help="the folder to write to")
    parser.add_argument("--rows", type=int, default=40_000, help="training rows (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="decides the draws (default: %(default)s)")
    parser.add_argument("--say-area", action="store_true", help="put the satellite's area before the sentence")
    options = parser.parse_args(arguments)
    if not (options.data / "tests_en.jsonl").is_file():
        parser.error(f"data must be the folder ha_intents_en. Got {options.data}, without tests_en.jsonl. Check it.")
    if options.rows < 100:
        parser.error(f"rows must be at least 100, to hold every intent. Got {options.rows}. Ask for more.")
    contents, facts = make_files(options.data, options.rows, options.seed, options.say_area)
    options.out.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        aside = options.out / f"{name}.part"
        aside.write_text(content, encoding="utf-8")
        aside.replace(options.out / name)
    for name, fact in facts.items():
        print(f"{name}: {fact}")


if __name__ == "__main__":
    main()
