"""Parts of a recipe that contradict each other are refused with what to do about it, before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smallwright.errors import RecipeError
from smallwright.recipe import Recipe

CLASSIFY: dict[str, Any] = {"name": "x", "task": {"kind": "classify"}, "data": {"train": "rows.jsonl"}}
GENERATE: dict[str, Any] = {**CLASSIFY, "task": {"kind": "generate"}}
SCRATCH: dict[str, Any] = {"from": "scratch", "preset": "nano"}
HF: dict[str, Any] = {"from": "hf", "path": "teacher"}

REFUSED = {
    "a student of nobody": (CLASSIFY | {"student": {"from": "teacher"}}, "needs a teacher"),
    "a student with another tokenizer": (
        CLASSIFY | {"teacher": HF, "student": {"from": "teacher"}, "tokenizer": {"kind": "train"}},
        "keeps its tokenizer",
    ),
    "wordpiece for text": (GENERATE | {"tokenizer": {"kind": "train", "model": "wordpiece"}}, "model: bpe"),
    "an ensemble for text": (GENERATE | {"teacher": {**SCRATCH, "ensemble": {}}}, "teacher.ensemble is for"),
    "transfer rows without a teacher": (CLASSIFY | {"distill": {"transfer_rows": 9}}, "needs task.kind: classify and"),
    "a bias for nothing": (
        CLASSIFY
        | {"teacher": HF, "tokenizer": {"kind": "teacher"}, "student": {"from": "teacher", "correct_bias": True}},
        "student.correct_bias is for a width or feedforward below",
    ),
    "pairs for text": (GENERATE | {"student": {"bigrams": 64}}, "bigrams are for task.kind: classify"),
    "a teacher's pairs for text": (GENERATE | {"teacher": {**SCRATCH, "bigrams": 64}}, "bigrams are for task.kind"),
    "pairs for a student cut from its teacher": (
        CLASSIFY | {"teacher": HF, "tokenizer": {"kind": "teacher"}, "student": {"from": "teacher", "bigrams": 64}},
        "student.bigrams is for from: scratch",
    ),
    "pairs for a teacher from disk": (CLASSIFY | {"teacher": {**HF, "bigrams": 64}}, "teacher.bigrams is for"),
    "a student from scratch that never learns": (CLASSIFY | {"distill": {"epochs": 0}}, "distill.epochs: 0 keeps"),
    "a tail of classes": (CLASSIFY | {"distill": {"tail": True}}, "distill.tail is for task.kind: generate"),
    "a temperature of nobody": (CLASSIFY | {"distill": {"temperature": 3}}, "Got temperature: 3.0 and no teacher"),
    "a divergence from nobody": (CLASSIFY | {"distill": {"divergence": "reverse"}}, "Got divergence: reverse and no"),
    "a skew towards nobody": (GENERATE | {"distill": {"skew": 0.3}}, "Got skew: 0.3 and no teacher"),
    "a tail of nobody": (GENERATE | {"distill": {"tail": True}}, "Got tail: true and no teacher"),
    "a match of nothing": (
        CLASSIFY | {"teacher": SCRATCH, "distill": {"match": {"hidden_states": 0}}},
        "distill.match must copy something",
    ),
    "a damping of awq": (
        CLASSIFY | {"compress": [{"using": "awq", "damping": 0.1}]},
        "Got damping: 0.1 with using: awq",
    ),
    "an order of rounding": (CLASSIFY | {"compress": [{"order": "activation"}]}, "Got order: activation"),
    "a damping of rounding": (CLASSIFY | {"compress": [{"damping": 0.1}]}, "Got damping: 0.1"),
    "unlabelled text to write": (GENERATE | {"data": {"train": "a", "unlabelled": "b"}}, "data.unlabelled is for task"),
    "no pairs": (CLASSIFY | {"student": {"bigrams": 0}}, "student.bigrams"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_contradictions_are_refused(name: str, tmp_path: Path) -> None:
    document, words = REFUSED[name]
    with pytest.raises(RecipeError, match=words) as caught:
        Recipe.from_mapping(document, root=tmp_path, overrides=(), place="the recipe")
    assert "\n" not in str(caught.value)


def test_pairs_are_taken_where_they_are_meant(tmp_path: Path) -> None:
    document = CLASSIFY | {"teacher": {**SCRATCH, "bigrams": 64}, "student": {"bigrams": 32}}
    recipe = Recipe.from_mapping(document, root=tmp_path, overrides=(), place="the recipe")
    assert recipe.teacher is not None and (recipe.teacher.bigrams, recipe.student.bigrams) == (64, 32)


@pytest.mark.parametrize(
    "wish",
    [
        {"distill": {"temperature": 2.0, "divergence": "forward", "skew": 0.1, "tail": False}},
        {"distill": {"temperature": 3.0}, "teacher": SCRATCH},
        {"distill": {"temperature": 3.0}, "compress": [{"format": "q2_span", "train": {"steps": 9}}]},
        {"compress": [{"using": "gptq", "order": "activation", "damping": 0.1}]},
        {"compress": [{"order": "natural", "damping": 0.01}]},
        {"distill": {"match": {"hidden_states": 0, "attention_relations": 1}}, "teacher": SCRATCH},
    ],
)
def test_defaults_written_out_and_keys_that_count_are_read(wish: dict[str, Any], tmp_path: Path) -> None:
    """Codes that are trained hear the student's own answers, at that temperature, without a teacher."""
    Recipe.from_mapping(CLASSIFY | wish, root=tmp_path)
