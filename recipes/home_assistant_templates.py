"""Home Assistant's sentence templates, and sentences with their slots drawn from them.

Enters: the folder of Home Assistant's English intents. Leaves: templates, the home of the tests and a made-up one, and
a ``Sampler`` that says a template in one of its forms.
Not here: the template language, which is hassil's; rows, tests and schema (home_assistant_rows.py).
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hassil
import yaml
from hassil.numbers import get_rbnf_engine

HOME_SHARE = 0.5
"""Of names, areas and floors: those of the tests' home. The others are made up."""
LOWER_SHARE = 0.6
"""Of sentences in lower case; the others have names in their own case."""
NUMBER_WORD_SHARE = 0.2
"""Of numbers in words."""

ANY_CLASS = "*"
# A made-up area is one of AREAS, alone or after a quality; a made-up device is a quality or a place before a thing.
QUALITIES = "Left Right Upper Lower Big Small Old New Blue Main Second Spare Emma's Noah's"
PLACES = "Corner Bedside Window Wall Desk Shelf Cupboard Sofa"
AREAS = """Bathroom, Dining Room, Hallway, Attic, Laundry Room, Nursery, Study, Pantry, Balcony, Garden, Patio, Den,
    Playroom, Library, Workshop, Cellar, Porch, Gym, Sunroom, Loft, Driveway, Terrace, Studio, Closet, Music Room"""
FLOORS = "Downstairs, Third Floor, Top Floor, Attic Level, Lower Level, Mezzanine, Main Level, Roof, Fourth Floor"
ZONES = "home, work, school, gym, university, train station, airport, grocery store, hospital, park"
THINGS = {  # by domain, or by domain and device class
    "light": "Lamp, Light, Spots, Lantern, Chandelier, LED Strip",
    "switch": "Plug, Outlet, Kettle, Coffee Maker, Heater",
    "fan": "Fan, Ventilator, Air Purifier",
    "cover": "Awning, Shutter, Gate, Shade, Curtain, Blind",
    "lock": "Lock, Deadbolt, Entry",
    "media_player": "Speaker, Television, Radio, Soundbar, Projector",
    "climate": "Thermostat, Radiator, Heat Pump, Air Conditioner",
    "vacuum": "Vacuum, Robot, Mop",
    "valve": "Valve, Sprinkler, Tap",
    "binary_sensor battery": "Tablet, Remote, Keypad",
    "binary_sensor battery_charging": "Tablet, Scooter, Power Bank",
    "binary_sensor carbon_monoxide": "CO Detector, Carbon Monoxide Alarm",
    "binary_sensor cold": "Freezer, Pipe, Cooler",
    "binary_sensor connectivity": "Router, Laptop, Printer",
    "binary_sensor door": "Door, Cabinet Door",
    "binary_sensor garage_door": "Garage Door",
    "binary_sensor gas": "Gas Detector, Gas Alarm",
    "binary_sensor heat": "Oven, Boiler, Server",
    "binary_sensor light": "Light Sensor, Daylight",
    "binary_sensor lock": "Latch, Padlock",
    "binary_sensor moisture": "Leak Sensor, Floor, Sink",
    "binary_sensor motion": "Motion, Motion Detector",
    "binary_sensor occupancy": "Occupancy, Occupancy Sensor",
    "binary_sensor opening": "Hatch, Flap, Skylight",
    "binary_sensor plug": "Charger, Laptop, Toaster",
    "binary_sensor power": "Server, Freezer, Television",
    "binary_sensor presence": "Car, Watch, Bike",
    "binary_sensor problem": "Printer, Boiler, Pump",
    "binary_sensor running": "Dryer, Dishwasher, Pump",
    "binary_sensor safety": "Stairs, Ladder, Pool",
    "binary_sensor smoke": "Smoke, Smoke Alarm",
    "binary_sensor sound": "Sound, Noise Sensor",
    "binary_sensor tamper": "Safe, Mailbox",
    "binary_sensor update": "Router, Laptop, Camera",
    "binary_sensor vibration": "Washing Machine, Bike, Pump",
    "binary_sensor window": "Window",
    "sensor wind_speed": "Anemometer, Weather Vane",
    "sensor speed": "Scooter, Train",
    "sensor data_rate": "Router, Modem",
    f"sensor {ANY_CLASS}": "Sensor, Meter, Monitor, Probe, Gauge",  # the sentence says of which class
}
NAMES = {  # by domain, whole
    "scene": "Movie Night, Good Morning, Dinner Time, Bedtime, Relax, Focus, Romantic, Sunset",
    "script": "Vacation Mode, Guest Mode, Panic Mode, Cleaning Routine, Bath Time, Wake Up Routine",
    "person": "Emma, Noah, Olivia, Liam, Mia, Lucas, Grandma, Anna, Paul, Sarah",
    "weather": "Paris, Berlin, New York, Tokyo, Oslo, San Francisco, Rome, Amsterdam",
    "todo": "Groceries, Hardware Store, Homework, Wish, Packing, Work, Party, Garden",
}
ITEMS = """milk, eggs, brown bread, olive oil, two lemons, toilet paper, cheddar cheese, coffee beans, dish soap,
    bananas, batteries, dog food, call the plumber, water the plants, mow the lawn, pay the rent, feed the cat"""
