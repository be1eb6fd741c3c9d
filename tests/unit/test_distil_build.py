"""Recipes whose student learns with balanced losses, a mixing schedule, or another number of kept tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from smallwright.data.top_answers import TopAnswers
from smallwright.errors import RecipeError
from smallwright.pipeline.generate import Generator, make_generator
from smallwright.pipeline.tutoring import describe_balance
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.teacher.language import ANSWERS
from smallwright.train.settings import DistilSettings, MixingSchedule

TEXT = "the otter sleeps and the cat reads what the otter wrote; nobody knows whether the cat slept. "
LEARN = {"epochs": 1, "batch_size": 4, "precision": "float32"}


def make_recipe(folder: Path, *, kind: str = "generate", teacher: bool = True, **distill: Any) -> Recipe:
    (folder / "text").mkdir(exist_ok=True)
    (folder / "text/a.txt").write_text(TEXT * 24, encoding="utf-8")
    document: dict[str, Any] = {
        "name": "otters",
        "task": {"kind": kind},
        "data": {"train": "text"},
        "tokenizer": {"kind": "train", "model": "bpe", "vocabulary": 270},
        "student": {"from": "scratch", "preset": "nano", "context": 32},
        "distill": {**LEARN, **distill},
        "threads": 1,
    }
    if teacher:
        document["teacher"] = {"from": "scratch", "preset": "pico", "finetune": LEARN}
    return Recipe.from_mapping(document, root=folder)


def make(folder: Path, **distill: Any) -> tuple[Generator, Workshop]:
    shop = Workshop(folder / "out", threads=1, quiet=True)
    return make_generator(make_recipe(folder, **distill), shop, neighbours=False), shop


def test_so_many_tokens_are_kept_as_the_recipe_says(tmp_path: Path) -> None:
    made, shop = zip(*(make(tmp_path, **wish) for wish in ({}, {"top": 32}, {"top": 8})), strict=True)
    opened = [TopAnswers.open(one.outcomes["answers"].folder / ANSWERS) for one in shop]
    assert [one.records.itemsize for one in opened] == [128, 128, 32]
    every = np.arange(len(opened[0]))
    for few, many in zip(opened[2].read(every), opened[0].read(every), strict=True):
        np.testing.assert_array_equal(few, many[:, :8])
    keys = [one.outcomes["answers"].key for one in shop]
    assert keys[0] == keys[1] != keys[2] and not shop[1].outcomes["answers"].ran
    assert made[0].student.key == made[1].student.key != made[2].student.key
    assert made[0].teacher is not None and made[2].teacher is not None
    assert made[0].teacher.key == made[2].teacher.key


def test_a_student_made_before_these_keys_is_found_again() -> None:
    assert not {"top", "balance"} & set(DistilSettings().described)
    assert DistilSettings().described["own_texts"] == 0.0
    assert DistilSettings(own_texts=0.5).described["own_texts"] == 0.5


def test_a_recipe_balances_what_its_student_learns(tmp_path: Path) -> None:
    made, _ = make(tmp_path, balance="uncertainty", match={"attention_relations": 1.0})
    found = made.student.facts["balance"]
    assert set(found) == {"soft_targets", "cross_entropy", "hidden_states", "attention_relations"}
    (note,) = describe_balance(made.student)
    assert all(f"{name} {one['factor']:.3g}" in note for name, one in found.items())
    plain, _ = make(tmp_path, match={"attention_relations": 1.0})
    assert "balance" not in plain.student.facts and describe_balance(plain.student) == []
    assert plain.student.key != made.student.key


def test_a_recipe_moves_from_the_datas_texts_to_the_students_own(tmp_path: Path) -> None:
    scheduled, shop = make(tmp_path, own_texts={"start": 0.2, "end": 0.9})
    constant, _ = make(tmp_path, own_texts=0.2)
    assert "answers" not in shop.outcomes, "the teacher stands beside"
    weights = [(one.student.folder / "training/model.safetensors").read_bytes() for one in (scheduled, constant)]
    assert weights[0] != weights[1]
    recipe = make_recipe(tmp_path, own_texts={"end": 0.9})
    assert recipe.distill.own_texts == MixingSchedule(start=0.0, end=0.9) and recipe.distill.needs_teacher_beside


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no token": ({"top": 0}, r"greater than or equal to 1. Got 0 in recipe: distill.top"),
    "too many tokens": ({"top": 257}, r"less than or equal to 256. Got 257 in recipe: distill.top"),
    "classes": ({"kind": "classify", "top": 8}, r"distill.top: 8 needs kind: generate .* Leave it out"),
    "no teacher": ({"teacher": False, "top": 8}, r"distill.top: 8 needs .* a teacher's kept answers"),
    "answers online": ({"top": 8, "answers": "online"}, r"distill.top: 8 needs .* kept answers"),
    "labels alone": ({"top": 8, "objectives": ["cross_entropy"]}, r"distill.top: 8 needs .* kept answers"),
    "one token alone": ({"top": 1}, r"over one token is always 0. Got distill.top: 1 .* Use tail: true"),
    "a share above all": ({"own_texts": 1.5}, r"less than or equal to 1. Got 1.5 in recipe: distill.own_texts"),
    "an end above all": ({"own_texts": {"end": 2}}, r"Got 2 in recipe: distill.own_texts.end"),
    "a schedule that stands": (
        {"own_texts": {"start": 1, "end": 1}},
        r"moves from one share to another. Got 1 twice. Use two",
    ),
    "a misspelt schedule": ({"own_texts": {"begin": 0}}, r"Got 'begin' in recipe: distill.own_texts.begin."),
    "a schedule without a teacher": ({"teacher": False, "own_texts": {}}, r"own_texts need a teacher"),
    "a schedule of classes": ({"kind": "classify", "own_texts": {}}, r"own_texts needs task.kind: generate"),
    "nothing to balance": (
        {"balance": "uncertainty", "weight": 1.0},
        r"balance: uncertainty needs two losses or more .* Got soft_targets alone. Leave it out",
    ),
    "labels to balance": ({"teacher": False, "balance": "uncertainty"}, r"Got cross_entropy alone"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_makes_no_sense_is_refused_when_the_recipe_is_read(tmp_path: Path, name: str) -> None:
    wish, words = REFUSED[name]
    with pytest.raises(RecipeError, match=words) as caught:
        make_recipe(tmp_path, **wish)
    assert "\n" not in str(caught.value)
