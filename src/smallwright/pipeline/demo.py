"""The embedded demo: rows from the grammar, the hand-written test set, a build, three answers.

Enters: an output folder. Leaves: a built and measured smart-home assistant.
Not here: the grammar and the test set (demo/).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path

import yaml

from smallwright.pipeline.build import BuildResult, build
from smallwright.pipeline.stage import write_atomically
from smallwright.recipe import Recipe
from smallwright.run import load

TRAINING_ROWS, SEED = 24_000, 1
ASKED = (
    "it's getting a bit chilly in here",
    "could you make sure the front door is locked tonight",
    "play something relaxing in the living room",
)


def build_demo(*, out: str | Path = "out", overrides: Sequence[str] = (), quiet: bool = False) -> BuildResult:
    """Build the smart-home assistant, then ask it three things.

    Args:
        out: receives ``smart-home/``.
        overrides: ``key.sub=value`` strings for the demo's recipe.
        quiet: no progress.
    """
    from smallwright.demo.grammar import generate

    home = Path(out) / "smart-home"
    rows = home / "rows"
    rows.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps(row, ensure_ascii=False) for row in generate(TRAINING_ROWS, SEED))
    write_atomically(rows / "train.jsonl", "".join(f"{line}\n" for line in lines))
    folder = resources.files("smallwright.demo")
    for name in ("validation.jsonl", "commands.jsonl", "out_of_scope.jsonl"):
        write_atomically(rows / name, (folder / name).read_text(encoding="utf-8"))
    document = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    recipe = Recipe.from_mapping(document, root=home, overrides=overrides, place="the demo's recipe")
    result = build(recipe, out=out, quiet=quiet)
    with load(str(result.package), threads=1) as package:
        answers = [f"{text!r} -> {(said := package.classify(text)).label} ({said.confidence:.0%})" for text in ASKED]
    return replace(result, answers=tuple(answers))
