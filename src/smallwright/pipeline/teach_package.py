"""A teacher that is a package: its file in the workshop, and what one that classifies says to every text.

Enters: a recipe with ``teacher: {from: package}``. Leaves: outcomes like those of teach.py.
Not here: one that writes completions (written.py), a teacher in a folder (teach.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from smallwright.errors import RecipeError
from smallwright.pipeline.rows import SPLITS, read_labels, read_texts
from smallwright.pipeline.shared import PACKAGE_FILE, publish
from smallwright.pipeline.stage import Outcome, hash_file
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.teacher.package_settings import PackageSettings


def package_stage(
    recipe: Recipe, settings: PackageSettings, shop: Workshop, labels: Sequence[str] | None = None
) -> Outcome:
    """The teacher's package under the name that packages of stages have.

    Args:
        labels: what it must tell apart, in any order; None where the task is not to classify.
    Raises:
        RecipeError: there is none, its task is another, or it has other labels.
    """
    path, kind = recipe.root / settings.file, recipe.task.kind
    if not path.is_file():
        raise RecipeError(f"teacher.file must be a package. Got {path}, which is not there. Check the path.")

    def run(folder: Path) -> Mapping[str, Any]:
        with load(str(path), threads=1, in_place=True) as opened:
            task, known = opened.task, set(opened.labels)
        if task != kind:
            raise RecipeError(
                f"teacher.file must be a package whose task is that of the recipe, {kind}. Got task {task!r} in {path}."
            )
        if labels is not None and known != set(labels):
            missing, strange = sorted(set(labels) - known), sorted(known - set(labels))
            raise RecipeError(
                f"a package that teaches classes must have the data's {len(labels)} labels. Got missing {missing[:5]}, "
                f"unknown {strange[:5]} in {path}. Use one made of the same labels, or rename those of the rows."
            )
        (folder / PACKAGE_FILE).unlink(missing_ok=True)
        try:
            os.link(path.resolve(), folder / PACKAGE_FILE)
        except OSError:  # another file system
            publish(path, folder / PACKAGE_FILE)
        return {"size_bytes": path.stat().st_size, "sha256": hash_file(path), "offer": asdict(settings.offer)}

    how = {"kind": kind, "labels": None if labels is None else sorted(labels)}
    return shop.run("teacher-package", run, settings=how, inputs={"package": hash_file(path)})


def package_answers_stage(
    recipe: Recipe,
    shop: Workshop,
    data: Outcome,
    package: Outcome,
    *,
    transfer: Outcome | None,
    transfer_texts: Sequence[str],
) -> Outcome:
    """The package's logits for every split and for the transfer texts, as sure as its calibration makes them.

    Each ``SPLIT.npy`` is (N, C) float32, classes in the data's order; its softmax is what the package calls its
    probabilities.
    """

    def run(folder: Path) -> Mapping[str, Any]:
        labels = read_labels(data)
        texts = {split: read_texts(data, split) for split in SPLITS} | {"transfer": list(transfer_texts)}
        with load(str(package.folder / PACKAGE_FILE), threads=recipe.threads or 0) as opened:
            columns = [opened.labels.index(label) for label in labels]
            for name, part in texts.items():
                if part:
                    np.save(folder / f"{name}.npy", opened.classify_logits(part)[:, columns] / opened.temperature)
            temperature = float(opened.temperature)
        return {"answered": {name: len(part) for name, part in texts.items()}, "temperature": temperature}

    inputs: dict[str, str | Outcome] = {"data": data, "teacher": package}
    if transfer is not None:
        inputs["transfer"] = transfer
    return shop.run("answers", run, inputs=inputs)
