"""Prompt to JSON as a newcomer does it: a recipe with a schema, a build, answers under it; then what can go wrong."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from smallwright.errors import DataError, EngineError, RecipeError
from smallwright.evaluate.cost import answer_prompts
from smallwright.pipeline.build import BuildResult, build
from smallwright.pipeline.measure import measure_package
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.spec.package import KEY_ANSWER_CALIBRATION, KEY_SCHEMA, KEY_TASK

ROOMS = ("kitchen", "hall", "bedroom", "garden", "office", "cellar", "attic", "porch")
SCHEMA = {
    "type": "object",
    "properties": {
        "intent": {"enum": ["on", "off", "dim"]},
        "room": {"enum": [*ROOMS, "bath"]},
        "level": {"type": "integer", "minimum": 0, "maximum": 100},
    },
    "required": ["intent", "room"],
    "additionalProperties": False,
}


def make_rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for room, please in product(ROOMS, ("", "please ", "now ", "hey ")):
        rows.append({"said": f"{please}{room} lamp on", "meant": {"room": room, "intent": "on"}})
        rows.append({"said": f"{please}{room} lamp off", "meant": {"room": room, "intent": "off"}})
        for level in (10, 50):
            said = f"{please}dim the {room} to {level}"
            rows.append({"said": said, "meant": {"level": float(level), "intent": "dim", "room": room}})
    return rows


def make_recipe(folder: Path, rows: list[dict[str, Any]] | None = None, **changes: Any) -> Path:
    fields = {"prompt": "said", "completion": "meant"}
    document = {
        "name": "lamps",
        "task": {"kind": "generate", "schema": "schema.json", "prompt": {"begin": " ", "lowercase": True}},
        "data": {"train": {"path": "rows.jsonl", "fields": fields}, "validation_fraction": 0.4},
        "tokenizer": {"kind": "train", "vocabulary": 320},
        "student": {"from": "scratch", "preset": "nano", "context": 64},
        "distill": {"epochs": 6, "batch_size": 8, "learning_rate": 5e-3, "dropout": 0.0},
        "evaluate": {"latency_rounds": 1, "cold_starts": 1, "bootstrap_resamples": 100},
        **changes,
    }
    (folder / "schema.json").write_text(json.dumps(SCHEMA), encoding="utf-8")
    lines = (json.dumps(row) + "\n" for row in (make_rows() if rows is None else rows))
    (folder / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    path = folder / "lamps.yaml"
    path.write_text(yaml.safe_dump(document), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    folder = tmp_path_factory.mktemp("answers")
    teacher = {"from": "scratch", "preset": "nano", "finetune": {"epochs": 4, "batch_size": 8, "learning_rate": 5e-3}}
    return build(make_recipe(folder, teacher=teacher), out=folder / "out", quiet=True)


def test_the_package_enforces_its_schema_unasked(built: BuildResult) -> None:
    with load(built.package, threads=1) as package:
        for prompt in ("hall lamp on", "dim the bath to 50", "what is the meaning of life", ""):
            answer = package.generate(prompt)
            jsonschema.validate(json.loads(answer), SCHEMA)
        free = [package.complete(prompt, free=True, max_tokens=4).text for prompt in ("hall lamp on", "zzz")]
    assert all(isinstance(text, str) for text in free)


def test_the_file_says_how_prompts_end_and_how_sure_it_may_be(built: BuildResult) -> None:
    with load(built.package, threads=1) as package:
        form = {"begin": " ", "end": "\n", "lowercase": True}
        assert json.loads(package._model.find_text(KEY_TASK))["prompt"] == form
        assert json.loads(package._model.find_text(KEY_SCHEMA)) == SCHEMA
        calibration = json.loads(package._model.find_text(KEY_ANSWER_CALIBRATION))
        assert calibration["slope"] > 0
        assert package.tokens_of("HALL Lamp ÖN") == package.tokenize(" hall lamp ön\n")
        sure = package.complete("hall lamp on", confidence=True)
        assert sure.probability is not None and 0 < sure.probability < 1
        assert package.complete("hall lamp on").probability is None
        for other in (
            {"temperature": 1.0},
            {"free": True},
            {"choices": ["yes", "no"]},
        ):  # it was not calibrated on these
            assert package.complete("hall lamp on", confidence=True, **other).probability is None
        assert package.complete("hall lamp on", max_tokens=1, free=True, confidence=True).probability is None


def test_what_prompts_begin_with_can_be_remembered(built: BuildResult) -> None:
    with load(built.package, threads=1) as package:
        plain = package.complete("please hall lamp on")
        package.remember("please hall")
        again = package.complete("please hall lamp on")
    assert again.text == plain.text and again.prompt_cached > 0 == plain.prompt_cached


def test_the_report_holds_the_answers_to_the_schema_and_without(built: BuildResult) -> None:
    report = built.report
    assert report.answers is not None and report.answers.free is not None
    assert report.answers.enforced.valid == 1.0
    assert {line.kind for line in report.neighbours} == {"package", "free", "teacher_quantized", "fieldwise"}
    own = next(line for line in report.neighbours if line.kind == "package")
    assert own.accuracy == report.answers.enforced.exact.accuracy
    with load(built.package, threads=1) as package:  # the number is that of the file: ask it again
        stages = built.package.parent / "stages"
        data = next(path for path in stages.rglob("test.jsonl"))
        rows = [json.loads(line) for line in data.read_text(encoding="utf-8").splitlines()]
        right = sum(json.loads(package.generate(row["prompt"])) == json.loads(row["completion"]) for row in rows)
    assert right == report.answers.enforced.exact.correct
    assert {score.field for score in report.answers.enforced.fields} == {"intent", "room", "level"}
    page = built.report_html.read_text(encoding="utf-8")
    assert "Exactly right" in page and "schema not enforced" in page


def test_a_prompt_beyond_the_context_gets_an_empty_answer_and_no_score(built: BuildResult) -> None:
    answers = answer_prompts(built.package, ["word " * 200, "hall lamp on"], max_tokens=64)
    assert answers.texts[0] == "" and answers.scores[0] is None and not answers.whole[0]
    jsonschema.validate(json.loads(answers.texts[1]), SCHEMA)


def test_it_is_evaluated_on_other_rows(built: BuildResult, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in make_rows()[:40]), encoding="utf-8")
    found = measure_package(str(built.package), str(rows), ["prompt=said", "completion=meant"])
    with load(built.package, threads=1) as package:
        right = sum(json.loads(package.generate(row["said"])) == row["meant"] for row in make_rows()[:40])
    assert found["rows"] == 40 and found["exactly_right"] == right / 40 and found["whole"] == 1.0
    with pytest.raises(RecipeError, match="named together"):
        measure_package(str(built.package), str(rows), ["prompt=said"])
    rows.write_text(json.dumps({"said": "moon lamp on", "meant": {"intent": "on", "room": "moon"}}), encoding="utf-8")
    with pytest.raises(DataError, match="completion against the schema"):
        measure_package(str(built.package), str(rows), ["prompt=said", "completion=meant"])


def test_answers_are_stored_in_the_schemas_order(built: BuildResult) -> None:
    data = next(path for path in (built.package.parent / "stages").rglob("train.jsonl"))
    completions = [json.loads(line)["completion"] for line in data.read_text(encoding="utf-8").splitlines()]
    assert any(text.startswith('{"intent":"dim","room":') and text.endswith(',"level":50}') for text in completions)


def test_rows_that_the_schema_refuses_are_rejected_with_a_reason(tmp_path: Path) -> None:
    bad = [{"said": "moon lamp on", "meant": {"intent": "on", "room": "moon"}}, {"said": "x", "meant": "no json"}]
    recipe = make_recipe(tmp_path, [*make_rows(), *bad], distill={"epochs": 1, "batch_size": 64})
    result = build(recipe, out=tmp_path / "out", quiet=True)
    assert result.report.data.rejects == {"completion against the schema": 2}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"task": {"kind": "generate", "schema": "gone.json"}}, RecipeError, "gone.json"),
        ({"task": {"kind": "generate", "schema": {"type": "no such type"}}}, RecipeError, "task.schema must be"),
        ({"task": {"kind": "classify", "schema": {"type": "object"}}}, RecipeError, "needs kind: generate"),
        ({"data": {"train": "rows.jsonl"}}, RecipeError, "prompt and completion"),
        ({"student": {"from": "scratch", "preset": "nano", "context": 8}}, DataError, "must fit the context"),
    ],
)
def test_a_recipe_that_cannot_work_says_so(
    tmp_path: Path, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    path = make_recipe(tmp_path, **changes)
    with pytest.raises(error, match=words):
        build(Recipe.load(path), out=tmp_path / "out", quiet=True)


def test_an_answer_that_is_cut_short_is_an_error_and_the_next_one_comes(built: BuildResult) -> None:
    with load(built.package, threads=1) as package:
        with pytest.raises(EngineError, match="must be whole"):
            package.generate("hall lamp on", max_tokens=2)
        jsonschema.validate(json.loads(package.generate("hall lamp on")), SCHEMA)
