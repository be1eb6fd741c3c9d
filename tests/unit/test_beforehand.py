"""Whatever cannot be is refused within seconds: by the build as by its plan, before anything is trained or asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import transformers

from smallwright.errors import CheckpointError, RecipeError, SmallwrightError
from smallwright.pipeline import build, explore, make_plan
from smallwright.recipe import Recipe

LEARN = {"epochs": 1, "batch_size": 8, "precision": "float32"}
SCRATCH = {"from": "scratch", "preset": "pico", "finetune": LEARN}
CUT = {"tokenizer": {"kind": "teacher"}}
DROP = {"method": "sparsify", "pattern": "3:7"}
BIASES = {"format": "q4_0", "train": {"steps": 9, "parameters": "biases"}}

# Student and compression that no model of that kind can be, with the law's beginning.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a pattern": ({"compress": [DROP, {"format": "q4_0"}]}, "pattern 3:7 needs rows"),
    "a preset": ({"student": {"preset": "tiny"}}, "a preset must be one of"),
    "a teacher's preset": ({"teacher": {**SCRATCH, "preset": "tiny"}}, "a preset must be one of"),
    "one of an ensemble": (
        {"teacher": {**SCRATCH, "ensemble": {"teachers": [{"from": "hf", "path": "nowhere"}]}}},
        "nowhere",
    ),
    "a layer map": ({"distill": {**LEARN, "match": {"layers": [[0, 7]]}}}, "a layer map must name"),
    "layers": (
        {**CUT, "student": {"from": "teacher", "layers": 9}},
        r"student\.layers must be from 1 to the teacher's 3",
    ),
    "a layer": ({**CUT, "student": {"from": "teacher", "layers": [0, 3]}}, r"student\.layers must be indices from 0"),
    "a width": ({**CUT, "student": {"from": "teacher", "width": 40}}, r"student\.width must be a multiple of 32 up to"),
    "positions": ({**CUT, "student": {"from": "teacher", "positions": 99}}, r"student\.positions must be at most"),
    "no classifier": (
        {**CUT, "teacher": {"from": "hf", "path": "bert"}},
        "used as it is must be a classifier of the data's labels. Got a checkpoint without a classifier",
    ),
    "no language": ({**CUT, "task": {"kind": "generate"}}, "needs a teacher with a language-model head. Got none in"),
    "awq of a BERT": ({**CUT, "student": {"from": "teacher"}, "compress": [{"using": "awq"}]}, r"compress\.using: awq"),
}


def law_kind(name: str) -> type[SmallwrightError]:
    return CheckpointError if name in ("one of an ensemble", "no classifier", "no language") else RecipeError


def make_recipe(folder: Path, **changes: Any) -> Recipe:
    rows = [{"text": f"light {place} {how}", "label": how} for place in "abcdefghij" for how in ("on", "off")]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    config: dict[str, Any] = {"architectures": ["BertModel"], "vocab_size": 90, "max_position_embeddings": 32}
    config |= {"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 128}
    transformers.BertConfig(**config).save_pretrained(folder / "bert")
    document: dict[str, Any] = {
        "name": "lamps",
        "task": {"kind": "classify"},
        "data": {"train": "rows.jsonl", "validation_fraction": 0.2, "test_fraction": 0.2},
        "teacher": {"from": "hf", "path": "bert", "finetune": LEARN} if "tokenizer" in changes else SCRATCH,
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "pico", "context": 32},
        "distill": LEARN,
        "threads": 1,
    }
    return Recipe.from_mapping({**document, **changes}, root=folder)


@pytest.mark.parametrize("name", REFUSED)
def test_build_and_plan_refuse_it_alike_before_any_stage(name: str, tmp_path: Path) -> None:
    changes, law = REFUSED[name]
    recipe = make_recipe(tmp_path, **changes)
    said = []
    for ask in (make_plan, lambda asked: build(asked, out=tmp_path / "out", quiet=True)):
        with pytest.raises(law_kind(name), match=law) as caught:
            ask(recipe)
        said.append(str(caught.value))
    assert said[0] == said[1] and "\n" not in said[0]
    assert not (tmp_path / "out").exists()


def test_a_teacher_of_other_classes_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    """Also one of an ensemble, whose first network would be trained before it."""
    known = {"id2label": {0: "up", 1: "down"}, "label2id": {"up": 0, "down": 1}}
    member = {"from": "hf", "path": "bert"}
    recipe = make_recipe(tmp_path, teacher={**SCRATCH, "ensemble": {"teachers": [member]}})
    config = json.loads((tmp_path / "bert/config.json").read_text(encoding="utf-8"))
    config |= {"architectures": ["BertForSequenceClassification"], **known}
    (tmp_path / "bert/config.json").write_text(json.dumps(config), encoding="utf-8")
    for ask in (make_plan, lambda asked: build(asked, out=tmp_path / "out", quiet=True)):
        with pytest.raises(
            CheckpointError, match=r"the data's 2 labels\. Got missing \['off', 'on'\], unknown \['down'"
        ):
            ask(recipe)
    stages = {path.name.rpartition("-")[0] for path in (tmp_path / "out/lamps/stages").iterdir() if path.is_dir()}
    assert stages == {"data", "tokenizer"}


def test_a_decoder_without_biases_is_refused_too(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, task={"kind": "generate"}, compress=[BIASES])
    with pytest.raises(RecipeError, match="Got a model without any"):
        build(recipe, out=tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_an_exploration_refuses_the_student_but_tries_ways_one_by_one(tmp_path: Path) -> None:
    recipe = make_recipe(tmp_path, **CUT, student={"from": "teacher", "layers": 9})
    with pytest.raises(RecipeError, match=r"student\.layers"):
        explore(recipe, out=tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()


def test_a_student_cut_from_a_teacher_from_scratch_names_the_tokenizer_that_both_have(tmp_path: Path) -> None:
    """It has none of its own: one was trained in silence, and the plan refused what the build took."""
    with pytest.raises(RecipeError, match=r"needs a teacher with a path.*Use tokenizer: \{kind: train\}"):
        make_recipe(tmp_path, **CUT, teacher=SCRATCH, student={"from": "teacher", "layers": 1})
    recipe = make_recipe(tmp_path, teacher=SCRATCH, student={"from": "teacher", "layers": 1})
    made = build(recipe, out=tmp_path / "out", quiet=True)
    assert make_plan(recipe).student_parameters == made.report.package.parameters
