"""The embedded demo: rows from the grammar, hand-written test sets, two builds, three answers of each.

Enters: an output folder. Leaves: a measured classifier of smart-home commands, then an assistant that answers in JSON.
Not here: the grammar and the test sets (demo/).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import yaml

from smallwright.errors import RecipeError
from smallwright.pipeline.build import BuildResult, build
from smallwright.pipeline.stage import write_atomically
from smallwright.recipe import Recipe
from smallwright.run import Package, load

TRAINING_ROWS, SEED = 24_000, 1
PARTS = ("classifier", "assistant")
ASKED = (
    "it's getting a bit chilly in here",
    "could you make sure the front door is locked tonight",
    "play something relaxing in the living room",
)
_HOME = "smart-home"
_GIVEN = ("validation.jsonl", "commands.jsonl", "out_of_scope.jsonl", "answer.schema.json")
_FOR_ASSISTANT = "assistant."


def build_demo(
    *, out: str | Path = "out", overrides: Sequence[str] = (), parts: Sequence[str] = PARTS, quiet: bool = False
) -> Iterator[BuildResult]:
    """Build the demo's packages one after the other, and ask each of them three things.

    Args:
        out: receives ``smart-home/`` and ``smart-home-assistant/``.
        overrides: ``key.sub=value`` strings for the classifier's recipe; ``assistant.key.sub=value`` for the other.
        parts: which of ``PARTS``.
        quiet: no progress.
    """
    strangers = [text for text in overrides if _part_of(text) not in parts]
    if strangers:
        raise RecipeError(
            f"an override must be for a part that is built. Got {strangers[0]!r} without it. Leave it out."
        )
    home = Path(out) / _HOME
    _write_rows(home / "rows")
    for part in parts:
        document = yaml.safe_load((resources.files("smallwright.demo") / f"{part}.yaml").read_text(encoding="utf-8"))
        own = [text.removeprefix(_FOR_ASSISTANT) for text in overrides if _part_of(text) == part]
        recipe = Recipe.from_mapping(document, root=home, overrides=own, place=f"the demo's {part}.yaml")
        result = build(recipe, out=out, quiet=quiet)
        with load(str(result.package), threads=1) as package:
            yield replace(result, answers=tuple(f"{text!r} -> {_answer(package, text)}" for text in ASKED))


def _part_of(override: str) -> str:
    return "assistant" if override.startswith(_FOR_ASSISTANT) else "classifier"


def _write_rows(folder: Path) -> None:
    from smallwright.demo.grammar import generate_answers

    folder.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in generate_answers(TRAINING_ROWS, SEED))
    write_atomically(folder / "train.jsonl", "".join(f"{line}\n" for line in lines))
    for name in _GIVEN:
        text = (resources.files("smallwright.demo") / name).read_text(encoding="utf-8")
        write_atomically(folder / name, text)


def _answer(package: Package, text: str) -> str:
    if package.task == "classify":
        prediction = package.classify(text)
        return f"{prediction.label} ({prediction.confidence:.0%})"
    answer = package.complete(text, confidence=True)
    return answer.text if answer.probability is None else f"{answer.text} ({answer.probability:.0%})"
