"""The ways of storing a student that an exploration tries: one table, made of what the settings' schema offers.

Enters: the schema of a recipe's ``compress`` list. Leaves: ways, each with the steps that a recipe would give.
Not here: running them (explore.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from smallwright.compress.sparsifying.settings import SparsifySettings
from smallwright.errors import RecipeError
from smallwright.pipeline.shared import quantize_settings
from smallwright.recipe import Recipe
from smallwright.spec.formats import FORMATS

REFERENCE = "f32"
MIXED = "mixed"
SPARSITIES = (0.3, 0.5, 0.7)
MIXED_SHARES = (0.25, 0.5, 0.75)  # of the way from the smallest to the largest rounded file that mixing can give
TRAINED, HEALED = "trained", "healed"  # ways that train: dear, and therefore the last ones
TRAINED_BITS = 5  # a weight, scales included: where rounding costs less, there is nothing to win by training
STEPS_SHARE, LEAST_STEPS, MOST_STEPS = 0.1, 200, 1000  # of a way that trains: of the student's own steps
_INHERITED = ("calibration", "order", "damping", "scales")  # of the recipe's own step
_SOLVER = {"order", "damping"}  # of those: of GPTQ alone
_INHERITED_TRAINING = {"learning_rate", "step", "source"}  # of the recipe's own training of that kind
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
        """The same with what the recipe's own steps say beside format and method, where that is not the default: texts
        for calibration, the solver, and of training how it goes, but not how long."""
        own, heal = quantize_settings(recipe), recipe.sparsify.heal if recipe.sparsify is not None else None
        told = own.model_dump(mode="json", include=set(_INHERITED), exclude_defaults=True)
        train = own.train if own.train is not None and own.train.parameters == "all" else None
        steps = [dict(step) for step in self.steps]
        for step in steps:
            for key, wish in (("train", train), ("heal", heal)):
                if key in step and wish is not None:
                    shared = wish.model_dump(
                        mode="json", include=_INHERITED_TRAINING, exclude_defaults=True, by_alias=True
                    )
                    step[key] = {**shared, **step[key]}
        idle = set() if steps[-1].get("using") == "gptq" else _SOLVER
        told = {key: value for key, value in told.items() if key not in idle}
        return replace(self, steps=(*steps[:-1], {**told, **steps[-1]}))


def read_steps(steps: Sequence[Mapping[str, Any]]) -> tuple[Any, ...]:
    """Checked settings of a ``compress`` list."""
    return _STEPS.validate_python(list(steps))


def list_ways() -> list[Way]:
    """Every way that needs no number of bytes and no training, the quick ones first; the first is float32."""
    offered = _offered()
    quantize, (dense, sparse) = offered["quantize"], _formats(offered)
    ways = [Way(REFERENCE, "round", (_quantize(REFERENCE),))]
    for using in quantize["using"]:  # round stands first there
        ways += [Way(f"{name} {using}", using, (_quantize(name, using),)) for name in dense]
    for using in offered.get("sparsify", {}).get("using", ()):
        for name in sparse:
            ways += [_sparse_way(using, name, share) for share in SPARSITIES]
    return ways


def mixed_way(size_bytes: int) -> Way:
    """Mixed formats by GPTQ, in a package of at most so many bytes."""
    return Way(
        f"{MIXED} gptq, {size_bytes:,} bytes at most", MIXED, ({**_quantize(MIXED, "gptq"), "size": f"{size_bytes}B"},)
    )


def training_ways(steps: int) -> list[Way]:
    """Every way that trains for so many steps: through the codes of coarse formats, and after weights were dropped."""
    dense, sparse = _formats(_offered())
    ways = [
        Way(f"{name} {TRAINED}", TRAINED, ({**_quantize(name), "train": {"steps": steps}},))
        for name in reversed(dense)  # the coarsest first: there training gives back most
        if _bits(name) < TRAINED_BITS
    ]
    using = SparsifySettings.model_fields["using"].default
    for name in sparse:
        for share in SPARSITIES:
            drop = {"method": "sparsify", "using": using, "sparsity": share, "heal": {"steps": steps}}
            ways.append(Way(f"{name} {HEALED} {share:.0%}", HEALED, (drop, _quantize(name))))
    return ways


def default_steps(learnt: int) -> int:
    """Steps of a way that trains, for a student that learnt in so many: a tenth, within limits."""
    return min(MOST_STEPS, max(LEAST_STEPS, round(STEPS_SHARE * learnt)))


def check_chosen(chosen: Sequence[str]) -> None:
    """Refuse what names neither a method nor a way.

    Raises:
        RecipeError: one does.
    """
    methods = list_methods()
    names = {way.name for way in (*list_ways(), *training_ways(1))}
    unknown = next((name for name in chosen if name not in methods and name not in names), None)
    if unknown is not None:
        raise RecipeError(
            f"a method must be one of {', '.join(methods)}, or the name of a way, as {TRAINED!r} stands for "
            f"{training_ways(1)[0].name!r}. Got {unknown!r} in --methods. Use one of these."
        )


def choose_ways(ways: Sequence[Way], chosen: Sequence[str]) -> list[Way]:
    """Those of these methods or names, float32 always among them; all where nothing is chosen."""
    return [way for way in ways if not chosen or way.name in (REFERENCE, *chosen) or way.method in chosen]


def list_methods() -> list[str]:
    """By which ways are chosen."""
    return [*dict.fromkeys(way.method for way in list_ways()), MIXED, TRAINED, HEALED]


def _formats(offered: Mapping[str, Mapping[str, Sequence[str]]]) -> tuple[list[str], list[str]]:
    """Dense formats with codes, the finest first; and sparse ones."""
    coded = [name for name in offered["quantize"]["format"] if name in FORMATS and _bits(name) < 16]
    dense = sorted((name for name in coded if not _is_sparse(name)), key=_bits, reverse=True)
    return dense, [name for name in coded if _is_sparse(name)]


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
