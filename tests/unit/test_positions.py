"""Fewer positions: short texts are answered as before, and the table is as short as they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.unit.test_width import answers, make_bert, make_llama

from smallwright.compress.positions import keep_positions, shorten_spec
from smallwright.compress.student import StudentSettings, make_student, shrink_spec
from smallwright.errors import RecipeError
from smallwright.recipe import Recipe


@pytest.mark.parametrize("make", [make_bert, make_llama])
def test_texts_that_fit_are_answered_as_before(make) -> None:
    model = make()
    shorter = keep_positions(model, 8)
    assert shorter.spec.context == 8 and shorter.spec == shorten_spec(model.spec, 8)
    learned = model.spec.embedding.positions is not None
    assert shorter.spec.embedding.positions == (8 if learned else None)
    for mine, theirs in zip(answers(shorter), answers(model), strict=True):
        torch.testing.assert_close(mine, theirs, atol=0, rtol=0)
    if learned:
        assert torch.equal(shorter.embedding.positions.weight, model.embedding.positions.weight[:8])
    assert keep_positions(model, None) is model


def test_a_student_keeps_so_many_and_the_plan_knows_it() -> None:
    model = make_bert()
    settings = StudentSettings.model_validate({"from": "teacher", "layers": 1, "positions": 8})
    how: dict[str, Any] = {"kept": None, "vocabulary": 20, "heads": {}, "causal": False, "seed": 0}
    student = make_student(settings, teacher=model, **how)
    assert student.spec == shrink_spec(settings, model.spec)
    assert student.embedding.positions.weight.shape == (8, 64)
    assert settings.described["positions"] == 8
    assert "positions" not in StudentSettings.model_validate({"from": "teacher"}).described


def test_more_than_there_are_or_none_to_keep_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"at most the teacher's 16\. Got 17"):
        keep_positions(make_bert(), 17)
    base = {"name": "x", "data": {"train": "a"}}
    language = {"teacher": {"from": "hf", "path": "t"}, "tokenizer": {"kind": "teacher"}, "task": {"kind": "generate"}}
    refused: list[dict[str, Any]] = [
        {"task": {"kind": "classify"}, "student": {"positions": 8}},
        {**language, "student": {"from": "teacher", "positions": 8}},
    ]
    for changes in refused:
        with pytest.raises(RecipeError, match=r"student\.positions is for from: teacher and task\.kind: classify"):
            Recipe.from_mapping(base | changes)
