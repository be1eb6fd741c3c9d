"""A whole build whose teacher is several networks and a linear classifier, and what its report says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.metrics import roc_auc_score

from smallwright.errors import DataError, RecipeError
from smallwright.evaluate.ensemble import ensemble_quality
from smallwright.evaluate.linear import LINEAR_NAME
from smallwright.evaluate.report.html import to_html
from smallwright.pipeline import build, make_plan
from smallwright.pipeline.rows import label_numbers, read_labels, read_split
from smallwright.pipeline.stage import CARD, Outcome
from smallwright.pipeline.together import answer_together
from smallwright.recipe import Recipe
from smallwright.teacher.settings import EnsembleSettings

ROOMS = ("kitchen", "hall", "bedroom", "garden", "office", "cellar", "attic", "garage")
LEARN = {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "precision": "float32"}
PICO = {"from": "scratch", "preset": "pico", "finetune": LEARN}


def make_recipe(folder: Path, ensemble: dict[str, Any], **changes: Any) -> Recipe:
    rows = [{"text": f"light the {room} {how}", "label": "on"} for room in ROOMS for how in ("now", "please", "again")]
    rows += [{"text": f"make the {room} dark {how}", "label": "off"} for room in ROOMS for how in ("now", "please")]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    document = {
        "name": "lamps",
        "task": {"kind": "classify"},
        "data": {"train": "rows.jsonl", "validation_fraction": 0.2, "test_fraction": 0.2},
        "teacher": {"from": "scratch", "preset": "nano", "finetune": LEARN, "ensemble": ensemble},
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "pico", "context": 32},
        "distill": LEARN,
        "evaluate": {"latency_rounds": 1, "cold_starts": 1, "bootstrap_resamples": 100, "max_latency_texts": 2},
        "threads": 1,
    }
    return Recipe.from_mapping({**document, **changes}, root=folder)


def test_three_members_answer_as_one(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, {"linear": 0.4, "teachers": [{**PICO, "weight": 2.0}]})
    report = build(recipe, out=tmp_path, quiet=True).report
    found = report.ensemble
    assert found is not None
    assert [voice.name for voice in found.voices] == ["network 1", "network 2", LINEAR_NAME]
    assert [voice.weight for voice in found.voices] == pytest.approx([0.2, 0.4, 0.4])
    (answers,) = (tmp_path / "lamps" / "stages").glob("answers-*")
    card = json.loads((answers / CARD).read_text(encoding="utf-8"))
    temperatures = [member["temperature"] for member in card["facts"]["members"]]
    said = [np.load(answers / "test" / "answers.npy"), np.load(answers / "teacher-2" / "test" / "answers.npy")]
    networks = [np.exp(log_softmax(one / t, axis=1)) for one, t in zip(said, temperatures, strict=False)]
    # What is left of the joint answer is the linear member's share of a probability.
    rest = np.exp(np.load(answers / "test.npy")) - 0.2 * networks[0] - 0.4 * networks[1]
    np.testing.assert_allclose(rest.sum(axis=1), 0.4, rtol=1e-5)
    assert (rest > -1e-6).all()
    votes = np.load(answers / "test-votes.npy")
    assert (votes[:2] == np.stack([one.argmax(axis=1) for one in said])).all()
    apart = {split: np.load(answers / f"{split}-disagreement.npy") for split in ("train", "validation", "test")}
    assert (
        found.disagreement == pytest.approx(apart["test"].mean()) and len(apart["train"]) == report.data.rows["train"]
    )
    teacher = next(line for line in report.neighbours if line.kind == "teacher")
    assert teacher.note == f"2 float32 networks with {LINEAR_NAME}, 1 thread" and teacher.latency_p50_ms is not None
    assert "The teachers, alone and together" in to_html(report)
    cards = [json.loads(path.read_text(encoding="utf-8")) for path in (tmp_path / "lamps" / "stages").glob(f"*/{CARD}")]
    trained = [card["facts"]["parameters"] for card in cards if card["stage"] in ("teacher", "teacher-2")]
    assert len(trained) == 2 and make_plan(recipe).teacher_parameters == sum(trained)


def make_data(folder: Path) -> Outcome:
    folder.mkdir()
    rows = [json.dumps({"text": f"text {number}", "label": "ab"[number % 2]}) for number in range(20)]
    (folder / "validation.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "labels.json").write_text('["a", "b"]', encoding="utf-8")
    return Outcome("key", folder, {}, {}, ran=True)


def test_competence_is_measured_on_the_validation_rows(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    numbers = label_numbers(read_split(data, "validation"), read_labels(data))
    right, blind = np.eye(2)[numbers] * 2, np.tile([1.0, 0.0], (20, 1))
    settings = EnsembleSettings.model_validate({"weights": "competence", "teachers": [PICO]})
    said = [{"validation": right, "test": right[:4]}, {"validation": blind, "test": blind[:4]}]
    answers, members = answer_together(settings, said, data, tmp_path)
    # F1 with one row of prior: 10 of 10 found of both classes; all 20 rows called a, of which 10 are.
    assert members[0]["competence"] == pytest.approx([21 / 22, 21 / 22])
    assert members[1]["competence"] == pytest.approx([21 / 32, 1 / 12])
    assert answers["test"].argmax(axis=1).tolist() == [0, 1, 0, 1]
    uniform, _ = answer_together(settings.model_copy(update={"weights": "uniform"}), said, data, tmp_path)
    assert answers["test"][1, 1] > uniform["test"][1, 1], "who knows nothing of b is heard less there"


def test_competence_without_validation_rows_is_refused(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    (data.folder / "validation.jsonl").write_text("", encoding="utf-8")
    settings = EnsembleSettings.model_validate({"weights": "competence"})
    with pytest.raises(DataError, match=r"competence is measured on validation rows\. Got none"):
        answer_together(settings, [{"test": np.zeros((1, 2))}] * 2, data, tmp_path)


def test_a_linear_member_alone_has_half_unless_told(tmp_path: Path) -> None:
    assert EnsembleSettings.model_validate({}).linear == 0.5
    assert EnsembleSettings.model_validate({"linear": 0.2}).linear == 0.2
    assert EnsembleSettings.model_validate({"teachers": [PICO]}).linear is None
    recipe = make_recipe(tmp_path, {"teachers": [PICO], "weights": "uniform"})
    assert Recipe.from_mapping(recipe.model_dump(mode="json", by_alias=True), root=tmp_path) == recipe
    with pytest.raises(RecipeError, match=r"teacher\.from: hf needs a path"):
        make_recipe(tmp_path, {"teachers": [{"from": "hf"}]})
    with pytest.raises(RecipeError, match="Did you mean 'weights'"):
        make_recipe(tmp_path, {"weighs": "uniform"})


def test_what_members_are_worth() -> None:
    rng = np.random.default_rng(0)
    expected = [str(label) for label in rng.integers(0, 3, 300)]
    votes = {
        name: [label if rng.random() < skill else "0" for label in expected] for name, skill in (("x", 0.9), ("y", 0.6))
    }
    together, apart = votes["x"], rng.random(300)
    found = ensemble_quality(expected, together, votes, apart, weights="given", shares=[3.0, 1.0], resamples=200)
    right = np.array([a == b for a, b in zip(expected, together, strict=True)])
    same = np.array([a == b for a, b in zip(votes["x"], votes["y"], strict=True)])
    assert [voice.weight for voice in found.voices] == [0.75, 0.25]
    assert (found.over_best.against, found.over_best.difference, found.agreed) == ("x", 0.0, int(same.sum()))
    assert (found.right_agreed, found.right_apart) == pytest.approx((right[same].mean(), right[~same].mean()))
    assert found.auroc == pytest.approx(roc_auc_score(~right, apart))
    perfect = ensemble_quality(expected, expected, {"x": expected}, apart, weights="given", shares=[1.0], resamples=9)
    assert (perfect.auroc, perfect.right_apart, perfect.right_agreed) == (None, None, 1.0)
