"""What a stored model learns with, where a way trains it: through its codes, or after weights were dropped.

Enters: a float32 model, what it is stored as, lessons. Leaves: the trained one, and what training came to.
Not here: the pipeline's own training, which this calls (src/smallwright/pipeline/train_codes.py, sparsify.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smallwright.compress.quantizing.model import Quantized
from smallwright.compress.settings import QuantizeSettings
from smallwright.compress.sparsifying.masks import Masks
from smallwright.compress.sparsifying.settings import HealSettings
from smallwright.model import Transformer
from smallwright.pipeline.rows import label_numbers, read_split
from smallwright.pipeline.sparsify import heal_sparse
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.train_codes import OpenTask, train_codes
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.tokenizer.encode import encode_texts
from smallwright.train.tasks import ClassificationTask, TrainingTask


@dataclass(frozen=True)
class Lessons:
    """Training rows or text, and how the recipe's ``distill`` goes over them. ``shop``: its cores."""

    recipe: Recipe
    shop: Workshop
    open_task: OpenTask

    def train_codes(
        self, settings: QuantizeSettings, dense: Transformer, coded: Quantized, folder: Path
    ) -> tuple[Quantized, dict[str, Any]]:
        """Train a coded model, on the answers of ``dense``."""
        return train_codes(self.recipe, self.shop, settings, dense, coded, self.open_task, folder)

    def heal(
        self, wish: Mapping[str, Any], dense: Transformer, sparse: Transformer, names: tuple[str, ...], folder: Path
    ) -> dict[str, Any]:
        """Train what is kept of the matrices ``names``, on the answers of ``dense``."""
        task, settings = self.open_task(sparse, False), HealSettings(**wish)
        return heal_sparse(self.recipe, self.shop, settings, sparse, dense, task, Masks(names), folder)


def classifier_lessons(recipe: Recipe, shop: Workshop, data: Outcome, tokenizer: Any) -> Lessons:
    """The recipe's training rows; its validation rows choose the weights."""

    def open_task(student: Transformer, hears_teacher: bool) -> ClassificationTask:
        both = [read_split(data, split) for split in ("train", "validation")]
        read = [encode_texts(tokenizer, [row.text for row in rows], max_tokens=student.spec.context) for rows in both]
        numbers = [label_numbers(rows, student.spec.labels) for rows in both]
        batch = recipe.distill.batch_size
        return ClassificationTask(read[0], numbers[0], read[1], numbers[1], batch_size=batch, seed=recipe.seed)

    return Lessons(recipe, shop, open_task)


def language_lessons(
    learn: Mapping[str, Any], folder: Path, threads: int | None, open_task: Callable[[], TrainingTask]
) -> Lessons:
    """A language model's text, which ``open_task`` reads, learned as ``learn`` says (keys of ``distill``)."""
    recipe = Recipe.from_mapping(
        {
            "name": "decoder",
            "task": {"kind": "generate"},
            "data": {"train": "train.jsonl", "validation": "validation.jsonl", "test": "test.jsonl"},
            "student": {"from": "scratch", "preset": "micro"},
            "distill": {**learn, "objectives": ["cross_entropy"]},
        },
        root=folder,
    )
    return Lessons(recipe, Workshop(folder, threads=threads), lambda student, hears_teacher: open_task())
