"""What are rows worth that a teacher writes (``teacher.new_rows``), with a teacher that this machine can hold?

CLINC150 with ten labelled sentences an intent and nothing else of it. A decoder learns to write a sentence for the name
of a class, from those rows and from another collection's commands (snips2017); a MiniLM fine-tuned on the same rows is
asked for the class of what was written. Both answer over HTTP, so that the rows come the way they do from a server.
A small network from scratch and TF-IDF + linear SVM learn from the rows alone and from all; both networks make the same
number of steps. Nothing was chosen; no row validates.

Not here: what is common to all parts (distillation.py), the server (local_teacher.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from claims import ROOT, Claims
from distilling.local_teacher import name_prompt, serve
from distilling.outcomes import Outcomes, ask_file, ask_linear, interval
from smallwright.data import Row
from smallwright.data.splits import normalise
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.rows import label_numbers, read_labels, read_split, read_texts
from smallwright.pipeline.shared import PACKAGE_FILE, data_stage, tokenizer_stage
from smallwright.pipeline.teach import linear_stage, teacher_package_stage, teacher_stage
from smallwright.pipeline.teach_endpoint import endpoint_stage, new_rows_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.teacher.endpoint_settings import EndpointSettings

RECIPE = ROOT / "recipes" / "clinc150_few_labels.yaml"
SEEDS = (0, 1, 2)
PORT = 47_150
STEPS = 1_440  # 60 epochs of the 1,500 rows
NEW_ROWS = {"per_class": 20, "temperature": 0.7}
COMMANDS = 4_500  # of snips2017, the first of each intent in turn
WRITER = {
    "name": "writer",
    "task": {"kind": "generate"},
    "tokenizer": {"kind": "train", "vocabulary": 2048},
    "student": {"from": "scratch", "preset": "nano-wide", "context": 64},
    "distill": {"epochs": 12, "batch_size": 32, "learning_rate": 3e-3, "optimizer": "muon", "beta2": 0.95},
}


def check_new_rows(
    claims: Claims, folder: Path, *, seeds: Sequence[int] = SEEDS, overrides: Sequence[str] = ()
) -> None:
    """Have rows written for each seed, and train with them and without; finished stages below ``folder`` are used
    again.
    """
    home = folder / "new_rows"
    home.mkdir(parents=True, exist_ok=True)
    few = Recipe.load(RECIPE, overrides)
    shop = Workshop(home / "stages", threads=few.threads, quiet=True)
    rows = read_split(data_stage(few, shop), "train")
    alone = _write(home / "rows.jsonl", rows)
    right: dict[str, list[Any]] = {}
    facts = []
    with serve(_make_writer(few, home, rows), _make_labeller(_with_rows(few, alone, few.seed), shop), port=PORT) as url:
        for seed in seeds:
            made, told = _have_written(_with_rows(few, alone, seed), url, home)
            facts.append(told)
            print(f"seed {seed}: {told}", flush=True)
            for way, path in (("alone", alone), ("more", _write(home / f"more-{seed}.jsonl", made))):
                network, linear, both = _measure(_with_rows(few, path, seed), shop)
                right.setdefault(f"network, {way}", []).append(network)
                right.setdefault(f"linear, {way}", []).append(linear)
                told[f"rows learned from, {way}"] = both
                print(f"  {way:6} network {network.mean():.4f}, linear {linear.mean():.4f}", flush=True)
    outcomes: dict[str, Outcomes] = {system: np.stack(found) for system, found in right.items()}
    numbers: dict[str, Any] = {"seeds": list(seeds), "written": facts}
    numbers |= {system: [round(float(row.mean()), 4) for row in found] for system, found in outcomes.items()}
    for model in ("network", "linear"):
        numbers[f"{model}: more - alone"] = interval(outcomes[f"{model}, more"], outcomes[f"{model}, alone"])
    claims.numbers["new_rows"] = numbers
    claims.check("test rows", outcomes["network, alone"].shape[1], "==", 4500)
    claims.check("labelled rows", len(rows), "==", 1500)
    claims.check("new rows that are a test row", sum(one["test rows among them"] for one in facts), "==", 0)
    claims.check("new rows kept, least of all seeds", min(one["fates"]["kept"] for one in facts), ">=", 150)


def _write(path: Path, rows: Sequence[Row]) -> Path:
    path.write_text("".join(row.to_json() + "\n" for row in rows), encoding="utf-8")
    return path


def _with_rows(few: Recipe, path: Path, seed: int, **changes: Any) -> Recipe:
    """The recipe on the rows of a file, tested on the same test rows; without a teacher but for ``changes``."""
    document = few.model_dump(mode="json", by_alias=True)
    document["data"] |= {"train": str(path), "labels_per_class": None}
    document["distill"] |= {"transfer_rows": 0, "objectives": ["cross_entropy"], "epochs": 1_000, "max_steps": STEPS}
    document |= {"name": "few_rows", "teacher": None, "seed": seed} | changes
    return Recipe.from_mapping(document, root=few.root)


def _make_labeller(recipe: Recipe, shop: Workshop) -> Path:
    """MiniLM, fine-tuned on the few rows as ``clinc150_few_labels`` does it, as a package."""
    teacher = Recipe.load(RECIPE).model_dump(mode="json", by_alias=True)["teacher"]
    document = {**recipe.model_dump(mode="json", by_alias=True), "teacher": teacher}
    taught = Recipe.from_mapping(document, root=recipe.root)
    data = data_stage(taught, shop)
    teacher = teacher_stage(taught, shop, data, tokenizer_stage(taught, shop, data))
    package = teacher_package_stage(taught, shop, teacher)
    assert package is not None  # it has a network
    return package.folder / PACKAGE_FILE


def _make_writer(few: Recipe, home: Path, rows: Sequence[Row]) -> Path:
    """A decoder that writes a text for a class's name, as a package."""
    pairs = [(name_prompt(str(row.label)), row.text) for row in rows] + _read_commands()
    lines = (json.dumps({"prompt": prompt, "completion": text}) for prompt, text in pairs)
    (home / "pairs.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    train = {"path": str(home / "pairs.jsonl"), "fields": {"prompt": "prompt", "completion": "completion"}}
    data = {"train": train, "validation_fraction": 0.05, "test_fraction": 0.02}
    recipe = Recipe.from_mapping({**WRITER, "data": data, "threads": few.threads}, root=home)
    made = make_generator(recipe, Workshop(home / "writer", threads=recipe.threads, quiet=True))
    return made.package.folder / PACKAGE_FILE


def _read_commands() -> list[tuple[str, str]]:
    """What people asked another assistant: prompts and texts, the intents in turn."""
    path = Path(os.environ["SMALLWRIGHT_DATA"]) / "snips2017" / "snips_train.jsonl"
    found: dict[str, list[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        found.setdefault(row["intent"], []).append(row["text"].strip().lower().rstrip(".?!"))
    each = COMMANDS // len(found)
    return [(name_prompt(intent), text) for intent, texts in found.items() for text in texts[:each]]


def _have_written(recipe: Recipe, url: str, home: Path) -> tuple[list[Row], dict[str, Any]]:
    """The training rows with those that were written behind them, and what became of all that was written."""
    teacher = {"from": "endpoint", "url": url, "model": "local", "top_logprobs": None, "new_rows": NEW_ROWS}
    document = {**recipe.model_dump(mode="json", by_alias=True), "teacher": teacher}
    asked = Recipe.from_mapping(document, root=recipe.root)
    assert isinstance(asked.teacher, EndpointSettings)
    shop = Workshop(home / "asked", threads=recipe.threads, quiet=True)
    data = data_stage(asked, shop)
    more = new_rows_stage(asked, asked.teacher, shop, data, endpoint_stage(asked, asked.teacher, shop, data))
    every, own = read_split(more, "train"), read_texts(data, "train")
    test = {normalise(text) for text in read_texts(data, "test")}
    told = {name: more.facts[name] for name in ("requests", "fates")}
    told["missing"] = sum(more.facts["missing"].values())
    told["test rows among them"] = sum(normalise(row.text) in test for row in every[len(own) :])
    return every, told


def _measure(recipe: Recipe, shop: Workshop) -> tuple[Any, Any, int]:
    """Whether the network's file and the linear classifier are right on each test row; rows learned from."""
    made = make_classifier(recipe, shop)
    expected = label_numbers(read_split(made.data, "test"), read_labels(made.data))
    linear = ask_linear(made.data, linear_stage(shop, made.data))
    return ask_file(made) == expected, linear == expected, len(read_split(made.data, "train"))