TEXTS = {  # by list that takes any text; none is of the tests
    "shopping_list_item": ITEMS,
    "todo_list_item": ITEMS,
    "timer_name": "pasta, laundry, tea, egg, workout, nap, bread, homework, cookie, rice, roast, parking, medicine",
    "message": """the taxi is here, lunch is served, we are leaving now, please come downstairs, it is bedtime,
        shoes off, the movie starts soon, breakfast is almost done, I will be late today, somebody is at the door""",
    "timer_command": """turn off the lights, close the blinds, lock the gate, start the vacuum, play some jazz,
        turn on the heater, pause the music, close the garage door, turn on the porch lamp, open the shades""",
    "search_query": """Yesterday, Pink Floyd, Thriller, Abbey Road, Morning Jazz, The Daily, Friends, Taylor Swift,
        Nevermind, The Matrix, Hey Jude, Dark Side of the Moon, Road Trip, Titanic, Radiohead, Mozart, Stranger Things,
        Hotel California, Adele, Star Wars, Miles Davis, Workout Mix, Planet Earth, Toy Story, Chopin, Daft Punk""",
}


def split_list(text: str) -> list[str]:
    """The parts between commas."""
    return [part.strip() for part in text.split(",")]


INVENTED_SHARE = 0.7
"""Of free texts, those that mean nothing."""
STARTS = split_list("b, c, ch, d, f, g, h, j, k, l, m, n, p, qu, r, s, sh, st, t, th, tr, v, w, y, z")
ENDS = split_list("a, e, i, o, u, ai, ea, oo, ar, er, in, on, and, ell, ick, ump, est, ight")
WORDS = sorted({word for texts in (*TEXTS.values(), *NAMES.values()) for word in texts.replace(",", " ").split()})
NAMED_DOMAINS = {  # where a template leaves open whose name it takes, these make sense
    "HassTurnOn": ("light", "switch", "fan", "media_player", "climate"),
    "HassTurnOff": ("light", "switch", "fan", "media_player", "climate"),
    "HassGetState": ("sensor", "light", "switch", "fan", "media_player", "climate"),
    "HassClimateGetTemperature": ("climate",),
}
OVERRULED = {("HassGetState", "name_state"), ("HassTurnOn", "valve"), ("HassTurnOff", "valve")}
"""Slot combinations, and domains of names in them, whose sentences other templates answer with one slot more."""


@dataclass(frozen=True)
class Entity:
    """Something of a home that has a name: ``domain`` and ``device_class`` decide which templates may name it.

    ``device_class`` ANY_CLASS: any that has no made-up names of its own.
    """

    name: str
    domain: str
    device_class: str | None


@dataclass(frozen=True)
class Home:
    """Names to fill templates with."""

    areas: Sequence[str]
    floors: Sequence[str]
    entities: Sequence[Entity]


@dataclass(frozen=True, eq=False)
class Template:
    """A sentence template, and the block of data it stands in.

    ``references``: the lists that it fills slots from. ``forms``: the ways to say it, each list one way.
    """

    intent: str
    expression: hassil.Expression
    data: hassil.IntentData
    rules: dict[str, hassil.Sentence]
    references: tuple[hassil.ListReference, ...]
    forms: int

    @property
    def needs_area(self) -> bool:
        """Whether the area of the satellite that heard the sentence becomes a slot."""
        area = self.data.requires_context.get("area")
        return isinstance(area, Mapping) and bool(area.get("slot"))


