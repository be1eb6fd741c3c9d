"""Answers judged: exactly right, field by field, and how sure one may be."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from smallwright.errors import DataError
from smallwright.evaluate.answers import are_right, list_fields, score_answers
from smallwright.evaluate.calibration import calibrate_answers
from smallwright.evaluate.fieldwise import fit_fieldwise, open_fieldwise


def test_the_order_of_keys_and_the_spelling_of_numbers_do_not_matter() -> None:
    assert are_right(['{"a":1,"b":[1,2]}'], ['{"b": [1, 2], "a": 1.0}'], [True]) == [True]
    assert are_right(['{"b":[1,2]}', '{"a":1}', "yes"], ['{"b":[2,1]}', '{"a":1}', " yes\n"], [True, False, True]) == [
        False,
        False,  # it was cut short
        True,
    ]


def test_fields_count_item_by_item_and_by_their_path() -> None:
    found = list_fields({"a": 1, "items": ["x", "x", "y"], "inner": {"b": None}})
    assert found == {("a", "1"): 1, ("items", '"x"'): 2, ("items", '"y"'): 1, ("inner.b", "null"): 1}
    assert list_fields("no object") == list_fields(["neither"]) == {}


def test_field_scores_are_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    expected = [
        {"room": str(rng.integers(4))} | ({"level": int(rng.integers(3))} if rng.random() < 0.5 else {})
        for _ in range(300)
    ]
    given = [
        {"room": str(rng.integers(4))} | ({"level": int(rng.integers(3))} if rng.random() < 0.5 else {})
        for _ in range(300)
    ]
    score = score_answers([json.dumps(row) for row in expected], [json.dumps(row) for row in given], whole=[True] * 300)
    for field in score.fields:
        values = sorted({row[field.field] for row in expected + given if field.field in row})
        wanted = [[value in (row.get(field.field),) for value in values] for row in expected]
        said = [[value in (row.get(field.field),) for value in values] for row in given]
        assert field.f1 == pytest.approx(f1_score(wanted, said, average="micro"))
        assert field.support == sum(field.field in row for row in expected)
    assert score.exact.accuracy == np.mean([a == b for a, b in zip(expected, given, strict=True)])


def test_lengths_must_agree() -> None:
    with pytest.raises(DataError, match="one a row"):
        score_answers(["1"], [], whole=[])


def test_the_calibration_is_that_of_a_logistic_regression() -> None:
    rng = np.random.default_rng(1)
    scores = rng.normal(size=2000)
    right = rng.random(2000) < 1 / (1 + np.exp(-(1.5 * scores + 0.4)))
    slope, offset = calibrate_answers(scores, right)
    plain = LogisticRegression(C=np.inf).fit(scores[:, None], right)
    assert slope == pytest.approx(plain.coef_[0, 0], rel=0.02)
    assert offset == pytest.approx(plain.intercept_[0], abs=0.02)


@pytest.mark.parametrize("right", [True, False])
def test_a_calibration_stays_finite_where_all_answers_are_alike(right: bool) -> None:
    slope, offset = calibrate_answers(np.linspace(-3, 0, 100), [right] * 100)
    probabilities = 1 / (1 + np.exp(-(slope * np.linspace(-3, 0, 100) + offset)))
    assert ((probabilities > 0) & (probabilities < 1)).all()
    assert probabilities.mean() == pytest.approx(101 / 102 if right else 1 / 102, abs=1e-3)


def test_the_simple_neighbour_answers_field_by_field(tmp_path_factory: pytest.TempPathFactory) -> None:
    rooms, prompts, answers = ("kitchen", "hall", "garden"), [], []
    for room in rooms * 4:
        prompts += [f"lamp on in the {room}", f"please make the {room} dim"]
        answers += [
            json.dumps({"intent": "on", "room": room}),
            json.dumps({"intent": "dim", "room": room, "soft": True}),
        ]
    fitted = fit_fieldwise(prompts, answers)
    assert json.loads(fitted.answer(["dim the garden"])[0]) == {"intent": "dim", "room": "garden", "soft": True}
    path = tmp_path_factory.mktemp("fieldwise") / "fitted"
    _, sha256 = fitted.save(path)
    assert json.loads(open_fieldwise(str(path), sha256)("hall lamp on")) == {"intent": "on", "room": "hall"}
    with pytest.raises(DataError, match="the one that was written"):
        open_fieldwise(str(path), "0" * 64)
    with pytest.raises(DataError, match="JSON objects"):
        fit_fieldwise(["a"], ["[1]"])
