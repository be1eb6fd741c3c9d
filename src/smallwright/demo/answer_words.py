"""The word tables of the demo's answers: phrases of areas, devices, colours and days, and what each stands for.

What enters: a text. What leaves: the values of ``answer.schema.json`` that its phrases stand for, in order.
Not here: which intent has which field (``answers``), numbers (``answer_numbers``) and free text (``answer_names``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from smallwright.demo.grammar_slots import SLOTS

Table = Mapping[str, str]
"""Value to its phrases, regular expressions apart by semicolons, in lower case and without groups that capture."""


def phrases_of(listing: str) -> list[str]:
    """Split one entry of a table into its phrases."""
    return [" ".join(phrase.split()) for phrase in listing.split(";") if phrase.strip()]


def slot_words(slot: str) -> list[str]:
    """The words of one of the grammar's slots, without weights and without entries that name other slots."""
    words = (re.sub(r"\*\d+$", "", entry.strip()).strip() for entry in SLOTS[slot].split("|"))
    return [word for word in words if "{" not in word]


def either(words: list[str]) -> str:
    """A regular expression for any of some phrases, the longer ones first."""
    return "(?:" + "|".join(sorted(words, key=len, reverse=True)) + ")"


class Phrases:
    """Finds the phrases of a table in a text: from the left, and the longest where several begin.

    Args:
        table: see ``Table``.
        silent: phrases that stand for nothing and hide what is inside them, apart by semicolons.
        unless_followed: what must not come after a phrase, a regular expression.
    """

    def __init__(self, table: Table, silent: str = "", unless_followed: str = r"\w") -> None:
        entries = [(phrase, value) for value, listing in table.items() for phrase in phrases_of(listing)]
        entries.sort(key=lambda entry: len(entry[0]), reverse=True)
        hidden = sorted(phrases_of(silent), key=len, reverse=True)
        self._values: list[str | None] = [*(None for _ in hidden), *(value for _, value in entries)]
        groups = [f"({phrase})(?!\\w)" for phrase in hidden]
        groups += [f"({phrase})(?!{unless_followed})" for phrase, _ in entries]
        self._pattern = re.compile(rf"(?<![\w'])(?:{'|'.join(groups)})")

    def found(self, text: str) -> list[tuple[int, str]]:
        """Where each phrase begins and what it stands for, from left to right."""
        found = []
        for match in self._pattern.finditer(text):
            value = self._values[(match.lastindex or 1) - 1]
            if value is not None:
                found.append((match.start(), value))
        return found

    def first(self, text: str) -> str | None:
        """What the first phrase stands for; None when the text has none."""
        for match in self._pattern.finditer(text):
            value = self._values[(match.lastindex or 1) - 1]
            if value is not None:
                return value
        return None


def joined(*tables: Table) -> dict[str, str]:
    """One table of several; phrases of the same value stand together."""
    whole: dict[str, str] = {}
    for table in tables:
        for value, listing in table.items():
            whole[value] = f"{whole[value]}; {listing}" if value in whole else listing
    return whole


_GROWN_UPS = "mum|mom|dad|grandma|grandad|granny|nan"

AREAS: dict[str, str] = {
    "kitchen": "kitchen",
    "living_room": "living room; lounge; sitting room; family room; front room; den",
    "bedroom": f"""
        bedroom; main bedroom; master bedroom; our bedroom; my room;
        (?:{_GROWN_UPS})'s (?:bed)?room""",
    "bathroom": "bathroom; toilet; loo; ensuite",
    "hallway": "hallway; hall; landing; stairs; stairwell; entryway; entrance",
    "office": "office; study",
    "dining_room": "dining room",
    "kids_room": f"""
        nursery; playroom; kids'? (?:bed)?room; children's (?:bed)?room;
        (?!(?:what|it|that|there|here|who|{_GROWN_UPS})'s)[a-z]+'s (?:bed)?room""",
    "guest_room": "guest room; spare room",
    "laundry_room": "laundry room; utility room",
    "basement": "basement; cellar",
    "attic": "attic; loft",
    "garage": "garage",
    "garden": "(?:front |back )?garden; back ?yard; front yard; yard; lawn; pool(?! pump)",
    "porch": "porch",
    "patio": "patio; deck; terrace",
    "balcony": "balcony",
    "driveway": "driveway; carport; the drive; my drive; drive(?= lights?)",
    "upstairs": "upstairs; top floor",
    "downstairs": "downstairs; ground floor",
    "everywhere": "everywhere; (?:the )?whole house; all (?:of )?(?:the )?rooms; every room",
    "other": """
        conservatory; sunroom; back room; pantry; library; gym; studio; mudroom; closet; workshop; shed;
        (?:outside|outdoor)(?= lights?); path""",
}

AREAS_OF_THINGS: dict[str, str] = {
    "bedroom": "bedside(?= (?:lamp|light))",
    "hallway": "stair(?= lights?)",
    "garden": "pool(?= pump)",
}
"""Places that are part of a thing's name, for sentences that name no other."""

