"""Numbers of the demo's answers: levels, temperatures, lengths of time and hours of the clock, in digits or words.

What enters: a clean text. What leaves: a number or an hour, or None when the text says none.
Not here: the choice of what to read (``answers``).
"""

from __future__ import annotations

import re

_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen"),
    *("fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")

NUMBER_WORDS: dict[str, int] = {
    **{word: value for value, word in enumerate(_UNITS + _TEENS)},
    **{word: 10 * place for place, word in enumerate(_TENS, start=2)},
}
"""Number words of one part; 'twenty five' is two of them."""

_SPOKEN = re.compile(
    rf"\b(?:({'|'.join(_TENS)})(?:[ -]({'|'.join(_UNITS[1:])}))?"
    rf"|(?<!this )(?<!that )(?<!no )(?<!little )({'|'.join(_TEENS + _UNITS)}))\b"
)


def in_digits(text: str) -> str:
    """Write the number words of a text in digits: 'twenty five' becomes 25, 'seven thirty' 7 30."""

    def spell(match: re.Match[str]) -> str:
        tens, unit, small = match.groups()
        return str(NUMBER_WORDS[small] if small else NUMBER_WORDS[tens] + NUMBER_WORDS.get(unit, 0))

    return _SPOKEN.sub(spell, text)


def _number(text: str) -> int | float:
    value = float(text)
    return int(value) if value.is_integer() else value


_NO_LEVEL = re.compile(
    r"\bby (?:\d+ ?(?:%|per ?cent)?|half)|\bin half\b|(?:third|quarter|half) of that"
    r"|\b(?:half|halve|cut|double) the (?:volume|brightness)|\d+ (?:notches|steps)"
)
_LEVEL = re.compile(
    r"(?P<number>\d+(?:\.\d+)?)|\b(?:(?P<half>half)(?! past)|(?P<quarter>quarter)|(?P<third>third)"
    r"|(?P<full>full|max|maximum|all the way up|as (?:bright|loud) as (?:possible|they go)|as much light as))\b"
)
_LEVELS = {"half": 50, "quarter": 25, "third": 33, "full": 100}


def read_level(text: str) -> int | float | None:
    """The level of light or sound to set; a change by so much is none."""
    for match in _LEVEL.finditer(_NO_LEVEL.sub(" ", in_digits(text))):
        kind = str(match.lastgroup)
        value = _number(match.group()) if kind == "number" else _LEVELS[kind]
        if value <= 100:
            return value
    return None


_TIME_OR_CHANGE = re.compile(r" (?:by|until) .*")
_DEGREES = re.compile(
    r"(?P<before>\b(?:to|at|around|least) )?(?P<number>\d+(?:\.\d+)?)(?P<half> and a half)?"
    r"(?! (?:degrees? )?(?:warmer|cooler|hotter|colder|higher|lower|more)\b)(?![\d.])"
)
_SMALLEST_DEGREES = 10


def read_degrees(text: str) -> int | float | None:
    """The temperature to set, in whichever degrees were said; a change by so many degrees is none."""
    for match in _DEGREES.finditer(_TIME_OR_CHANGE.sub("", in_digits(text))):
        value = _number(match["number"]) + (0.5 if match["half"] else 0)
        if (match["before"] or value >= _SMALLEST_DEGREES) and value <= 100:
            return value
    return None


_MINUTES = "(?:minutes?|mins?|minuets)"
_DURATION = re.compile(
    r"(?P<three_quarters>\b3 quarters of an hour)|(?P<quarter>\bquarter of an hour)|(?P<half>\bhalf (?:an )?hour)"
    r"|\b(?P<hours>\d+|an?|a couple of)(?P<half_hour> and a half)?[ -]?(?:hours?|h)\b"
    rf"(?: and (?P<more>\d+|an?) ?{_MINUTES}|(?P<half_more> and a half))?"
    rf"|\b(?P<minutes>\d+|an?|a couple of)(?P<half_minute> and a half)?[ -]?(?:{_MINUTES}|m)\b(?! ago)"
    r"|\b(?P<seconds>\d+)[ -]?(?:seconds?|secs?|s)\b|(?P<long>\bhour long)"
)
_WORDED = {"a": 1, "an": 1, "a couple of": 2}
_LONGEST_DURATION = 86400


def _count(text: str | None) -> int:
    return _WORDED[text] if text in _WORDED else int(text or 0)


def read_duration(text: str) -> int | None:
    """The first length of time, in seconds."""
    for match in _DURATION.finditer(in_digits(text)):
        part = match.groupdict()
        if part["three_quarters"]:
            return 2700
        if part["quarter"]:
            return 900
        if part["half"]:
            return 1800
        if part["long"]:
            return 3600
        seconds = 3600 * _count(part["hours"]) + 60 * (_count(part["more"]) + _count(part["minutes"]))
        seconds += (
            _count(part["seconds"])
            + (1800 if part["half_more"] or part["half_hour"] else 0)
            + (30 if part["half_minute"] else 0)
        )
        if 1 <= seconds <= _LONGEST_DURATION:
            return seconds
    return None


_CLOCK = re.compile(
    r"\b(?:(?P<noon>noon)|(?P<midnight>midnight)|half (?:past )?(?P<half>\d{1,2})"
    r"|(?P<part>quarter|\d{1,2})(?: minutes)? (?P<side>past|to) (?P<of>\d{1,2})"
    r"|0?(?P<hour>\d{1,2})(?:[:. ](?P<minute>\d\d))?(?! alarms))(?!\d)"
    r"(?P<late> ?(?:pm|p\.m\.|p m)\b| in the (?:afternoon|evening)| (?:this|tomorrow) (?:afternoon|evening)| at night)?"
)
_EVENT = re.compile(
    r"^(?:(?:my|our|the) [a-z]+ (?:leaves|is|starts|goes) at|i (?:can't|mustn't|must not|don't want to) sleep past)"
    r" (?P<event>.*), (?P<wish>.*)"
)


def _read_clock(text: str) -> int | None:
    """Minutes from midnight of the first hour that a text in digits says."""
    match = _CLOCK.search(text)
    if match is None:
        return None
    part = match.groupdict()
    if part["noon"] or part["midnight"]:
        return 720 if part["noon"] else 0
    if part["half"]:
        minutes = 60 * int(part["half"]) + 30
    elif part["of"]:
        away = 15 if part["part"] == "quarter" else int(part["part"])
        minutes = 60 * int(part["of"]) + (away if part["side"] == "past" else -away)
    else:
        minutes = 60 * int(part["hour"]) + int(part["minute"] or 0)
    if part["late"] and minutes < 720:
        minutes += 720
    return minutes % 1440


def read_time(text: str) -> str | None:
    """When an alarm rings, HH:MM; not the hour of what one wakes up for, but an hour before it if that is asked for."""
    text = in_digits(text)
    event = _EVENT.match(text)
    if event and "an hour before" in event["wish"]:
        minutes = _read_clock(event["event"])
        minutes = None if minutes is None else (minutes - 60) % 1440
    else:
        minutes = _read_clock(event["wish"] if event else text)
    return None if minutes is None else f"{minutes // 60:02d}:{minutes % 60:02d}"
