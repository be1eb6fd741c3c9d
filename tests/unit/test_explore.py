"""Explorations: which ways there are, whole ones of tiny students, the page, and what is refused."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.unit.test_compress_build import make_generator, make_lamps
from tests.unit.test_package import encoder

from smallwright.cli import main
from smallwright.data import Row
from smallwright.errors import DataError, RecipeError
from smallwright.evaluate.exploration import Exploration, Measure, Point
from smallwright.evaluate.report.explore_page import list_front, to_page
from smallwright.pipeline import build, explore
from smallwright.pipeline.explore import OWN, Attempts
from smallwright.pipeline.judge_ways import draw_validation
from smallwright.pipeline.rows import read_split
from smallwright.pipeline.stage import CARD, Outcome, hash_file
from smallwright.pipeline.ways import (
    REFERENCE,
    SPARSITIES,
    check_chosen,
    choose_ways,
    default_steps,
    list_methods,
    list_ways,
    read_steps,
    training_ways,
)
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.spec.formats import FORMATS


def point(name: str, size: int, score: float, ms: float | None, **changes: Any) -> Point:
    found = Point(
        name=name,
        method="round",
        steps=({"method": "quantize"},),
        own=False,
        sha256="0" * 64,
        size_bytes=size,
        score=score,
        low=score - 0.01,
        high=score + 0.01,
        lost=0.0,
        lost_error=0.001,
        ms=ms,
        ms_low=ms,
        ms_high=ms,
        added_rss_bytes=None,
        seconds=1.0,
    )
    return replace(found, **changes)


def exploration(points: list[Point], measure: Measure) -> Exploration:
    return Exploration(
        "lamps", measure, 100, 100, "one text, of 20", points[0].name, tuple(points), {"q4_0 awq": "no <norms>"}, {}
    )


ACCURACY, PERPLEXITY = Measure("accuracy", "row", True), Measure("perplexity", "token", False)


def test_fronts_know_which_way_is_better() -> None:
    points = [point("a", 100, 0.9, 3.0), point("b", 50, 0.8, 1.0), point("c", 70, 0.7, 2.0), point("d", 60, 0.95, None)]
    accuracy, perplexity = exploration(points, ACCURACY), exploration(points, PERPLEXITY)
    assert accuracy.front("size_bytes") == [False, True, False, True]
    assert perplexity.front("size_bytes") == [False, True, True, False]
    assert accuracy.front("ms") == [True, True, False, False]  # what was not timed is on no front of time
    assert perplexity.front("ms") == [False, True, True, False]


def test_the_page_holds_its_numbers_and_nothing_runs() -> None:
    points = [point("f32", 4000, 0.9, 3.0), point("</script><b>", 500, 0.8, 1.0, own=True)]
    found = exploration(points, ACCURACY)
    page = to_page(found)
    assert "<b>" not in page and "&lt;norms&gt;" in page and page.count("<svg") == 2
    assert "http" not in _without_svg(page)
    (held,) = re.findall(r'<script type="application/json" id="exploration">(.*?)</script>', page, re.DOTALL)
    assert json.loads(held) == json.loads(json.dumps(found.to_document()))
    assert page.count("<script") == 1 and "Test rows were not read" in page
    assert page == to_page(found)
    lines = list_front(found)
    assert "100 validation rows" in lines[0] and [line.split(":")[0].strip() for line in lines[1:]] == [
        "</script><b> (the recipe's)",
        "f32",
    ]


def _without_svg(page: str) -> str:
    return re.sub(r"<svg.*?</svg>", "", page, flags=re.DOTALL).replace("http-equiv", "")


def test_the_table_has_what_the_schema_offers() -> None:
    ways = list_ways()
    assert ways[0].name == REFERENCE and len({way.name for way in ways}) == len(ways)
    settings = [read_steps(way.steps)[-1] for way in ways]
    tried = {(one.using, one.format) for one in settings}
    assert {(using, format) for using in ("round", "gptq", "awq") for format in ("q8_0", "q5_0", "q4_0")} <= tried
    assert all(one.format == REFERENCE or FORMATS[one.format].bits_per_weight < 16 for one in settings)
    sparse = [way for way in ways if len(way.steps) == 2]
    assert len(sparse) % len(SPARSITIES) == 0


def test_ways_are_chosen_by_method_or_by_name() -> None:
    assert {way.method for way in choose_ways(list_ways(), ["gptq"])} == {"gptq", "round"}
    assert [way.name for way in choose_ways(list_ways(), ["mixed"])] == [REFERENCE]
    assert choose_ways(list_ways(), []) == list_ways()
    check_chosen(["round", "mixed", "trained", "q2_span trained", "q4_0 gptq"])
    named = choose_ways([*list_ways(), *training_ways(5)], ["q2_span trained", "healed"])
    assert [way.name for way in named if way.method != "healed"] == [REFERENCE, "q2_span trained"]
    assert len([way for way in named if way.method == "healed"]) == len(SPARSITIES)
    with pytest.raises(RecipeError, match=r"a method must be one of round, .*mixed, trained, healed.* Got 'magic'"):
        check_chosen(["round", "magic"])


def test_ways_that_train_are_in_the_table_for_coarse_and_for_sparse_formats() -> None:
    ways = training_ways(7)
    settings = [read_steps(way.steps) for way in ways]
    trained = [steps[-1] for way, steps in zip(ways, settings, strict=True) if way.method == "trained"]
    assert [one.format for one in trained] == ["q2_span", "q3_span", "q4_0"]
    assert all(one.train.steps == 7 and one.train.parameters == "all" and one.using == "round" for one in trained)
    healed = [steps for way, steps in zip(ways, settings, strict=True) if way.method == "healed"]
    assert [drop.sparsity for drop, _ in healed] == list(SPARSITIES)
    assert all(drop.heal.steps == 7 and code.format == "q4_sparse" for drop, code in healed)
    assert [default_steps(learnt) for learnt in (0, 4321, 10**6)] == [200, 432, 1000]


def test_training_goes_as_in_the_recipe_but_not_as_long(tmp_path: Path) -> None:
    """Only what says how it goes: biases alone would be another way."""
    train = {"steps": 90, "learning_rate": 0.003, "step": "fixed"}
    recipe = make_lamps(tmp_path, format="q2_span", train=train)
    (way,) = choose_ways(training_ways(7), ["q2_span trained"])
    step = way.inherit(recipe).steps[-1]
    assert step["train"] == {"steps": 7, "learning_rate": 0.003, "step": "fixed"}
    other = make_lamps(tmp_path, format="q2_span", train={**train, "parameters": "biases"})
    assert way.inherit(other).steps[-1]["train"] == {"steps": 7}


def test_the_solver_of_the_recipe_is_for_ways_that_solve(tmp_path: Path) -> None:
    """Rounding and AWQ have none, and refuse to be told of one."""
    recipe = make_lamps(tmp_path, format="q4_0", using="gptq", order="activation", damping=0.05)
    steps = {way.name: way.inherit(recipe).steps[-1] for way in list_ways()}
    for name, step in steps.items():
        assert (step.get("order") == "activation") == (step["using"] == "gptq"), name
        read_steps([step] if "sparse" not in step["format"] else [{"method": "sparsify", "sparsity": 0.5}, step])


def stages(home: Path, name: str) -> list[Path]:
    return sorted((home / "stages").glob(f"{name}-*/{CARD}"))


def test_a_classifier_is_the_file_that_build_writes_and_is_scored_on_validation_rows(tmp_path: Path) -> None:
    recipe = make_lamps(tmp_path, format="q4_0")
    built = build(recipe, out=tmp_path, quiet=True)
    students = stages(tmp_path / "lamps", "student")
    found = explore(recipe, out=tmp_path, steps=2, quiet=True)
    assert stages(tmp_path / "lamps", "student") == students  # found, not trained again
    by_name = {one.name: one for one in found.exploration.points}
    assert set(list_methods()) == {one.method for one in by_name.values()} and not found.exploration.left_out
    (own,) = (one for one in by_name.values() if one.own)
    assert own.sha256 == hash_file(built.package)
    (folder,) = (tmp_path / "lamps" / "stages").glob("data-*")
    rows = read_split(Outcome("", folder, {}, {}, ran=False), "validation")
    with load(built.package, threads=1) as package:
        right = [package.classify(row.text).label == row.label for row in rows]
    assert own.score == pytest.approx(np.mean(right)) and found.exploration.rows == len(rows)
    sizes = [by_name[f"{name} round"].size_bytes for name in ("q2_span", "q4_0", "q8_0")]
    assert sizes == sorted(sizes) and len(set(sizes)) == 3
    mixed = [one for one in by_name.values() if one.method == "mixed"]
    assert len(mixed) == 3 and all(sizes[0] < one.size_bytes <= sizes[2] for one in mixed)
    assert all(one.size_bytes <= int(str(one.steps[0]["size"]).removesuffix("B")) for one in mixed)
    assert {one.steps[-1]["calibration"]["texts"] for one in by_name.values()} == {12}  # the recipe's own
    assert by_name[REFERENCE].lost == by_name[REFERENCE].lost_error == 0.0
    assert [one.method for one in by_name.values()][-6:] == ["trained"] * 3 + ["healed"] * 3  # the dear ones last
    assert {name: hash_file(path) for name, path in found.packages.items()} == {
        name: one.sha256 for name, one in by_name.items()
    }
    assert "Ways that train took 2 steps." in found.page.read_text(encoding="utf-8")
    told = json.loads(found.document.read_text(encoding="utf-8"))
    assert told == json.loads(json.dumps(found.exploration.to_document()))


def test_what_a_method_cannot_do_is_left_out_with_the_reason(tmp_path: Path) -> None:
    attempts = Attempts(make_lamps(tmp_path), Workshop(tmp_path / "stages", quiet=True), math.inf, spec=encoder())
    refused = {way.name: reason for way in list_ways() if (reason := attempts.refusal(way)) is not None}
    assert set(refused) == {way.name for way in list_ways() if way.method == "awq"}
    attempts.make([way for way in list_ways() if way.method == "awq"])
    assert attempts.left_out == refused and not attempts.made
    assert all("norms stand after the residual sums" in reason for reason in refused.values())


def test_a_way_that_trains_is_the_file_that_build_writes(tmp_path: Path) -> None:
    recipe = make_lamps(tmp_path, format="q4_0")
    found = explore(recipe, out=tmp_path, methods=["q2_span trained", "q4_sparse healed 50%"], steps=3, quiet=True)
    (_, own, *others) = found.exploration.points
    assert own.own and [one.method for one in others] == ["trained", "healed"]
    for one in others:
        document = {**recipe.model_dump(mode="json", by_alias=True), "compress": list(one.steps)}
        built = build(Recipe.from_mapping(document, root=tmp_path), out=tmp_path, quiet=True)
        assert hash_file(built.package) == one.sha256


def test_a_way_whose_training_diverges_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = make_lamps(tmp_path, format="q4_0")

    def diverge(*arguments: Any, **settings: Any) -> Any:
        raise RecipeError("the training loss and its gradient must stay finite. Got loss nan.")

    monkeypatch.setattr("smallwright.pipeline.compress.train_codes", diverge)
    found = explore(recipe, out=tmp_path, methods=["q2_span trained"], steps=3, quiet=True).exploration
    assert found.left_out == {"q2_span trained": "the training loss and its gradient must stay finite. Got loss nan."}
    assert [one.name for one in found.points] == [REFERENCE, OWN]


def test_a_language_model_goes_on_after_the_time_was_up(tmp_path: Path) -> None:
    recipe = make_generator(tmp_path, {"format": "q8_0"})
    short = explore(recipe, out=tmp_path, methods=["round"], minutes=0, quiet=True).exploration
    assert [one.name for one in short.points] == [REFERENCE]  # one is always made
    assert set(short.left_out.values()) == {"the time was up; run the same command again, and it goes on from here"}
    found = explore(recipe, out=tmp_path, methods=["round"], quiet=True).exploration
    assert len(stages(tmp_path / "words", "student")) == 1 and not found.left_out
    first, *others = found.points
    assert found.measure.name == "perplexity" and first.score == short.points[0].score
    for one in others:  # mean nats a token, so that what is lost says how much more perplexed
        assert np.log(one.score) - np.log(first.score) == pytest.approx(one.lost, abs=1e-9)
    assert any(one.lost_error > 0 for one in others)
    dear = explore(recipe, out=tmp_path, methods=["q2_span trained", "healed"], steps=2, quiet=True).exploration
    assert [one.method for one in dear.points[2:]] == ["trained"] + ["healed"] * 3 and not dear.left_out


def test_of_many_rows_some_are_asked_whatever_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones of a file that is sorted by label would be those of a few labels."""
    monkeypatch.setattr("smallwright.pipeline.judge_ways._MOST_ROWS", 30)
    rows = [Row(text=str(number), label="abc"[number // 40]) for number in range(120)]
    drawn = draw_validation(make_lamps(tmp_path), rows)
    assert len(drawn) == 30 and {row.label for row in drawn} == set("abc")
    assert [int(row.text) for row in drawn] == sorted({int(row.text) for row in drawn})
    assert (
        draw_validation(make_lamps(tmp_path), rows) == drawn
        and draw_validation(make_lamps(tmp_path), rows[:9]) == rows[:9]
    )
    monkeypatch.setattr("smallwright.pipeline.judge_ways._MOST_ANSWERS", 30)
    assert draw_validation(make_generator(tmp_path, {"format": "q8_0"}), rows) == rows[:30]  # text goes on


def test_without_validation_rows_nothing_is_chosen(tmp_path: Path) -> None:
    recipe = make_generator(tmp_path, {"format": "q8_0"})
    document = {**recipe.model_dump(mode="json", by_alias=True)}
    document["data"]["validation_fraction"] = 0
    with pytest.raises(DataError, match="validation"):
        explore(Recipe.from_mapping(document, root=tmp_path), out=tmp_path, methods=["round"], minutes=0, quiet=True)


def test_compress_alone_says_what_to_type(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["compress", str(tmp_path / "x.yaml")])
    assert left.value.code == 3
    assert "smallwright build" in capsys.readouterr().err
