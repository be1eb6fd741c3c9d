"""The ways of storing a student that an exploration tries: one table, made of what the settings' schema offers.

Enters: the schema of a recipe's ``compress`` list. Leaves: ways, each with the steps that a recipe would give.
Not here: running them (explore.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from smallwright.errors import RecipeError
from smallwright.pipeline.shared import quantize_settings
from smallwright.recipe import Recipe
from smallwright.spec.formats import FORMATS

REFERENCE = "f32"
MIXED = "mixed"
SPARSITIES = (0.3, 0.5, 0.7)
MIXED_SHARES = (0.25, 0.5, 0.75)  # of the way from the smallest to the largest rounded file that mixing can give
_INHERITED = ("calibration", "order", "damping", "scales")  # of the recipe's own step
_STEPS: TypeAdapter[tuple[Any, ...]] = TypeAdapter(Recipe.model_fields["compress"].annotation)


@dataclass(frozen=True)
class Way:
    """A row of the table: ``name`` for people, ``method`` by which it is chosen, ``steps`` as a recipe gives them."""

    name: str
    method: str
    steps: tuple[Mapping[str, Any], ...]

    def apply(self, recipe: Recipe) -> Recipe:
        """The recipe that stores its student so."""
        return recipe.model_copy(update={"compress": read_steps(self.steps)})

    def inherit(self, recipe: Recipe) -> Way:
        """The same with the recipe's own calibration texts and solver, where it names others than the defaults."""
        own = quantize_settings(recipe).model_dump(mode="json", include=set(_INHERITED), exclude_defaults=True)
        last = dict(self.steps[-1])
        return replace(self, steps=(*self.steps[:-1], {**own, **last}))


def read_steps(steps: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Checked settings of a ``compress`` list."""
    return _STEPS.validate_python(list(steps))


def list_ways() -> list[Way]:
    """Every way that needs no number of bytes, the quick ones first; the first is float32."""
    offered = _offered()
    quantize = offered["quantize"]
    dense = [name for name in quantize["format"] if name in FORMATS and _bits(name) < 16 and not _is_sparse(name)]
    dense.sort(key=_bits, reverse=True)
    ways = [Way(REFERENCE, "round", (_quantize(REFERENCE),))]
    for using in quantize["using"]:  # round stands first there
        ways += [Way(f"{name} {using}", using, (_quantize(name, using),)) for name in dense]
    sparse = [name for name in quantize["format"] if name in FORMATS and _is_sparse(name)]
    for using in offered.get("sparsify", {}).get("using", ()):
        for name in sparse:
            ways += [_sparse_way(using, name, share) for share in SPARSITIES]
    return ways


def mixed_way(size_bytes: int) -> Way:
    """Mixed formats by GPTQ, in a package of at most so many bytes."""
    return Way(f"{MIXED} gptq, {size_bytes:,} bytes at most", MIXED, ({"to": f"{size_bytes}B"},))


def choose_ways(methods: Sequence[str]) -> list[Way]:
    """The ways of these methods, float32 always among them; all where none is named.

    Raises:
        RecipeError: a method is unknown.
    """
    ways = list_ways()
    known = list_methods()
    unknown = next((name for name in methods if name not in known), None)
    if unknown is not None:
        raise RecipeError(
            f"a method must be one of {', '.join(known)}. Got {unknown!r} in --methods. Use one of these."
        )
    return [way for way in ways if not methods or way.name == REFERENCE or way.method in methods]


def list_methods() -> list[str]:
    """By which ways are chosen."""
    return [*dict.fromkeys(way.method for way in list_ways()), MIXED]


def _quantize(format: str, using: str = "round") -> dict[str, Any]:
    return {"method": "quantize", "format": format, "using": using}


def _sparse_way(using: str, format: str, share: float) -> Way:
    drop = {"method": "sparsify", "using": using, "sparsity": share}
    return Way(f"{format} {using} {share:.0%}", using, (drop, _quantize(format)))


def _bits(name: str) -> float:
    return FORMATS[name].bits_per_weight


def _is_sparse(name: str) -> bool:
    return bool(getattr(FORMATS[name], "sparse", False))


def _offered() -> dict[str, dict[str, list[str]]]:
    """By the name of a step and the key: the words that it may be."""
    parts = _STEPS.json_schema().get("$defs", {}).values()
    steps = [part["properties"] for part in parts if "method" in part.get("properties", {})]
    return {_words(step["method"])[0]: {key: _words(value) for key, value in step.items()} for step in steps}


def _words(schema: Mapping[str, Any]) -> list[str]:
    return list(_walk(schema))


def _walk(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from (word for word in (*schema.get("enum", ()), schema.get("const")) if isinstance(word, str))
    for part in schema.get("anyOf", ()):
        yield from _walk(part)
