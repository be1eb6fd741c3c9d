"""Rows of the home assistant: as the schema says, as hassil understands them, and none of the tests."""

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


def read(folder: Path, split: str) -> list[dict]:
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module", params=[(), ("--say-area",)], ids=["fixed", "said"])
def made(request: pytest.FixtureRequest, recipe: ModuleType, data: Path, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("rows")
    recipe.main([str(data), str(out), "--rows", "400", "--seed", "3", *request.param])
    return out


def test_every_answer_obeys_the_schema(made: Path) -> None:
    schema = json.loads((made / "answer.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    order = list(schema["properties"])
    assert order[0] == "intent" and len(schema["properties"]["intent"]["enum"]) == INTENTS
    assert not validator.is_valid({"intent": "HassTurnOn", "colour": "red"})
    assert not validator.is_valid({"intent": "HassLightSet", "brightness": 101})
    assert not validator.is_valid({"name": "TV"})
    for split, rows in (("train", 400), ("validation", 10), ("test", TESTS)):
        answers = [row["answer"] for row in read(made, split)]
        assert len(answers) == rows
        for answer in answers:
            validator.validate(answer)
            assert list(answer) == sorted(answer, key=order.index)


def test_train_has_every_intent_and_no_sentence_of_another_split(recipe: ModuleType, made: Path) -> None:
    splits = {
        split: [recipe.plain(row["text"]) for row in read(made, split)] for split in ("train", "validation", "test")
    }
    assert {row["answer"]["intent"] for row in read(made, "train")} == {
        row["answer"]["intent"] for row in read(made, "test")
    }
    assert len(set(splits["train"])) == 400
    assert set(splits["train"]).isdisjoint(splits["test"]) and set(splits["validation"]).isdisjoint(splits["test"])
    assert set(splits["train"]).isdisjoint(splits["validation"])


def test_a_seed_decides_the_bytes(recipe: ModuleType, data: Path) -> None:
    first, again, other = (recipe.make_files(data, 400, seed, False)[0] for seed in (3, 3, 4))
    assert first == again
    assert first["train.jsonl"] != other["train.jsonl"] and first["test.jsonl"] == other["test.jsonl"]
    assert first["answer.schema.json"] == other["answer.schema.json"]


def test_the_tests_keep_their_answers(recipe: ModuleType, data: Path) -> None:
    answers = {test["sentence"]: test["answer"] for test in recipe.read_tests(data)}
    # Of a file of one slot combination; of several values that are one; of an area that the sentence does not say.
    assert answers["set Overhead Light to red"] == {
        "intent": "HassLightSet", "name": "Overhead Light", "color": "red"
    }  # fmt: skip
    assert answers["stop my pizza timer"] == {"intent": "HassCancelTimer", "name": "pizza"}
    assert answers["open the curtains"] == {
        "intent": "HassTurnOn", "domain": "cover", "device_class": "curtain", "area": "Living Room"
    }  # fmt: skip
    for line in (data / "tests_en.jsonl").read_text(encoding="utf-8").splitlines():
        test = json.loads(line)
        if test["source"].count("/") == 2 and not any(isinstance(value, list) for value in test["slots"].values()):
            assert test["text"] in answers


def test_hassil_understands_the_rows_so(recipe: ModuleType, data: Path) -> None:
    import hassil

    intents, home = recipe.read_intents(data), recipe.read_home(data)
    homes = (home, recipe.make_home(home))
    lists = {
        "area": hassil.TextSlotList.from_strings([area for one in homes for area in one.areas]),
        "floor": hassil.TextSlotList.from_strings([floor for one in homes for floor in one.floors]),
        "name": hassil.TextSlotList.from_tuples(
            (one.name, one.name, {"domain": one.domain, "device_class": one.device_class})
            for home in homes
            for one in home.entities
        ),
    }
    train = recipe.make_files(data, 400, 5, False)[0]["train.jsonl"].splitlines()
    # A made-up sensor is of the class that the sentence says, which hassil would have to be told.
    rows = [row for row in map(json.loads, train) if row["answer"].get("domain") != "sensor"]
    wrong = []
    for row in random.Random(0).sample(rows, 200):
        found = hassil.recognize_best(
            row["text"], intents, lists, intent_context={"area": "Living Room"}, best_slot_name="name", language="en"
        )
        slots = {} if found is None else {entity.name: entity.value for entity in found.entities_list}
        if found is None or recipe.make_answer(found.intent.name, slots) != row["answer"]:
            wrong.append((row, found and found.intent.name, slots))
    assert len(wrong) <= 2, wrong  # where two templates say the same, hassil may take the other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "out"], "must be the folder ha_intents_en"),
        (["DATA", "out", "--rows", "5"], "rows must be at least"),
    ],
)
def test_wrong_arguments_are_one_line(
    recipe: ModuleType, data: Path, capsys, arguments: list[str], message: str
) -> None:
    with pytest.raises(SystemExit):
        recipe.main([str(data) if argument == "DATA" else argument for argument in arguments])
    assert message in capsys.readouterr().err
