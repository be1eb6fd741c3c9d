"""The answers of the smart-home grammar: what a sentence says without its reasons and mistakes, under the schema."""

from __future__ import annotations

import json
import random
import re
from importlib import resources

import pytest
from jsonschema import Draft202012Validator

from smallwright.demo import answer_words, answers, grammar
from smallwright.demo.answer_numbers import in_digits, read_degrees, read_duration, read_level, read_time
from smallwright.demo.answers import answer_of, read_answer
from smallwright.run.schema import AnswerForm

SCHEMA = json.loads((resources.files("smallwright.demo") / "answer.schema.json").read_text(encoding="utf-8"))

EXPECTED: list[tuple[str, str, dict[str, object]]] = [
    ("lights_on", "turn on the lights in the loo and the kitchen", {"area": "bathroom", "device": "light"}),
    ("lights_on", "the bathroom, no, the kitchen light", {"area": "kitchen", "device": "light"}),
    ("lights_on", "light up emma's room", {"area": "kids_room"}),
    ("lights_on", "it's too dark in here", {}),
    ("lights_off", "switch off the bedside lamp", {"area": "bedroom", "device": "lamp"}),
    ("lights_off", "fairy lights off on the deck", {"area": "patio", "device": "string_lights"}),
    ("brightness_set", "dim the porch light to twenty five percent", {"area": "porch", "device": "light", "value": 25}),
    ("brightness_set", "the lamp at half power", {"device": "lamp", "value": 50}),
    ("brightness_set", "lower the lights by 20%", {"device": "light"}),
    ("brightness_set", "the little one finds the night light too bright", {"device": "night_light"}),
    ("color_set", "change the lights in the den from red to teal", {
        "area": "living_room", "device": "light", "color": "cyan",
    }),
    ("color_set", "i'm tired of blue lights, make it lilac", {"device": "light", "color": "purple"}),
    ("color_set", "swap the lime green light for red", {"device": "light", "color": "red"}),
    ("color_set", "make the lamp the colour of a rose", {"device": "lamp"}),
    ("color_set", "candlelight in the whole house", {"area": "everywhere", "color": "warm_white"}),
    ("color_set", "these lights are too blue", {"device": "light"}),
    ("device_on", "plug in the space heater in the spare room", {"area": "guest_room", "device": "heater"}),
    ("device_on", "make me a coffee", {}),
    ("device_on", "i need to iron", {}),
    ("device_off", "turn off the slow cooker and the hob", {"device": "other"}),
    ("device_off", "the kettle, no wait, the toaster off", {"device": "toaster"}),
    ("temperature_set", "set the heating to nineteen degrees until half past seven", {
        "device": "thermostat", "value": 19,
    }),
    ("temperature_set", "make the study two degrees warmer", {"area": "office"}),
    ("temperature_set", "21, no make that 20.5 degrees", {"value": 20.5}),
    ("temperature_query", "how warm is it in the house", {"area": "everywhere"}),
    ("door_lock", "lock the kitchen door and the gate", {"device": "door"}),
    ("door_unlock", "take the deadbolt off the main door", {"device": "front_door"}),
    ("door_unlock", "unlock the garage", {"device": "garage_door"}),
    ("door_unlock", "grandma is downstairs, let her in", {}),
    ("cover_open", "open the garage door", {"device": "garage_door"}),
    ("cover_open", "open the blinds in the garage", {"area": "garage", "device": "blinds"}),
    ("cover_open", "we need some shade on the terrace", {"area": "patio"}),
    ("cover_close", "someone is peeking through the window", {}),
    ("cover_close", "shut the loft skylight", {"area": "attic", "device": "window"}),
    ("music_play", "play some jazz music in the lounge", {"area": "living_room", "name": "jazz"}),
    ("music_play", "put on the beatles", {"name": "the beatles"}),
    ("music_play", "play something by adele on the speaker", {"device": "speaker", "name": "adele"}),
    ("music_play", "fill the house with house music", {"area": "everywhere", "name": "house"}),
    ("music_play", "play some music", {}),
    ("music_play", "play music, not the tv", {}),
    ("music_stop", "turn the radio off upstairs", {"area": "upstairs", "device": "radio"}),
    ("volume_set", "set the tv volume to seven", {"device": "tv", "value": 7}),
    ("volume_set", "i love this one, turn it up two notches", {}),
    ("volume_set", "maximum volume", {"value": 100}),
    ("vacuum_start", "vacuum the hall", {"area": "hallway"}),
    ("vacuum_start", "send the hoover to the nursery", {"area": "kids_room", "device": "vacuum"}),
    ("vacuum_stop", "go home roomba", {"device": "vacuum"}),
    ("timer_set", "set a timer for an hour and twenty minutes", {"duration": 4800}),
    ("timer_set", "set a timer for 5 no 10 minutes", {"duration": 600}),
    ("timer_set", "two and a half minutes for the eggs", {"duration": 150}),
    ("timer_cancel", "cancel the half hour timer i set a minute ago", {"duration": 1800}),
    ("timer_cancel", "stop the timer i set a minute ago", {}),
    ("alarm_set", "wake me at half past seven tomorrow morning", {"time": "07:30", "day": "tomorrow"}),
    ("alarm_set", "half eight alarm on friday", {"time": "08:30", "day": "friday"}),
    ("alarm_set", "get me up at twenty to six every weekday", {"time": "05:40", "day": "weekdays"}),
    ("alarm_set", "set two alarms for six fifteen and 7", {"time": "06:15"}),
    ("alarm_set", "set an alarm for 3 in the afternoon the day after tomorrow", {"time": "15:00"}),
    ("alarm_set", "my train leaves at 8 on monday, wake me up an hour before", {"time": "07:00", "day": "monday"}),
    ("alarm_set", "my train leaves at 8 on monday, wake me at six", {"time": "06:00", "day": "monday"}),
    ("alarm_set", "alarm for 6, no, 7 in the morning", {"time": "07:00"}),
    ("security_arm", "turn on the burglar alarm in the kitchen", {"device": "alarm"}),
    ("security_disarm", "it's a false alarm", {}),
    ("state_query", "is the office door locked", {"device": "door"}),
    ("state_query", "did i leave the porch light on", {"area": "porch", "device": "light"}),
    ("state_query", "is the heating on in the baby's room", {"area": "kids_room", "device": "thermostat"}),
    ("weather_query", "will it rain this afternoon in the garden", {"day": "today"}),
    ("weather_query", "do i need a coat in the morning", {}),
    ("weather_query", "what's the forecast for next week", {"day": "week"}),
    ("scene_activate", "movie night mode", {"name": "movie night"}),
    ("scene_activate", "put the kitchen in study mode", {"area": "kitchen", "name": "study"}),
    ("scene_activate", "set the mood for a romantic dinner", {"name": "romantic dinner"}),
    ("scene_activate", "i'm leaving the house", {}),
    ("scene_activate", "goodnight house", {"name": "goodnight"}),
    ("shopping_add", "two pints of milk, ice cream and a birthday card", {
        "items": ["milk", "ice cream", "birthday card"],
    }),
    ("shopping_add", "add bread to the list, no wait, eggs", {"items": ["eggs"]}),
]  # fmt: skip


