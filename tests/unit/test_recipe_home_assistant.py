"""Rows of the home assistant: as the schema says, as hassil understands them, and none of them a test."""

from __future__ import annotations

import importlib
import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import jsonschema
import pytest

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
INTENTS = 33
TESTS = 1089
SPLITS = ("train", "validation", "test")

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def recipe() -> Iterator[ModuleType]:
    pytest.importorskip("hassil", reason="the package hassil is not installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(RECIPES))
        yield importlib.import_module("home_assistant_rows")


@pytest.fixture(scope="module")
def data() -> Path:
    root = os.environ.get("SMALLWRIGHT_DATA")
    if not root or not Path(root, "ha_intents_en").is_dir():
        pytest.skip("set SMALLWRIGHT_DATA to the folder that holds ha_intents_en")
    return Path(root, "ha_intents_en")


@pytest.fixture(scope="module", params=[(), ("--say-area",)], ids=["fixed", "said"])
def made(
    request: pytest.FixtureRequest, recipe: ModuleType, data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    out = tmp_path_factory.mktemp("rows")
    recipe.main([str(data), str(out), "--rows", "400", "--seed", "3", *request.param])
    return out


def read(folder: Path) -> dict[str, list[dict]]:
    return {
        split: [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in SPLITS
    }


def test_every_answer_obeys_the_schema(made: Path) -> None:
    schema = json.loads((made / "answer.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    order = list(schema["properties"])
    assert order[0] == "intent" and len(schema["properties"]["intent"]["enum"]) == INTENTS
    assert not validator.is_valid({"intent": "HassTurnOn", "colour": "red"})
    assert not validator.is_valid({"intent": "HassLightSet", "brightness": 101})
    assert not validator.is_valid({"name": "TV"})
    rows = read(made)
    assert len(rows["train"]) == 400 and len(rows["validation"]) >= 10 and len(rows["test"]) == TESTS
    for split in SPLITS:
        for row in rows[split]:
            validator.validate(row["answer"])
            assert list(row["answer"]) == sorted(row["answer"], key=order.index)


def test_train_has_every_intent_and_no_sentence_of_another_split(recipe: ModuleType, made: Path) -> None:
    rows = read(made)
    assert len({row["answer"]["intent"] for row in rows["train"]}) == INTENTS
    texts = {split: {recipe.plain(row["text"]) for row in rows[split]} for split in SPLITS}
    assert len(texts["train"]) == 400
    assert texts["train"].isdisjoint(texts["test"] | texts["validation"])
    assert texts["validation"].isdisjoint(texts["test"])


def test_a_seed_decides_the_bytes(recipe: ModuleType, data: Path) -> None:
    first, again, other = (recipe.make_files(data, 400, seed, False)[0] for seed in (3, 3, 4))
    assert first == again
    assert first["train.jsonl"] != other["train.jsonl"] and first["test.jsonl"] == other["test.jsonl"]
    assert first["answer.schema.json"] == other["answer.schema.json"]


def test_the_tests_keep_their_answers(recipe: ModuleType, data: Path) -> None:
    tests = recipe.read_tests(data)
    lines = (data / "tests_en.jsonl").read_text(encoding="utf-8").splitlines()
    for given, test in zip(map(json.loads, lines), tests, strict=True):
        assert (test["sentence"], test["answer"]["intent"]) == (given["text"], given["intent"])
        for slot, value in given["slots"].items():
            assert test["answer"][slot] in (value if isinstance(value, list) else [value])
    answers = {test["sentence"]: test["answer"] for test in tests}
    # Of a file of one slot combination, whose slots tests_en.jsonl lacks.
    assert answers["set Overhead Light to red"] == {
        "intent": "HassLightSet", "name": "Overhead Light", "color": "red"
    }  # fmt: skip
    # Of an area that the sentence does not say.
    assert answers["close the curtains"] == {
        "intent": "HassTurnOff", "domain": "cover", "device_class": "curtain", "area": "Living Room"
    }  # fmt: skip


def test_hassil_understands_the_rows_so(recipe: ModuleType, data: Path) -> None:
    import hassil

    intents, home = recipe.read_intents(data), recipe.read_home(data)
    homes = (home, recipe.make_home(home))
    lists = {
        "area": hassil.TextSlotList.from_strings([area for one in homes for area in one.areas]),
        "floor": hassil.TextSlotList.from_strings([floor for one in homes for floor in one.floors]),
        "name": hassil.TextSlotList.from_tuples(
            (entity.name, entity.name, {"domain": entity.domain, "device_class": entity.device_class})
            for one in homes
            for entity in one.entities
        ),
    }
    train = map(json.loads, recipe.make_files(data, 400, 5, False)[0]["train.jsonl"].splitlines())
    # A made-up sensor is of the class that the sentence says, which hassil would have to be told.
    rows = [row for row in train if row["answer"].get("domain") != "sensor"]
    wrong = []
    for row in random.Random(0).sample(rows, 200):
        found = hassil.recognize_best(
            row["text"], intents, lists, intent_context={"area": "Living Room"}, best_slot_name="name", language="en"
        )
        slots = {} if found is None else {entity.name: entity.value for entity in found.entities_list}
        if found is None or recipe.make_answer(found.intent.name, slots) != row["answer"]:
            wrong.append((row, found and found.intent.name, slots))
    assert len(wrong) <= 1, wrong  # of 6,000 rows it takes 5 otherwise: where two templates say the same


def test_wrong_arguments_say_what_to_do(recipe: ModuleType, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, message in (
        (["nowhere", "out"], "must be the folder ha_intents_en"),
        ([str(data), "out", "--rows", "5"], "rows must be at least 100"),
    ):
        with pytest.raises(SystemExit):
            recipe.main(arguments)
        assert message in capsys.readouterr().err
