"""Do variants that keep their label help where labels are few?

CLINC150 with ten labelled sentences an intent and no teacher (the tokenizer alone has seen the other texts): a small
network from scratch, and TF-IDF + linear SVM, on the rows alone and with variants of each (``data.augment``). All
networks make the same number of steps: with three variants a row a quarter of the epochs. Nothing was chosen; no row
validates.

Not here: what is common to all parts (distillation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from claims import ROOT, Claims
from distilling.outcomes import Outcomes, ask_file, ask_linear, interval
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.rows import label_numbers, read_labels, read_split
from smallwright.pipeline.teach import linear_stage
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe

RECIPE = ROOT / "recipes" / "clinc150_few_labels.yaml"
SEEDS = (0, 1, 2)
EPOCHS, COPIES = 60, 3
OFF = {"copies": COPIES, "typos": 0.0, "casing": 0.0, "dropping": 0.0, "mixing": 0.0}
WAYS: dict[str, dict[str, Any] | None] = {
    "none": None,
    "default": {"copies": COPIES},
    "typos": OFF | {"typos": 0.15},
    "dropping": OFF | {"dropping": 0.2},
    "mixing": OFF | {"mixing": 1.0},
}


def check_augmenting(
    claims: Claims,
    folder: Path,
    *,
    only: Sequence[str] = (),
    seeds: Sequence[int] = SEEDS,
    overrides: Sequence[str] = (),
) -> None:
    """Train a student each way (those named, or all) and seed, below ``folder``; finished stages are used again."""
    right: dict[str, list[Any]] = {}
    numbers: dict[str, Any] = {"seeds": list(seeds)}
    for seed in seeds:
        for way in only or WAYS:
            network, linear, rows = _measure(way, seed, folder, overrides)
            right.setdefault(f"network, {way}", []).append(network)
            right.setdefault(f"linear, {way}", []).append(linear)
            numbers[f"rows, {way}"] = rows
    outcomes: dict[str, Outcomes] = {system: np.stack(found) for system, found in right.items()}
    for system, found in outcomes.items():
        numbers[system] = [round(float(row.mean()), 4) for row in found]
        model, way = system.split(", ")
        if way != "none" and f"{model}, none" in outcomes:
            numbers[f"{system} - none"] = interval(found, outcomes[f"{model}, none"])
    claims.numbers["augment"] = numbers
    claims.check("test rows", next(iter(outcomes.values())).shape[1], "==", 4500)
    for way in ("default", "typos", "dropping", "mixing"):
        if f"network, {way} - none" in numbers:
            points = numbers[f"network, {way} - none"][0]
            claims.check(f"points of the network with variants over none: {way}", points, ">", 0)


def _measure(way: str, seed: int, folder: Path, overrides: Sequence[str]) -> tuple[Any, Any, int]:
    """Whether the network's file and the linear classifier are right on each test row; rows learned from."""
    recipe = Recipe.load(RECIPE, [f"seed={seed}", *overrides])
    document = recipe.model_dump(mode="json", by_alias=True)
    epochs = EPOCHS if WAYS[way] is None else EPOCHS // (1 + COPIES)
    document["distill"] |= {"transfer_rows": 0, "objectives": ["cross_entropy"], "epochs": epochs}
    document |= {"name": "few_labels_alone", "teacher": None}
    document["data"]["augment"] = WAYS[way]
    recipe = Recipe.from_mapping(document, root=RECIPE.parent)
    shop = Workshop(folder / "augment" / "stages", threads=recipe.threads, quiet=True)
    made = make_classifier(recipe, shop)
    linear = linear_stage(shop, made.data)  # which a build fits on the rows without variants
    expected = label_numbers(read_split(made.data, "test"), read_labels(made.data))
    found = ask_file(made) == expected, ask_linear(made.data, linear) == expected
    print(f"{way:10} seed {seed}: network {found[0].mean():.4f}, linear {found[1].mean():.4f}", flush=True)
    return *found, len(read_split(made.data, "train"))