@pytest.fixture(scope="module")
def rows() -> list[dict[str, object]]:
    return grammar.generate_answers(2000, seed=5)


def _answers(frames: list[grammar.Frame], label: str, count: int = 400) -> list[tuple[str, dict[str, object]]]:
    writer, rng = grammar.RowWriter(frames), random.Random(8)
    sentences = [writer.write_told(label, rng) for _ in range(count)]
    return [(sentence.text.lower(), answer_of(label, sentence.telling)) for sentence in sentences]


@pytest.mark.parametrize(("count", "seed"), [(27, 0), (2000, 5)])
def test_rows_are_those_of_generate_with_an_answer(count: int, seed: int) -> None:
    with_answers = grammar.generate_answers(count, seed)
    assert [{"text": row["text"], "label": row["label"]} for row in with_answers] == grammar.generate(count, seed)
    assert all(list(row) == ["text", "label", "answer"] for row in with_answers)


def test_same_seed_same_answers(rows: list[dict[str, object]]) -> None:
    assert grammar.generate_answers(2000, seed=5) == rows


def test_every_answer_is_under_the_schema_and_in_its_order(rows: list[dict[str, object]]) -> None:
    validator = Draft202012Validator(SCHEMA)
    order = list(SCHEMA["properties"])
    assert list(answers.FIELD_ORDER) == order
    for row in rows:
        answer = row["answer"]
        assert isinstance(answer, dict)
        validator.validate(answer)
        assert answer["intent"] == row["label"]
        assert list(answer) == [field for field in order if field in answer]
        assert set(answer) <= {"intent", *answers.FIELDS[str(row["label"])]}
        assert not isinstance(answer.get("value"), float) or not answer["value"].is_integer()


def test_every_field_is_said_sometimes_and_left_out_sometimes(rows: list[dict[str, object]]) -> None:
    said = {(row["label"], field) for row in rows for field in row["answer"]}
    never = [
        (label, field) for label, fields in answers.FIELDS.items() for field in fields if (label, field) not in said
    ]
    assert set(never) <= {("door_lock", "area"), ("door_unlock", "area")}
    assert sum(len(row["answer"]) == 1 for row in rows) > 100


def test_the_intents_are_those_of_the_schema() -> None:
    assert list(answers.FIELDS) == list(grammar.INTENTS) == SCHEMA["properties"]["intent"]["enum"]


