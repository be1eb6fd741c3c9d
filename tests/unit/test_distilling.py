"""Recipes in which a student learns from more than its teacher's kept answers: stages only, no report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from smallwright.errors import RecipeError
from smallwright.model import Transformer, load_model
from smallwright.pipeline import make_plan
from smallwright.pipeline.classify import Classifier, make_classifier
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.rows import read_texts
from smallwright.pipeline.shared import PACKAGE_FILE, STUDENT_FOLDER
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.tokenizer.train import train_wordpiece

ROOMS = ("kitchen", "hall", "bedroom", "garden", "office", "cellar")
LEARN = {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "precision": "float32"}


def write_rows(folder: Path) -> list[str]:
    rows = [{"text": f"light the {room} {how}", "label": "on"} for room in ROOMS for how in ("now", "please")]
    rows += [{"text": f"make the {room} dark {how}", "label": "off"} for room in ROOMS for how in ("now", "please")]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    texts = [f"is the {room} dark" for room in ROOMS]
    (folder / "more.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    return texts


def make_recipe(folder: Path, **changes: Any) -> Recipe:
    write_rows(folder)
    document = {
        "name": "lamps",
        "task": {"kind": "classify"},
        "data": {"train": "rows.jsonl", "unlabelled": "more.jsonl"},
        "teacher": {"from": "scratch", "preset": "nano", "finetune": LEARN},
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "pico", "context": 32},
        "distill": LEARN,
        "evaluate": {"baseline": False},
        "threads": 1,
    }
    return Recipe.from_mapping({**document, **changes}, root=folder)


def build(recipe: Recipe, out: Path) -> tuple[Classifier, Transformer]:
    made = make_classifier(recipe, Workshop(out, threads=1, quiet=True))
    return made, load_model(made.student.folder / STUDENT_FOLDER)


def test_unlabelled_texts_and_a_teacher_beside(tmp_path: Path) -> None:
    plain, student = build(make_recipe(tmp_path), tmp_path / "plain")
    assert plain.answers is not None and plain.answers.facts["answered"]["transfer"] == len(ROOMS)
    match = {"hidden_states": 1.0, "attention_relations": 1.0, "layers": [[1, 1]]}
    matched, other = build(make_recipe(tmp_path, distill={**LEARN, "match": match}), tmp_path / "plain")
    assert matched.answers is not None and not matched.answers.ran, "answers that are kept are not asked for again"
    assert not any("matching" in name for name in other.state_dict())
    differs = [not np.array_equal(a, b) for a, b in zip(parameters(student), parameters(other), strict=True)]
    assert any(differs)
    _, again = build(make_recipe(tmp_path, distill={**LEARN, "match": match}), tmp_path / "again")
    assert all(np.array_equal(a, b) for a, b in zip(parameters(other), parameters(again), strict=True))
    _, online = build(make_recipe(tmp_path, distill={**LEARN, "answers": "online"}), tmp_path / "plain")
    for a, b in zip(parameters(online), parameters(student), strict=True):
        np.testing.assert_allclose(a, b, atol=5e-3)


def parameters(model: Transformer) -> list[np.ndarray]:
    return [weight.detach().numpy() for weight in model.parameters()]


def make_encoder(folder: Path) -> Path:
    """A random BERT as a Hugging Face folder, with a tokenizer of the rows' words."""
    transformers = pytest.importorskip("transformers")
    train_wordpiece(write_rows(folder), vocabulary=200).save(str(folder / "tokenizer.json"))
    size = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab_size()
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=size,
        hidden_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        intermediate_size=128,
        max_position_embeddings=32,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def test_a_student_narrower_than_its_teacher(tmp_path: Path) -> None:
    path = make_encoder(tmp_path)
    teacher = {"from": "hf", "path": str(path), "finetune": LEARN}
    student = {"from": "teacher", "layers": [0, 2], "width": 32, "feedforward": 96}
    match = {"layers": [[0, 1], [1, 2]], "attention_relations": 0.5}
    changes = {"teacher": teacher, "tokenizer": {"kind": "teacher"}, "student": student}
    recipe = make_recipe(tmp_path, **changes, distill={**LEARN, "match": match})
    made, smaller = build(recipe, tmp_path / "out")
    assert (smaller.spec.width, len(smaller.spec.layers)) == (32, 2)
    assert [layer.feedforward.width for layer in smaller.spec.layers] == [96, 96]
    assert made.package.facts["size_bytes"] < made.teacher_package.facts["size_bytes"]
    assert make_plan(recipe).student_parameters == sum(weight.numel() for weight in smaller.parameters())
    with load(str(made.package.folder / PACKAGE_FILE), threads=1) as package:
        assert package.description["width"] == 32
    with pytest.raises(RecipeError, match=r"need a teacher that reads the student's tokens"):
        make_recipe(tmp_path, teacher=teacher, distill={**LEARN, "match": match})


