"""What does a schema cost, what do forced tokens save, and does every answer hold?"""

from __future__ import annotations

import json
import random
import statistics
import tempfile
from pathlib import Path
from typing import Any

import jsonschema

from claims import Claims
from generating.models import ask_llama, make_prompts, open_model, seconds, spread
from generating.schemas import make_schema
from smallwright.run import Package

THREADS = 2
LEAST_RATE = 0.9  # of free text's tokens/s
SCHEMAS, ANSWERS_EACH, LEAST_WHOLE = 500, 20, 0.95
COMMAND = {
    "type": "object",
    "properties": {
        "intent": {"enum": ["lights_on", "lights_off", "brightness_set", "temperature_set", "music_play"]},
        "area": {"type": "string", "pattern": "^[a-z ]{3,12}$"},
        "device": {"type": "string", "pattern": "^[a-z ]{3,12}$"},
        "value": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    "required": ["intent", "area", "device", "value"],
    "additionalProperties": False,
}
"""An assistant's answer."""
COMMAND_GBNF = r"""
root ::= "{\"intent\":\"" intent "\",\"area\":\"" words "\",\"device\":\"" words "\",\"value\":" value "}"
intent ::= "lights_on" | "lights_off" | "brightness_set" | "temperature_set" | "music_play"
words ::= [a-z ]{3,12}
value ::= "100" | [1-9] [0-9] | [0-9]
"""
"""The same for llama.cpp."""
TEXTS = {"type": "array", "items": {"type": "string"}, "minItems": 4, "maxItems": 4}
"""Mostly free text inside JSON: little is forced."""
BOUNDED = {**TEXTS, "items": {"type": "string", "minLength": 40, "maxLength": 60}}
"""The same with lengths to count, which takes llguidance ten times as long."""


def measure(claims: Claims, rounds: int) -> None:
    """Cost and gain on the larger models, then many answers of the smallest."""
    for model in ("55M", "135M"):
        with open_model(model, THREADS) as package:
            _time(claims, model, package, rounds)
    with open_model("8M", THREADS) as package:
        _hold(claims, package)


def _time(claims: Claims, model: str, package: Package, rounds: int) -> None:
    prompts = make_prompts(4, 9)
    free, bound, counted, answers, theirs = [], [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        grammar = Path(folder) / "command.gbnf"
        grammar.write_text(COMMAND_GBNF, encoding="utf-8")
        for number in range(rounds * len(prompts)):
            prompt = prompts[number % len(prompts)]
            draw = {"temperature": 1.0, "seed": number, "lookup": False}
            free.append(_rate(package, prompt, draw))
            bound.append(_rate(package, prompt, {**draw, "schema": TEXTS}))
            counted.append(_rate(package, prompt, {**draw, "schema": BOUNDED}))
            answers.append(_answer(package, prompt, number))
            told = ask_llama(model, THREADS, "grammar", str(grammar))
            jsonschema.validate(json.loads(told["text"]), COMMAND)
            theirs.append((told["seconds"], told["tokens"]))
    cost = statistics.median(bound) / statistics.median(free)
    claims.check(f"{model}: tokens/s chosen under a schema over free text's", round(cost, 3), ">=", LEAST_RATE)
    unforced = [tokens / f for (_, tokens), f in zip(answers, free, strict=True)]
    gain = statistics.median(u / s for u, (s, _) in zip(unforced, answers, strict=True))
    claims.check(f"{model}: an answer's tokens at free text's speed / its seconds", round(gain, 2), ">", 1.0)
    ratio = statistics.median([s for s, _ in theirs]) / statistics.median([s for s, _ in answers])
    claims.check(f"{model}: llama.cpp's seconds for such an answer / ours", round(ratio, 2), ">=", 1.0)
    bounded = statistics.median(counted) / statistics.median(free)
    print(
        f"{model}: tokens/s under a schema over free text's: {cost:.2f}; with lengths to count {bounded:.2f}",
        flush=True,
    )
    claims.numbers[f"constraints {model}"] = {
        "free tokens/s": spread(free),
        "chosen tokens/s": spread(bound),
        "chosen tokens/s, bounded lengths": spread(counted),
        "answer seconds": spread([s for s, _ in answers]),
        "answer tokens": spread([float(tokens) for _, tokens in answers]),
        "llama.cpp answer seconds": spread([s for s, _ in theirs]),
        "llama.cpp answer tokens": spread([float(tokens) for _, tokens in theirs]),
    }


def _rate(package: Package, prompt: str, options: dict[str, Any]) -> float:
    """Chosen tokens a second, the prompt's pass left out."""
    chosen = [0]

    def grow(tokens: int) -> None:
        answer = package.complete(prompt, tokens, **options)
        chosen[0] = len(answer.tokens) - answer.forced

    grow(1)
    first = seconds(lambda: grow(1))
    began = chosen[0]
    whole = seconds(lambda: grow(60))
    return (chosen[0] - began) / (whole - first)


def _answer(package: Package, prompt: str, seed: int) -> tuple[float, int]:
    """Seconds and tokens of an assistant's answer, the prompt's pass left out."""
    options: dict[str, Any] = {"schema": COMMAND, "temperature": 1.0, "seed": seed}
    first = seconds(lambda: package.complete(prompt, 1, lookup=False))
    made: list[Any] = []
    whole = seconds(lambda: made.append(package.complete(prompt, 300, **options)))
    jsonschema.validate(json.loads(made[0].text), COMMAND)
    return whole - first, len(made[0].tokens)


def _hold(claims: Claims, package: Package) -> None:
    """Thousands of answers of a model that knows nothing: all validate, or say that they are cut short."""
    rng = random.Random(11)
    ends = {"complete": 0, "incomplete": 0}
    wrong = 0
    for number in range(SCHEMAS):
        schema = make_schema(rng)
        prompts = make_prompts(ANSWERS_EACH, 3 + number % 5)
        for answer in package.complete(prompts, 200, schema=schema, temperature=1.0, seed=number):
            ends[answer.ending] = ends.get(answer.ending, 0) + 1
            if answer.ending == "complete":
                wrong += not _valid(answer.text, schema)
    total = SCHEMAS * ANSWERS_EACH
    claims.numbers["constraints, how answers ended"] = ends
    claims.check("generations under random schemas", sum(ends.values()), "==", total)
    claims.check("answers returned as whole that do not validate", wrong, "==", 0)
    claims.check("answers that are whole", round(ends["complete"] / total, 4), ">=", LEAST_WHOLE)
    claims.check(
        "answers that are neither whole nor said to be cut short",
        total - sum(ends[k] for k in ("complete", "incomplete")),
        "==",
        0,
    )


def _valid(text: str, schema: dict[str, Any]) -> bool:
    try:
        jsonschema.validate(json.loads(text), schema)
    except (ValueError, jsonschema.ValidationError):
        return False
    return True
