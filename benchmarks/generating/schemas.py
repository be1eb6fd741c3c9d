"""Random JSON schemas: nested objects, enums, bounded numbers, strings and arrays, patterns.

Enters: a random generator. Leaves: a schema. The standard library alone: the unit tests use it too.
"""

from __future__ import annotations

import random
from typing import Any

MOST_DEPTH = 2
_NAMES = ("name", "area", "größe", "value", "a b", "items", 'q"', "device", "when", "x")
_PATTERNS = ("^[a-c]{2,4}$", "^(on|off)$", "^[0-9]{2}:[0-9]{2}$", "^[A-Z][a-z]{1,5}( [0-9]+)?$")
_VALUES: tuple[Any, ...] = ("red", "größer", 3, None, True, "a\nb", 2.5, "very long answer", "")
_SIMPLE = ("integer", "number", "string", "enum", "pattern", "boolean", "null")


def make_schema(rng: random.Random, depth: int = 0) -> dict[str, Any]:
    """A schema that some document of a few dozen tokens satisfies."""
    kind = rng.choice(_SIMPLE + ("object", "array") * (2 if depth < MOST_DEPTH else 0))
    if kind == "object":
        names = rng.sample(_NAMES, rng.randint(1, 4))
        properties = {name: make_schema(rng, depth + 1) for name in names}
        required = [name for name in names if rng.random() < 0.7]
        return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    if kind == "array":
        least = rng.randint(0, 2)
        items = make_schema(rng, depth + 1)
        return {"type": "array", "items": items, "minItems": least, "maxItems": least + rng.randint(0, 2)}
    if kind == "integer":
        low = rng.randint(-50, 50)
        return {"type": "integer", "minimum": low, "maximum": low + rng.randint(0, 200)}
    if kind == "number":
        return {"type": "number", "minimum": rng.randint(-3, 0), "maximum": rng.randint(1, 9)}
    if kind == "string":
        least = rng.randint(0, 3)
        return {"type": "string", "minLength": least, "maxLength": least + rng.randint(0, 6)}
    if kind == "enum":
        return {"enum": rng.sample(_VALUES, rng.randint(1, 4))}
    if kind == "pattern":
        return {"type": "string", "pattern": rng.choice(_PATTERNS)}
    return {"type": kind}