def read_yaml(path: Path) -> Any:
    """A YAML file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def read_intents(folder: Path) -> hassil.Intents:
    """All templates. The files of one slot combination (in folders) have a form of their own, and get hassil's."""
    tree: dict[str, Any] = {"language": "en", "intents": {}}
    for path in sorted(folder.glob("sentences/en/*.yaml")):
        hassil.merge_dict(tree, read_yaml(path))
    # Templates of brightness name this rule, which no file has: it is how the rule <brightness> ends.
    tree["expansion_rules"].setdefault("percent", "[ ]%| percent")
    combinations = read_yaml(folder / "intents.yaml")
    for path in sorted(folder.glob("sentences/en/*/*.yaml")):
        intent = path.parent.name
        if (intent, path.stem) in OVERRULED:
            continue
        for block in read_yaml(path)["data"]:
            domains = [name for name in block.get("name_domains", []) if (intent, name) not in OVERRULED]
            context: dict[str, Any] = {"domain": domains} if domains else {}
            if combinations[intent]["slot_combinations"][path.stem].get("context_area"):
                context["area"] = {"slot": True}
            slots = {"domain": block["inferred_domain"]} if "inferred_domain" in block else {}
            made = {"sentences": block["sentences"], "slots": slots, "requires_context": context}
            hassil.merge_dict(tree["intents"], {intent: {"data": [made]}})
    intents = hassil.Intents.from_dict(tree)
    # The home knows its zones as it knows its areas. As free text they would make every state free text.
    intents.slot_lists["zone"] = hassil.TextSlotList.from_strings(split_list(ZONES), name="zone")
    return intents


def list_templates(intents: hassil.Intents) -> list[Template]:
    """Every template of every block, in the order of the files."""
    templates = []
    for name, intent in intents.intents.items():
        for data in intent.data:
            rules = {**intents.expansion_rules, **data.expansion_rules}
            for expression in (sentence.expression for sentence in data.sentences):
                assert isinstance(expression, hassil.Group)
                references = tuple(expression.list_references(rules))
                templates.append(Template(name, expression, data, rules, references, _count_forms(expression, rules)))
    return templates


def _count_forms(node: hassil.Expression, rules: Mapping[str, hassil.Sentence]) -> int:
    if isinstance(node, hassil.RuleReference):
        return _count_forms(rules[node.rule_name].expression, rules)
    if not isinstance(node, hassil.Group):
        return 1
    counts = [_count_forms(item, rules) for item in node.items]
    if isinstance(node, hassil.Alternative):
        return sum(counts)
    return math.prod(counts) * (math.factorial(len(counts)) if isinstance(node, hassil.Permutation) else 1)


def read_home(folder: Path) -> Home:
    """The home of the tests."""
    fixtures = read_yaml(folder / "tests/en/_fixtures.yaml")

    def names(entry: Mapping[str, Any]) -> list[str]:
        # A name may be a small template: Trader Joe[']s.
        return list(hassil.sample_expression(hassil.parse_sentence(entry["name"]).expression))

    entities = [
        Entity(name, entry["id"].split(".")[0], entry.get("attributes", {}).get("device_class"))
        for entry in fixtures["entities"]
        for name in names(entry)
    ]
    areas, floors = ([name for entry in fixtures[kind] for name in names(entry)] for kind in ("areas", "floors"))
    return Home(areas, floors, entities)


def make_home(home: Home) -> Home:
    """Made-up names, none of which ``home`` has."""
    known = {entity.name for entity in home.entities} | {*home.areas, *home.floors}
    qualities, areas = QUALITIES.split(), split_list(AREAS)
    areas += [f"{quality} {area}" for quality in qualities for area in (*areas, "Room")]
    entities = [Entity(name, domain, None) for domain, names in NAMES.items() for name in split_list(names)]
    for kind, things in THINGS.items():
        domain, _, device_class = kind.partition(" ")
        names = [f"{first} {thing}" for first in (*qualities, *PLACES.split()) for thing in split_list(things)]
        entities += [Entity(name, domain, device_class or None) for name in names]
    return Home(
        [area for area in areas if area not in known],
        [floor for floor in split_list(FLOORS) if floor not in known],
        [entity for entity in entities if entity.name not in known],
    )