HOUSE: dict[str, str] = {
    "everywhere": "(?:the|this) house; house temp(?:erature)?; (?:the|my|our) flat; our home; the home"
}
"""The house as the place of a command; a house that is locked or asked about is a thing."""

NO_AREAS = """
    coal cellar; like a library; nursery rhymes?; (?:see|show me|show us) the garden; half the garden; study session;
    (?:to|or|and|i|we|can't) study; study (?:mode|scene|setting|mood|routine|preset|atmosphere|ambience|vibe|time);
    leaving the house; the house to ourselves; the house is clean; woke the whole house; off to the gym;
    i'm (?:in|on) the drive(?:way)?; car is in the drive; into the drive; car's in the garage;
    (?:from|all the way) upstairs; all the way in the [a-z' ]+"""
"""Places that say where somebody is or what is seen, and words that only look like a place."""

LIGHTS: dict[str, str] = {
    "light": "lights?; lighting; spotlights?; downlights?; chandelier; bulbs?; pendant; lantern; (?<=the )dimmer",
    "lamp": "lamps?",
    "night_light": "night ?lights?",
    "string_lights": "(?:fairy|christmas|string|strip|tree) lights?; led strips?; leds?",
}

NO_LIGHTS = """
    ^light (?:up|it|this|everything|my|the (?!colou?r)); (?<=, )light (?:up|it); (?:it's|make it) light;
    light(?= enough| already| outside so); candle light;
    (?:^|some |to |a |in |for |and |go |glow |something )light blue"""
"""Light that is a verb, an adjective, or part of a colour."""

APPLIANCES: dict[str, str] = {
    "fan": "(?:extractor |ceiling |bathroom |desk |floor |radiator )?fans?; extractor",
    "tv": "tvs?; telly; television",
    "kettle": "kettle",
    "heater": "(?:space |fan |electric |patio )?heaters?; radiators?",
    "coffee_machine": "coffee (?:machine|maker); espresso machine",
    "washing_machine": "washing machine; washer",
    "dryer": "(?:tumble )?dryer",
    "dishwasher": "dishwasher",
    "oven": "(?:toaster )?oven",
    "stove": "stove; cooker; hob; range",
    "microwave": "microwave",
    "toaster": "toaster",
    "iron": "iron",
    "air_conditioner": "ac; a c; air ?con; air condition(?:er|ing)",
    "air_purifier": "air purifier",
    "humidifier": "humidifier",
    "sprinkler": "sprinklers?; irrigation",
    "plug": "(?:smart )?plugs?; sockets?; outlets?",
    "computer": "computer; pc; laptop",
    "game_console": "games? console; xbox; playstation",
    "projector": "projector",
    "boiler": "boiler; water heater; immersion heater; hot water",
    "hot_tub": "hot tub; whirlpool",
    "other": """
        tv box; air fryer; slow cooker; rice cooker; hair dryer; (?:hair )?straighteners; electric blanket; fireplace;
        dehumidifier; towel (?:rail|warmer); fish tank pump; (?:pool|water) pump; garden hose; (?:cooker )?hood; grill;
        extractor hood; (?:laptop )?charger; router; wifi; bread maker; treadmill; (?:oil )?diffuser; fountain;
        instant pot; power strip; extension lead; sauna; monitor; printer; screens""",
}

NO_APPLIANCES = """
    pull the plug on; use the (?:computer|printer|oven),; play xbox,; (?<!power )(?<!power on )to iron; and iron;
    behind the tv"""

DOORS: dict[str, str] = {
    "front_door": """
        front doors?; (?:main|house|entry|apartment) door; (?:front |main )?entrance; all entrances; front and back""",
    "back_door": "back doors?",
    "side_door": "side doors?",
    "patio_door": "patio doors?",
    "garage_door": "garage doors?; garage",
    "gate": "(?:garden |back )?gates?",
    "door": "doors?",
    "other": "shed",
}

LOCKS: dict[str, str] = {
    "door": """
        deadbolts?; locks(?= on|$| across| locked); (?:the|smart|our|all the|which|all) locks?;
        (?:the|my|our|both|every|lock|unlock|unbolt|undo|latch|secure|locked|bolt|bolting|can|could) bolt;
        bolt(?= locked| unlocked| lock| unlock| to| status); the (?:latch|chain|snib)"""
}
"""Parts of a door, for sentences that name no door."""

COVERS: dict[str, str] = {
    "blinds": "blinds?; (?:window )?shades?; sunblinds; jalousies; slats",
    "curtains": "curtains?; drapes",
    "shutters": "shutters?",
    "awning": "awnings?; sun ?shades?; canopy",
    "window": "(?:roof )?windows?; skylight",
    "garage_door": "garage doors?; garage",
}

NO_COVERS = """
    (?:some|no|need|want|of) shade; (?<!rain is coming in )through the (?:windows?|glass); out (?:of )?the window;
    by the window"""

GARAGE_AS_PLACE = "(?:in|into|out of) the garage; (?:in|into) the [a-z' ]+ and the garage"
"""A garage that is a place, among sentences in which it may be a door."""

