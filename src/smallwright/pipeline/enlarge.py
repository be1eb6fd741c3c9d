"""Training rows beside the user's own: stages whose folder is the data stage's, with more rows to learn from.

Enters: the finished data stage. Leaves: an outcome that stands in for it. Validation, test and all else are the user's
still.
Not here: what the rows are made of (data/augment.py, teacher/new_rows.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smallwright.data import Row
from smallwright.data.augment import make_variants
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.stage import CARD, Outcome, write_atomically
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe

HELD_OUT = ("validation", "test", "out_of_scope")
_TRAIN = "train.jsonl"
_TOLD = {
    "repeated": "that were there already",
    "similar": "nearly there already",
    "held_out": "like a row of validation or test",
    "too_long": "too long",
    "unread": "to which its own label could not be read",
    "disagreed": "that it labelled otherwise when asked again",
    "surplus": "more than asked for",
}


def augmented_stage(recipe: Recipe, shop: Workshop, data: Outcome) -> Outcome:
    """The data with ``data.augment``'s variants behind its training rows; the data itself without such a wish."""
    settings = recipe.data.augment
    if settings is None:
        return data
    how = settings.model_dump(mode="json")

    def run(folder: Path) -> Mapping[str, Any]:
        rows = read_split(data, "train")
        avoid = {row.question for split in HELD_OUT for row in read_split(data, split)}
        variants = make_variants(rows, **how, seed=recipe.seed, avoid=avoid)
        add_rows(data, folder, variants)
        return {"rows": len(rows), "variants": len(variants)}

    return shop.run("augmented", run, settings={"augment": how, "seed": recipe.seed}, inputs={"data": data})


def add_rows(data: Outcome, folder: Path, rows: Sequence[Row]) -> None:
    """Copy a data stage's files into another folder, with more training rows behind its own."""
    for path in sorted(data.folder.iterdir()):
        if path.is_file() and path.name not in (CARD, _TRAIN):
            shutil.copyfile(path, folder / path.name)
    every = [*read_split(data, "train"), *rows]
    write_atomically(folder / _TRAIN, "".join(row.to_json() + "\n" for row in every))


def describe_added(shop: Workshop) -> list[str]:
    """Notes for the report on the rows that were added; none where there are none."""
    notes = []
    written = shop.outcomes.get("new-rows")
    if written is not None:
        fates = written.facts["fates"]
        lost = ", ".join(f"{count} {_TOLD[fate]}" for fate, count in fates.items() if count and fate != "kept")
        notes.append(
            f"The teacher wrote {sum(fates.values())} texts in {written.facts['requests']} lists, of which "
            f"{fates['kept']} became training rows beside the data's {written.facts['rows']}, the simple baseline's too"
            + (f"; left out: {lost}." if lost else ".")
        )
        missing = written.facts["missing"]
        if missing:
            notes.append(
                f"{len(missing)} classes lack {sum(missing.values())} of the rows that teacher.new_rows.per_class asks "
                "for."
            )
    augmented = shop.outcomes.get("augmented")
    if augmented is not None:
        made, given = augmented.facts["variants"], augmented.facts["rows"]
        notes.append(
            f"The networks learned from {made} variants of the {given} training rows too (data.augment); a linear "
            "baseline did not, for variants make it worse."
        )
    return notes
