"""Constrained texts: always well-formed, never half a text that looks whole."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from typing import Any

import pytest
from benchmarks.generating.schemas import make_schema
from tests.unit.test_package import decoder, write

from smallwright.errors import EngineError
from smallwright.run import Package, load

jsonschema = pytest.importorskip("jsonschema")
PROMPT = "turn on the"
ORDER = {
    "type": "object",
    "properties": {
        "intent": {"enum": ["lights_on", "lights_off", "brightness_set"]},
        "area": {"type": "string", "maxLength": 12},
        "value": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    "required": ["intent", "area", "value"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Package]:
    path = write(tmp_path_factory.mktemp("run") / "text.gguf", decoder(context=512), "gpt2").path
    with load(path, threads=1) as opened:
        yield opened


@pytest.mark.parametrize("seed", range(6))
def test_an_answer_satisfies_its_schema(package: Package, seed: int) -> None:
    answer = package.complete(PROMPT, 200, schema=ORDER, temperature=1.0, seed=seed)
    assert answer.ending == "complete" and answer.whole
    jsonschema.validate(json.loads(answer.text), ORDER)
    assert answer.forced > 5  # keys and punctuation leave no choice
    assert package.generate(PROMPT, 200, schema=json.dumps(ORDER), temperature=1.0, seed=seed) == answer.text


def test_forced_tokens_share_a_pass(package: Package) -> None:
    before = package.counters()["passes"]
    answer = package.complete(PROMPT, 200, schema=ORDER)
    passes = package.counters()["passes"] - before
    assert passes <= len(answer.tokens) - answer.forced + 1


def test_regex_choices_and_grammar(package: Package) -> None:
    pattern = r"[0-9]{3}-(red|green)"
    choices = ["yes", "no", 'per"haps\n', "größer"]
    grammar = 'start: "the " ("dog" | "cat") " sleeps" ("." | "!")'
    gbnf = 'root ::= "the " ("dog" | "cat")'
    for seed in range(5):
        way = {"temperature": 1.5, "seed": seed}
        assert re.fullmatch(pattern, package.generate(PROMPT, regex=pattern, **way))
        assert package.generate(PROMPT, choices=choices, **way) in choices
        assert re.fullmatch(r"the (dog|cat) sleeps[.!]", package.generate(PROMPT, grammar=grammar, **way))
        assert package.generate(PROMPT, grammar=gbnf, **way) in ("the dog", "the cat")
    only = package.complete(PROMPT, choices=["lights"])
    assert (only.text, only.ending, only.forced) == ("lights", "complete", len(only.tokens))
    assert package.generate(PROMPT, len(only.tokens), choices=["lights"]) == "lights"


def test_texts_that_obey_grow_together(package: Package) -> None:
    alone = [package.generate(PROMPT, 40), package.generate("it is dark", 200, schema=ORDER)]
    free, bound = (
        package.complete([PROMPT, "it is dark"], 40),
        package.complete(["it is dark", PROMPT], 200, schema=ORDER),
    )
    assert free[0].text == alone[0]
    assert bound[0].text == alone[1]


def test_what_is_cut_short_is_an_error(package: Package) -> None:
    for most in (1, 5, 20):
        with pytest.raises(EngineError, match="must be whole") as caught:
            package.generate(PROMPT, most, schema=ORDER)
        assert caught.value.kind == "incomplete"
        answer = package.complete(PROMPT, most, schema=ORDER)
        assert answer.ending == "incomplete" and not answer.whole
        with pytest.raises(EngineError, match="must be whole"):
            list(package.stream(PROMPT, most, schema=ORDER))
    with pytest.raises(EngineError, match="must be whole"):
        package.generate("light " * 500, 200, schema=ORDER)  # the context ends first
    whole = package.complete(PROMPT, 200, schema=ORDER)
    assert package.generate(PROMPT, len(whole.tokens), schema=ORDER) == whole.text


@pytest.mark.parametrize(
    "way",
    [
        {"schema": {"type": "no such type"}},
        {"schema": "{not json"},
        {"schema": {"$ref": "#/nowhere"}},
        {"schema": {"type": "string", "pattern": "("}},
        {"schema": object()},
        {"schema": {"type": "integer", "minimum": 5, "maximum": 1}},
        {"regex": "("},
        {"regex": "(?=a)b"},
        {"choices": []},
        {"grammar": "start: nothing_of_that_name"},
        {"schema": ORDER, "stop": "}"},
    ],
)
def test_what_does_not_compile_is_one_clear_error(package: Package, way: dict[str, Any]) -> None:
    with pytest.raises(EngineError) as caught:
        package.generate([PROMPT, PROMPT], 20, **way)
    assert "\n" not in str(caught.value)
    assert package.generate(PROMPT, choices=["lights"]) == "lights"


def test_answers_to_random_schemas_validate_or_are_errors(package: Package) -> None:
    rng = random.Random(5)
    schemas = [make_schema(rng) for _ in range(40)]
    whole = 0
    for seed, schema in enumerate(schemas):
        for answer in package.complete([PROMPT, "lights", "it is"], 160, schema=schema, temperature=1.0, seed=seed):
            assert answer.ending in ("complete", "incomplete")
            if answer.ending == "complete":
                jsonschema.validate(json.loads(answer.text), schema)
                whole += 1
    assert whole >= 0.9 * 3 * len(schemas)