SOUND: dict[str, str] = {
    "tv": "tv; telly; television",
    "speaker": "speakers?; stereo; sound system",
    "radio": "radio",
}

NO_SOUND = f"not the tv; radio (?:\\d|one|two|four); (?:bbc|{'|'.join(slot_words('genre'))}) radio"

CLIMATE: dict[str, str] = {
    "thermostat": "thermostat; heating; the heat; ^heat(?= (?:up|down)(?! (?:the|this|my|our)\\b))",
    "air_conditioner": APPLIANCES["air_conditioner"],
    "heater": APPLIANCES["heater"],
    "other": "thermometer; (?<=of the )fridge; (?<=inside the )fridge",
}

NO_CLIMATE = "(?:about|in|this) the heat"

_BEFORE_ROBOT = (
    "the|my|our|that|your|this|robot|start|run|launch|activate|deploy|unleash|release|stop|pause|halt|cancel|kill|quit"
    "|end|send|let|have|get|tell|ask|make|set|put|dock|park|recharge|hold|return|bring|call|turn|switch|shut|started"
    "|why is|is|can|could|need|keep|stopping|pausing|docking|off you go|that'll do|good job|that's enough|go home"
    "|charger|base|yourself|want|like|with|(?:turn|switch|shut) (?:on|off)|fire up|get out|send out|call off"
)
_AFTER_ROBOT = (
    "start|go|on|off|stop|home|dock|back|enough|pause|return|clean|is|keeps|has|hasn't|should|can|could|needs|may"
    "|to the|job|run"
)

VACUUMS: dict[str, str] = {
    "vacuum": f"""
        robot (?:vacuum|hoover|cleaner); vacuum (?:cleaner|robot); cleaning robot; robo ?vac; vac; roomba; rumba;
        roborock; henry; robot; cleaner; (?:{_BEFORE_ROBOT}) (?:vacuum|hoover);
        (?:vacuum|hoover)(?= (?:{_AFTER_ROBOT})\\b)"""
}
"""The robot as a thing; 'vacuum the floor' and 'needs a hoover' name none."""

ALARMS: dict[str, str] = {
    "alarm": """
        (?:burglar |house |security |home |intruder |perimeter |anti theft )?alarm(?: system| panel)?; sirens?;
        (?:home |house )?security(?: system)?; (?:the|arm|disarm|rearm|re-arm) system; ^system off; (?<=, )system off;
        motion (?:sensors?|detectors?); sensors?""",
    "other": "cameras?",
}

NO_ALARMS = "false alarm; (?:away )?security (?:mode|alert|light); away security; guard mode"

COLORS: dict[str, str] = {
    "red": "red; crimson; maroon",
    "orange": "orange; amber; peach; coral",
    "yellow": "yellow; gold",
    "green": "green; mint; emerald",
    "cyan": "cyan; turquoise; teal; aqua",
    "blue": "blue",
    "purple": "purple; violet; lilac; lavender; indigo",
    "pink": "pink; magenta; rose; salmon",
    "white": "white; (?:neutral|bright|pure) white; ivory; 4000 kelvin",
    "warm_white": "(?:warm|soft|warmer) white; warm light; candle ?light; warm(?:er)?; 2700 kelvin; 3000k",
    "cool_white": "(?:cool|cold|cooler) white; daylight; natural light; cool(?:er)?; cold(?:er)?; 6500k",
}

_SHADES = "lime|dark|light|sky|deep|hot|navy|bright|soft|pale|ocean|forest|baby"
_ANY_COLOR = f"(?:(?:{_SHADES}) )?" + either([phrase for listing in COLORS.values() for phrase in phrases_of(listing)])

NO_COLORS = f"""
    too (?:[a-z]+ and )?{_ANY_COLOR}; less (?:[a-z]+ and )?{_ANY_COLOR}; from {_ANY_COLOR}(?= to); not {_ANY_COLOR},;
    {_ANY_COLOR} no(?= {_ANY_COLOR}); (?:bored with|tired of|sick of) {_ANY_COLOR}; being {_ANY_COLOR};
    don't like [a-z ]+ in {_ANY_COLOR}; the {_ANY_COLOR} lights? (?:isn't|aren't|is)(?: cold)?;
    (?:swap|trade) the {_ANY_COLOR}; {_ANY_COLOR} (?:is|are) (?:so )?pretty; the {_ANY_COLOR} team; a rose;
    warm(?= yellow| amber)"""
"""Colours that are not wanted, and those of things."""

DAYS: dict[str, str] = {
    "today": "today; tonight; this (?:morning|afternoon|evening)",
    "tomorrow": "tomorrow",
    **{name: f"{name}s?" for name in ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")},
    "weekdays": "(?:every )?weekdays?; monday to friday",
    "weekend": "weekends?",
    "daily": "daily; every ?day; (?:each|every) (?:day|morning|night|evening)",
    "week": "(?:this|next) week",
}

NO_DAYS = "the day after tomorrow"