@pytest.mark.parametrize(
    ("field", "tables"),
    [
        ("area", (answer_words.AREAS, answer_words.AREAS_OF_THINGS, answer_words.HOUSE)),
        (
            "device",
            (
                *(answer_words.LIGHTS, answer_words.APPLIANCES, answer_words.DOORS, answer_words.LOCKS),
                *(answer_words.COVERS, answer_words.SOUND, answer_words.CLIMATE),
                *(answer_words.VACUUMS, answer_words.ALARMS),
            ),
        ),
        ("color", (answer_words.COLORS,)),
        ("day", (answer_words.DAYS,)),
    ],
)
def test_the_tables_have_the_values_of_the_schema(field: str, tables: tuple[answer_words.Table, ...]) -> None:
    assert {value for table in tables for value in table} == set(SCHEMA["properties"][field]["enum"])


@pytest.mark.parametrize(("intent", "text", "fields"), EXPECTED)
def test_what_a_sentence_says(intent: str, text: str, fields: dict[str, object]) -> None:
    assert read_answer(intent, text) == {"intent": intent, **fields}


def test_a_place_of_the_grammar_is_not_overlooked() -> None:
    """Where a light or a warmth is wanted, each of the grammar's places is an area."""
    for room in [*grammar.grammar_slots.SLOTS["room"].split("|"), *grammar.grammar_slots.SLOTS["outdoor"].split("|")]:
        place = re.sub(r"\*\d+", "", room).replace("{kid}", "leo").strip()
        for intent, text in (
            ("lights_on", f"the lights in the {place}"),
            ("temperature_query", f"how hot is the {place}"),
        ):
            assert "area" in read_answer(intent, text), text


def test_neither_reason_nor_manner_tells_the_answer() -> None:
    said = _answers([grammar.Frame("device_on", "commands", "turn on the fan in the kitchen")], "device_on")
    assert sum("already loaded" in text for text, _ in said) > 0
    assert [answer for _, answer in said] == [{"intent": "device_on", "area": "kitchen", "device": "fan"}] * len(said)


def test_a_mistake_does_not_tell_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "SECOND_THOUGHT_SHARE", 0.5)
    frames = [
        grammar.Frame("lights_on", "commands", "turn on the lamp"),
        grammar.Frame("cover_close", "commands", "close the bathroom blinds"),
    ]
    said = _answers(frames, "lights_on")
    assert sum("close" in text for text, _ in said) > 50
    assert [answer for _, answer in said] == [{"intent": "lights_on", "device": "lamp"}] * len(said)


def test_a_need_and_its_command_tell_the_answer_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammar, "NEED_AND_COMMAND_SHARE", 1.0)
    frames = [
        grammar.Frame("lights_on", "needs", "the kitchen is too dark"),
        grammar.Frame("lights_on", "commands", "turn on the porch light"),
    ]
    found = [answer for text, answer in _answers(frames, "lights_on") if "kitchen" in text and "porch" in text]
    assert len(found) > 50
    assert found == [{"intent": "lights_on", "area": "kitchen", "device": "light"}] * len(found)


def test_all_that_a_need_and_its_command_buy_is_told() -> None:
    told = answer_of("shopping_add", ("we're out of milk", "add bread and milk to the list"))
    assert told == {"intent": "shopping_add", "items": ["milk", "bread"]}


def test_a_manner_that_says_today_says_a_day() -> None:
    said = _answers([grammar.Frame("weather_query", "needs", "i wonder if it'll rain")], "weather_query", 1500)
    ending = [answer for text, answer in said if re.search(r"rain,? today\W*$", text)]
    assert len(ending) > 3
    assert all(answer == {"intent": "weather_query", "day": "today"} for answer in ending)
    assert sum("day" in answer for _, answer in said) < 100


def test_numbers_in_words_and_digits() -> None:
    assert in_digits("twenty five past seven thirty, this one") == "25 past 7 30, this one"
    assert read_level("a quarter of that brightness") is None
    assert read_level("to a quarter") == 25
    assert read_degrees("up 3 degrees") is None
    assert read_degrees("twenty and a half") == 20.5
    assert read_duration("three quarters of an hour") == 2700
    assert read_duration("1h") == 3600
    assert read_time("noon") == "12:00"
    assert read_time("010:30") == "10:30"
    assert read_time("in time") is None


@pytest.mark.parametrize("name", ["commands", "validation"])
def test_hand_written_answers_obey_the_schema_in_its_own_form(name: str) -> None:
    folder = resources.files("smallwright.demo")
    form = AnswerForm(folder.joinpath("answer.schema.json").read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in folder.joinpath(f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 300
    for row in rows:
        written = form.write(row["answer"])
        assert written is not None and list(json.loads(written)) == list(row["answer"]), row
        assert row["answer"]["intent"] == row["label"]