def fits(entity: Entity, template: Template) -> bool:
    """Whether a template may name an entity."""
    required = {key: value for key, value in template.data.requires_context.items() if key != "area"}
    if "domain" not in required and entity.domain not in NAMED_DOMAINS.get(template.intent, ()):
        return False
    device_class = entity.device_class
    if device_class == ANY_CLASS and f"{entity.domain} {required.get('device_class')}" not in THINGS:
        device_class = required.get("device_class")
    context = {"domain": entity.domain, "device_class": device_class}
    return hassil.check_required_context(required, context) and hassil.check_excluded_context(
        template.data.excludes_context, context
    )


@dataclass
class Sampler:
    """Says templates: draws one of their forms, and the slots that go with it.

    Args:
        lists: hassil's lists by name; areas, floors and names come from the homes.
        homes: the tests' home and a made-up one.
        rng: where all chance comes from.
    """

    lists: Mapping[str, hassil.SlotList]
    homes: tuple[Home, Home]
    rng: random.Random
    _fitting: dict[tuple[int, int], list[Entity]] = field(default_factory=dict)

    def say(self, template: Template, area: str | None) -> tuple[str, dict[str, Any]]:
        """One sentence and its slots; ``area``: where the satellite stands (None: not told)."""
        slots: dict[str, Any] = {}
        text = self._say(template.expression, template, slots, self.rng.random() < LOWER_SHARE)
        context = {"area": area} if template.needs_area and area else {}
        return " ".join(text.split()), {**context, **template.data.slots, **slots}

    def draw_name(self, kind: str, template: Template) -> str:
        """An area, a floor or the name of something."""
        which = 0 if self.rng.random() < HOME_SHARE else 1
        if kind == "name":
            return self.rng.choice(self._fit(template, which) or self._fit(template, 1 - which)).name
        home = self.homes[which]
        return self.rng.choice(home.areas if kind == "area" else home.floors)

    def _fit(self, template: Template, which: int) -> list[Entity]:
        key = (id(template.data), which)
        if key not in self._fitting:
            self._fitting[key] = [entity for entity in self.homes[which].entities if fits(entity, template)]
        return self._fitting[key]

    def _say(self, node: hassil.Expression, template: Template, slots: dict[str, Any], lower: bool) -> str:
        if isinstance(node, hassil.TextChunk):
            return node.original_text.lower() if lower else node.original_text
        if isinstance(node, hassil.RuleReference):
            return self._say(template.rules[node.rule_name].expression, template, slots, lower)
        if isinstance(node, hassil.ListReference):
            text, slots[node.slot_name] = self._draw(node.list_name, template, lower)
            return text
        assert isinstance(node, hassil.Group)
        if isinstance(node, hassil.Alternative):
            return self._say(self.rng.choice(node.items), template, slots, lower)
        items = self.rng.sample(node.items, len(node.items)) if isinstance(node, hassil.Permutation) else node.items
        return "".join(self._say(item, template, slots, lower) for item in items)

    def _draw_text(self, name: str) -> str:
        """Free text: one of the list's, or words that mean nothing, so that it must be copied and cannot be known."""
        if self.rng.random() >= INVENTED_SHARE:
            return self.rng.choice(split_list(TEXTS[name]))
        words = [
            self.rng.choice(WORDS) if self.rng.random() < 0.5 else self._invent() for _ in range(self.rng.randint(1, 4))
        ]
        return " ".join(words)

    def _invent(self) -> str:
        word = "".join(self.rng.choice(STARTS) + self.rng.choice(ENDS) for _ in range(self.rng.randint(1, 3)))
        return word.capitalize() if self.rng.random() < 0.5 else word

    def _draw(self, name: str, template: Template, lower: bool) -> tuple[str, Any]:
        """What is said for a list, and the value that it stands for: names keep their case, free text is as said."""
        if name in ("area", "floor", "name"):
            value = self.draw_name(name, template)
            return value.lower() if lower else value, value
        values = self.lists[name]
        if isinstance(values, hassil.RangeSlotList):
            # hassil counts a half after the end too.
            number = self.rng.choice([number for number in values.get_numbers() if number <= values.stop])
            if self.rng.random() >= NUMBER_WORD_SHARE:
                return str(number), number
            return get_rbnf_engine("en").format_number(number).text_by_ruleset["spellout-cardinal"], number
        if isinstance(values, hassil.WildcardSlotList):
            text = self._draw_text(name)
            return (text.lower(), text.lower()) if lower else (text, text)
        assert isinstance(values, hassil.TextSlotList)
        drawn = self.rng.choice(values.values)
        return self._say(drawn.text_in, template, {}, lower), drawn.value_out