def test_a_student_that_is_its_teacher(tmp_path: Path) -> None:
    """Trimmed to the words of the rows, it answers them as the teacher does."""
    changes = {
        "teacher": {"from": "hf", "path": str(make_encoder(tmp_path)), "finetune": LEARN},
        "tokenizer": {"kind": "teacher", "trim": True},
        "student": {"from": "teacher", "layers": [0, 1, 2]},
        "compress": [{"method": "quantize", "format": "f32"}],
    }
    recipe = make_recipe(tmp_path, **changes, distill={**LEARN, "epochs": 0})
    made, _ = build(recipe, tmp_path / "out")
    assert made.student.facts["steps"] == 0 and made.answers is not None
    said = np.load(made.answers.folder / "train.npy")
    with load(str(made.package.folder / PACKAGE_FILE), threads=1) as package:
        np.testing.assert_allclose(package.classify_logits(read_texts(made.data, "train")), said, atol=1e-3)


def test_a_student_of_language_writes_texts_of_its_own(tmp_path: Path) -> None:
    """And one that starts as its teacher's narrower self; neither needs kept answers where the teacher is beside it."""
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").write_text("the cat sat on the mat. the dog sat on the log.\n" * 60, encoding="utf-8")
    learn = {**LEARN, "epochs": 1, "batch_size": 4}
    document = {
        "name": "cats",
        "task": {"kind": "generate"},
        "data": {"train": "text"},
        "teacher": {"from": "scratch", "preset": "nano", "finetune": learn},
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "nano", "context": 32},
        "distill": {**learn, "own_texts": 0.5, "divergence": "jensen_shannon", "match": {"layers": [[3, 3]]}},
        "threads": 1,
    }
    students = []
    for changes in ({}, {"own_texts": 0.0, "answers": "online"}, {"own_texts": 0.0, "match": None}):
        recipe = Recipe.from_mapping({**document, "distill": {**document["distill"], **changes}}, root=tmp_path)
        made = make_generator(recipe, Workshop(tmp_path / "out", threads=1, quiet=True))
        students.append(parameters(load_model(made.student.folder / STUDENT_FOLDER)))
    assert len({weights[0].tobytes() for weights in students}) == 3
    assert len(list((tmp_path / "out").glob("answers-*"))) == 1, "only the last one keeps answers"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"distill": {"answers": "online"}, "teacher": None, "data": {"train": "rows.jsonl"}}, "need a teacher"),
        ({"distill": {"own_texts": 0.5}}, "own_texts needs task.kind: generate"),
        ({"teacher": None}, "data.unlabelled needs a teacher"),
        ({"student": {"from": "scratch", "width": 32}}, "student.width and feedforward are for from: teacher"),
        ({"distill": {"divergence": "sideways"}}, "divergence"),
        ({"distill": {"match": {"layers": []}}}, "layers"),
    ],
)
def test_what_cannot_be_is_refused_when_the_recipe_is_read(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        make_recipe(tmp_path, **changes)


def test_a_layer_map_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, distill={**LEARN, "match": {"layers": [[0, 5]]}})
    with pytest.raises(RecipeError, match=r"layer map must name the student's layers 0 to 1"):
        build(recipe, tmp_path / "out")
