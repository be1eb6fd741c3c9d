"""Free text of the demo's answers, in a sentence's own words: what to play, which scene, what to buy.

What enters: a clean text. What leaves: words out of that text, without articles.
Not here: values from closed lists (``answer_words``) and numbers (``answer_numbers``).
"""

from __future__ import annotations

import re

from smallwright.demo.answer_words import either, slot_words

_ARTIST = either(slot_words("artist"))
_DOUBTFUL_GENRES = ["party", "dinner", "house", "kids", "dance", "pop"]
"""Kinds of music that are also something else; they count only where music must follow."""
_GENRE = either([genre for genre in slot_words("genre") if genre not in _DOUBTFUL_GENRES])
_DOUBTFUL = either(_DOUBTFUL_GENRES)
_STATION = "(?:playlist|radio|station)"
_BEFORE_GENRE = (
    r"(?:some|bit of|a little|play|put on|hear|any|with|without|want|needs?|like|fancy|(?:miss|heard)(?: this| that)?"
    r"|shuffle|queue(?: up)?|stream|blast|spin|cue up|crank out|mood for|music to|us|me)"
)
_BEFORE_SERVICE = (
    r"(?:(?:turn|switch|put|stick|whack|pop|get|throw) on|start|begin|resume|continue|restart|unpause|play|shuffle"
    r"|queue up|queue|stream|cue up|blast|crank out|spin|get|put|stick|pop|to|like)"
)
"""'Put on spotify' asks for it, 'abba on spotify' says whence."""

_TITLE = either(
    [
        r"(?:my|our) (?:favou?rite )?(?:workout |morning |running |dinner )?"
        r"(?:playlist|favourites|favou?rite songs|liked songs|song|album|station|podcast|audiobook)",
        "party playlist",
        "sleep playlist",
        "(?:bbc )?radio (?:[1-9]|one|two|three|four)",
        "classic fm",
        "local station",
        "kids' songs",
        "frozen (?:soundtrack|songs)",
        "soundtrack of grease",
        "(?:next|latest) episode(?: of my podcast)?",
        "news podcast",
        "podcast",
        "audiobook",
        "lullaby",
        "lullabies",
        "bedtime song",
        "white noise",
        "rain sounds",
        "whale songs",
        "nursery rhymes?",
        "baby shark",
        "let it go",
        "the wheels on the bus",
        "(?:christmas )?carols",
        "top 40",
        "background(?= music)",
        "soothing(?= music)",
        f"(?:new album by|greatest hits of) {_ARTIST}",
        "^spotify",
    ]
)

_MUSIC = re.compile(
    r"\b(?:(?:something|anything) (?P<manner>relaxing|upbeat|cheerful|quiet|chilled|soothing|fun|happy|romantic|calm"
    r"|mellow|jazzy)"
    rf"|{_BEFORE_SERVICE} (?P<service>spotify)"
    rf"|(?P<title>{_TITLE})"
    rf"|(?P<doubtful_station>{_DOUBTFUL} {_STATION})(?! (?:\d|one|two|four))"
    rf"|{_BEFORE_GENRE} (?P<doubtful>{_DOUBTFUL})(?! needs)"
    rf"|(?P<doubtful_music>{_DOUBTFUL})(?= music| please$)"
    rf"|(?P<genre>{_GENRE}(?: {_STATION})?)"
    rf"|(?P<artist>{_ARTIST}))(?![\w'])"
)


def read_music(text: str) -> str | None:
    """What to play; None when only music, a song or something is asked for."""
    match = _MUSIC.search(text)
    return match[str(match.lastgroup)] if match else None


_SCENE = either([*slot_words("scene"), "bed time", "film time", "going out", "bed"])
_EXPLICIT = re.compile(
    rf"\b({_SCENE}(?: (?:time|night))?)"
    r" (?:mode|scene|settings?|mood|routine|preset|atmosphere|ambience|vibes?|feel|feeling|thing|set ?up)\b"
)
_MOOD = re.compile(
    r"\b(relaxing bath|quiet (?:evening|night in)|(?:romantic|cosy|cozy) (?:dinner|evening|night in|night)|romantic"
    r"|cosy|cozy|festive|spooky|relaxing|snug|christmassy|calm|chilled|romance)\b"
)
_GREETING = re.compile(
    r"\b(good ?night|nighty night|night night|good morning|bed ?time|netflix and chill|^morning"
    r"|^night(?=$| house| every| all))\b"
)
_OCCASION = re.compile(
    rf"\b((?:nap|bath|story|reading) time|(?:movie|film|date|game) night|{_SCENE} (?:night|time)(?! to\b)|movie theater"
    r"|movie|film|dvd|cinema|(?:dinner|birthday) party|party|dinner (?:by candlelight|for two)|dinner|first date"
    r"|(?:wedding )?anniversary|(?:(?<=a )|(?<=the ))date(?! is)|disco|nightclub|spa|dance floor|haunted house|yoga"
    r"|meditation|meditate|studying|(?<!the )study|focus|concentrate|relax|unwind|wind down|chill out|chill|gaming"
    r"|big game|games|(?<=for )(?:working|reading|guests|visitors)|breakfast|nap|sleepover|celebration"
    r"|christmas morning|wake up(?= time|$)|bed|sleeping|sleep(?! tight))\b"
)


def read_scene(text: str) -> str | None:
    """Which scene: one that is called so, a mood, a greeting or an occasion; coming and going name none."""
    for pattern in (_EXPLICIT, _MOOD, _GREETING, _OCCASION):
        match = pattern.search(text)
        if match:
            return match[1]
    return None


_ITEM = re.compile(rf"\b{either([re.sub('^an? ', '', item) for item in slot_words('item')])}(?![\w'])")
_MOST_ITEMS = 6


def read_items(text: str) -> list[str]:
    """What to buy, each thing once, in the order in which it is said."""
    return list(dict.fromkeys(_ITEM.findall(text)))[:_MOST_ITEMS]


def merge_items(before: list[str], after: list[str]) -> list[str]:
    """The things of two lists, each once."""
    return list(dict.fromkeys([*before, *after]))[:_MOST_ITEMS]
