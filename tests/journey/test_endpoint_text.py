"""A generator whose teacher is a server: its text asked for once, learned, and judged beside the student."""

from __future__ import annotations

import json
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tests.endpoint_under_test import OK, Server, serve

from smallwright.pipeline.build import build
from smallwright.pipeline.plan import make_plan
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.teacher.endpoint import EndpointError

ROOMS, THINGS, ACTS = ("hall", "attic", "cellar"), ("lamp", "fan", "heater", "radio"), ("start", "stop", "check", "dim")
SCHEMA = {
    "type": "object",
    "properties": {"act": {"type": "string"}, "room": {"type": "string"}},
    "required": ["act", "room"],
    "additionalProperties": False,
}
REFUSED = "check the heater in the attic"


def _recipe(folder: Path, url: str, **changes: Any) -> Recipe:
    """Rows whose own answers are all alike: what else a student says comes from the teacher."""
    prompts = [f"{act} the {thing} in the {room}" for act, thing, room in product(ACTS, THINGS, ROOMS)]
    rows = [{"said": prompt, "json": {"act": "none", "room": "none"}} for prompt in prompts]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    document = {
        "name": "house",
        "threads": 1,
        "task": {"kind": "generate", "schema": SCHEMA},
        "data": {"train": {"path": "rows.jsonl", "fields": {"prompt": "said", "completion": "json"}}},
        "teacher": {
            "from": "endpoint", "url": url, "model": "big", "instruction": "Answer in JSON.", "concurrency": 3,
            "retries": 9, "first_wait_seconds": 0.001, "longest_wait_seconds": 0.01,
        },
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "pico", "context": 96},
        "distill": {
            "targets": "teacher", "objectives": ["cross_entropy"], "epochs": 25, "batch_size": 8,
            "learning_rate": 5e-3, "dropout": 0.0, "precision": "float32",
        },
        "evaluate": {"latency_rounds": 1, "cold_starts": 1, "bootstrap_resamples": 100, "answer_tokens": 40},
        **changes,
    }  # fmt: skip
    return Recipe.from_mapping(document, root=folder)


def _answer(text: str, prompt: str) -> tuple[str, None]:
    said = prompt.rsplit("\n\n", 1)[-1]
    if said == REFUSED:
        return '{"act": "check"}', None
    act, room = said.split()[0], said.split()[-1]
    return f'{{"room": "{room}", "act":  "{act}"}}', None


def test_a_generator_learns_the_text_of_a_server_that_fails_now_and_then(tmp_path: Path) -> None:
    faults = (OK, None, OK, (503, b"", {}), OK)
    with serve(Server(answer=_answer, fail=lambda number: OK if number < 9 else (401, b"", {}))) as server:
        recipe = _recipe(tmp_path, server.url)
        asked = make_plan(recipe).asked
        assert asked is not None and not server.requests
        with pytest.raises(EndpointError, match="Got 401"):
            build(recipe, out=tmp_path / "out", quiet=True)
        server.fail = lambda number: faults[number % len(faults)]
        result = build(recipe, out=tmp_path / "out", quiet=True)
        assert set(server.answered.values()) == {1} and len(server.answered) == asked.questions
        before = len(server.requests)
        build(_recipe(tmp_path, server.url, student={"from": "scratch", "preset": "nano", "context": 96}),
              out=tmp_path / "out", quiet=True)  # fmt: skip
        assert len(server.requests) == before
    stages = tmp_path / "out/house/stages"
    held_out = [
        json.loads(line)["prompt"] for data in stages.glob("data-*") for line in (data / "validation.jsonl").open()
    ]
    sent = {body["messages"][-1]["content"].removeprefix("Answer in JSON.\n\n") for _, _, body in server.requests}
    assert held_out and not set(held_out) & sent
    (written,) = stages.glob("teacher-text-*")
    facts = json.loads((written / "card.json").read_text(encoding="utf-8"))["facts"]
    learned = [json.loads(line) for line in (written / "train.jsonl").open(encoding="utf-8")]
    lost = REFUSED in sent - set(held_out) and any(row["prompt"] == REFUSED for row in _rows(stages, "train"))
    assert facts["cut"] == int(lost) and facts["rows"] == len(learned) == len(_rows(stages, "train")) - int(lost)
    # In the schema's order and without blanks, as the engine will write it.
    assert all(row["completion"].startswith('{"act":"') for row in learned)

    lines = {line.kind: line for line in result.report.neighbours}
    assert lines["teacher"].name == "teacher (endpoint)" and lines["teacher"].size_bytes is None
    assert lines["teacher"].accuracy == 0 and "big, asked; median call" in lines["teacher"].note
    assert "teacher_quantized" not in lines
    with load(str(result.package), threads=1) as package:
        said = package.complete(["stop the lamp in the attic"])[0].text
    assert json.loads(said)["act"] != "none"  # which is all that the data's own answers say


def _rows(stages: Path, split: str) -> list[dict[str, Any]]:
    (data,) = stages.glob("data-*")
    return [json.loads(line) for line in (data / f"{split}.jsonl").open(encoding="utf-8")]
