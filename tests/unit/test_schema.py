"""One way to write each answer: the schema's own order, compact, and nothing that the schema refuses."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from smallwright.errors import EngineError
from smallwright.run.schema import AnswerForm

SCHEMA = {
    "type": "object",
    "properties": {
        "intent": {"enum": ["on", "off"]},
        "level": {"type": "number", "minimum": 0, "maximum": 100},
        "rooms": {"type": "array", "items": {"type": "string", "maxLength": 8}, "maxItems": 2},
        "at": {
            "type": "object",
            "properties": {"hour": {"type": "integer"}, "day": {"type": "string"}},
            "additionalProperties": False,
        },
    },
    "required": ["intent"],
    "additionalProperties": False,
}


def test_keys_come_in_the_schemas_order_and_whole_numbers_whole() -> None:
    value = {"at": {"day": "monday", "hour": 7.0}, "level": 50.0, "rooms": ["küche"], "intent": "on"}
    text = AnswerForm(SCHEMA).write(value)
    assert text == '{"intent":"on","level":50,"rooms":["küche"],"at":{"hour":7,"day":"monday"}}'
    assert AnswerForm(json.dumps(SCHEMA)).write(json.loads(text)) == text


@pytest.mark.parametrize(
    "value",
    [
        {"intent": "up"},
        {"level": 5},
        {"intent": "on", "level": 101},
        {"intent": "on", "colour": "red"},
        {"intent": "on", "rooms": ["a", "b", "c"]},
        {"intent": "on", "rooms": ["longer than eight"]},
        {"intent": "on", "at": {"hour": 7.5}},
        ["on"],
        "on",
        None,
        {"intent": "on", "rooms": ["\ud800"]},
    ],
)
def test_what_the_schema_refuses_cannot_be_written(value: Any) -> None:
    assert AnswerForm(SCHEMA).write(value) is None
    with pytest.raises(jsonschema.ValidationError):
        if value == {"intent": "on", "rooms": ["\ud800"]}:  # jsonschema does not look at the text's encoding
            raise jsonschema.ValidationError("half of a surrogate pair")
        jsonschema.validate(value, SCHEMA)


def test_a_text_is_allowed_however_it_is_written() -> None:
    form = AnswerForm(SCHEMA)
    assert form.allows('{"level": 7, "intent": "off"}')
    assert not form.allows('{"intent": "off"')
    assert not form.allows("[" * 100_000)
    assert not form.allows('{"intent": "up"}')
    assert AnswerForm({"type": ["object", "null"]}).allows("null")


def test_the_order_of_keys_is_found_behind_references_and_choices() -> None:
    """As pydantic writes schemas."""
    light = {"type": "object", "properties": {"room": {"type": "string"}, "on": {"type": "boolean"}}}
    light |= {"required": ["room", "on"], "additionalProperties": False}
    timer = {"type": "object", "properties": {"name": {"type": "string"}, "on": {"const": 1}, "room": {"type": "null"}}}
    timer |= {"required": ["name", "on", "room"], "additionalProperties": False}
    choice = {"anyOf": [{"$ref": "#/$defs/timer"}, {"$ref": "#/$defs/light"}]}
    schema = {"type": "object", "properties": {"do": {"type": "array", "items": choice}}, "required": ["do"]}
    schema |= {"additionalProperties": False, "$defs": {"light": light, "timer": timer}}
    value = {"do": [{"on": True, "room": "hall"}, {"room": None, "on": 1.0, "name": "tea"}]}
    text = '{"do":[{"room":"hall","on":true},{"name":"tea","on":1,"room":null}]}'
    assert AnswerForm(schema).write(value) == text
    assert AnswerForm(schema).write({"do": [{"on": "yes", "room": "hall"}]}) is None


@pytest.mark.parametrize("schema", ["{", {"type": "no such type"}, {"$ref": "#/nowhere"}, 7])
def test_a_schema_that_does_not_compile_is_an_error(schema: Any) -> None:
    with pytest.raises(EngineError, match="must compile"):
        AnswerForm(schema)
