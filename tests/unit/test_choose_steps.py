"""A size alone in a recipe: what is tried, what ships, what is told. Tiny models learned by whole builds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from tests.unit.test_compress_build import CALIBRATION, make_lamps, read_card
from tests.unit.test_compress_build import make_generator as make_words
from tests.unit.test_package import decoder, encoder

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.compress.quantizing.answers import Judge
from smallwright.compress.quantizing.model import Quantized
from smallwright.compress.settings import QuantizeSettings
from smallwright.compress.span_rows import split_planes
from smallwright.errors import RecipeError
from smallwright.evaluate.report.html import to_html
from smallwright.model import load_model
from smallwright.package.architectures import choose_architecture
from smallwright.package.write import interleave
from smallwright.pipeline import build, choose_steps, make_plan
from smallwright.pipeline.choose_steps import MOST_DROPPED, Candidate, draw_apart, list_candidates
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.coded import open_coded
from smallwright.pipeline.generate import make_generator
from smallwright.pipeline.shared import PACKAGE_FILE, STUDENT_FOLDER
from smallwright.pipeline.stage import CARD
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.spec import ModelSpec
from smallwright.spec.formats import PLANE_FORMATS
from smallwright.spec.package import INTERLEAVED_ARCHITECTURES
from smallwright.spec.tensors import list_tensors

SETTINGS = QuantizeSettings.model_validate({"to": "1MB"})


def ask(recipe: Recipe, folder: Path, compress: Any) -> Recipe:
    document = {**recipe.model_dump(mode="json", by_alias=True), "compress": compress}
    return Recipe.from_mapping(document, root=folder)


def lamps(folder: Path, size: int, **more: Any) -> Recipe:
    return ask(make_lamps(folder), folder, {"to": f"{size}B", "calibration": CALIBRATION, **more})


def words(folder: Path, size: int, **more: Any) -> Recipe:
    recipe = make_words(folder, {"format": "q4_0"})
    return ask(recipe, folder, {"to": f"{size}B", "calibration": {"texts": 4}, **more})


SIZES = {lamps: 80_000, words: 190_000}  # of the file; one format for all is q3_span there


def stage_of(folder: Path) -> Path:
    (stage,) = folder.glob("*/stages/compress-*")
    return stage


def prefer(monkeypatch: pytest.MonkeyPatch, nats: list[float]) -> None:
    """These divergences, in the order of asking, instead of measured ones."""
    left = iter(nats)
    monkeypatch.setattr(Judge, "divergence", lambda judge, model: next(left))


@pytest.mark.parametrize("compress", [{"to": "95KB"}, [{"to": "95KB"}], [{"method": "quantize", "to": "95KB"}]])
def test_every_spelling_is_the_same_step(tmp_path: Path, compress: Any) -> None:
    recipe = ask(make_lamps(tmp_path), tmp_path, compress)
    assert (recipe.quantize.format, recipe.quantize.size, recipe.quantize.minutes) == ("chosen", 95_000, None)
    (tmp_path / "again.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert Recipe.load(tmp_path / "again.yaml").compress == recipe.compress
    assert ask(make_lamps(tmp_path), tmp_path, {"to": "95KB", "minutes": 10}).quantize.minutes == 10


@pytest.mark.parametrize(
    ("step", "law"),
    [
        ({"to": "4MB", "format": "q4_0"}, r"compress\.to chooses formats and method itself"),
        ({"to": "4MB", "using": "gptq"}, r"compress\.to chooses formats and method itself"),
        ({"to": "4MB", "minutes": 0}, "greater than 0"),
        ({"format": "q4_0", "minutes": 3}, r"compress\.minutes limits a choice"),
        ({"format": "chosen"}, "need each other"),
        ({"format": "chosen", "size": "4MB", "using": "awq"}, "chosen chooses the method itself"),
    ],
)
def test_what_contradicts_a_choice_is_refused(tmp_path: Path, step: dict[str, Any], law: str) -> None:
    with pytest.raises(RecipeError, match=law):
        ask(make_lamps(tmp_path), tmp_path, step)


def names(spec: ModelSpec, room: int, *, sparse: bool = False) -> tuple[list[str], set[str]]:
    candidates, left_out = list_candidates(spec, SETTINGS, room, sparse=sparse)
    return [one.name for one in candidates], set(left_out)


def test_candidates_follow_from_the_room_the_cheap_ones_first() -> None:
    spec = encoder()
    sizes = {name: count_bytes(spec, plan_formats(spec, name)) for name in ("q8_0", "q4_0", "q3_span", "q2_span")}
    assert names(spec, sizes["q8_0"]) == (["q8_0 by round", "q8_0 by gptq"], {"mixed formats", "q4_sparse"})
    both = ["q4_0 by round", "mixed by round", "q4_0 by gptq", "mixed by gptq"]
    assert names(spec, sizes["q4_0"]) == (both, {"q4_sparse"})
    found, left_out = list_candidates(spec, SETTINGS, sizes["q3_span"], sparse=False)
    assert [one.format for one in found] == ["q3_span", "mixed"] * 2 + ["q4_sparse"] * 2 and not left_out
    share = found[-1].share
    planned = plan_formats(spec, "q4_sparse")
    assert 0 < share < MOST_DROPPED and count_bytes(spec, planned, share) <= sizes["q3_span"]
    assert names(spec, 10) == ([], {"one format for all", "mixed formats", "q4_sparse"})
    dropped = list_candidates(spec, SETTINGS, sizes["q3_span"], sparse=True)[0]
    assert Candidate("q4_sparse", "gptq") in dropped and not any("q2" in one.name for one in dropped)
    assert names(spec, sizes["q2_span"], sparse=True)[1] == {"one format for all", "mixed formats"}


def test_texts_that_judge_calibrate_nothing() -> None:
    drawn: list[int] = []

    def draw(settings: QuantizeSettings, spec: ModelSpec) -> list[np.ndarray]:
        drawn.append(settings.calibration.texts)
        return [np.array([row]) for row in range(settings.calibration.texts)][:31]

    settings = QuantizeSettings.model_validate({"to": "1MB", "calibration": {"texts": 20}})
    calibrating, judging = draw_apart(draw, settings, decoder())
    assert drawn == [40] and (len(calibrating), len(judging)) == (16, 15)
    assert sorted(int(text[0]) for text in (*calibrating, *judging)) == list(range(31))
    calibrating, judging = draw_apart(lambda settings, spec: [np.array([7])], settings, decoder())
    assert calibrating is judging


@pytest.mark.parametrize("make", [lamps, words])
def test_the_best_measured_one_ships_and_the_report_says_why(tmp_path: Path, make: Any) -> None:
    size = SIZES[make]
    made = build(make(tmp_path, size), out=tmp_path, quiet=True)
    facts = read_card(made.package.parent, "compress")["facts"]
    tried = facts["tried"]
    assert [one["nats"] for one in tried] == sorted(one["nats"] for one in tried) and len(tried) >= 4
    assert facts["chosen"] == tried[0]["name"] and facts["held_out"] and all(one["nats"] > 0 for one in tried)
    assert made.package.stat().st_size <= size and all(one["bytes"] <= size for one in tried)
    assert abs(tried[0]["bytes"] - made.package.stat().st_size) <= 64  # the fitted confidence and its digits
    (step,) = (step for step in made.report.compression if step.name == "quantize")
    assert f"chosen for {size:,} bytes: of {len(tried)} measured" in step.detail
    for one in tried:
        assert f"{one['name']} ({one['nats']:.2g} nats, {one['saved']:,} bytes saved" in step.detail
        assert one["nats_per_mb_saved"] == pytest.approx(1e6 * one["nats"] / one["saved"])
    assert all(f"{name} ({why})" in step.detail for name, why in facts["left_out"].items())
    assert facts["chosen"] in to_html(made.report)
    assert not (stage_of(tmp_path) / "tried").exists()
    (tmp_path / "again").mkdir()
    again = build(make(tmp_path, size), out=tmp_path / "again", quiet=True)
    assert again.package.read_bytes() == made.package.read_bytes()


def check_file(package: Path, coded: Quantized) -> None:
    """Every matrix of the file is the coded one's rows, byte for byte."""
    held = {tensor.name: tensor for tensor in gguf.GGUFReader(package).tensors}
    turned = choose_architecture(coded.spec) in INTERLEAVED_ARCHITECTURES
    for tensor in list_tensors(coded.spec):
        if tensor.name not in coded.rows:
            continue
        format, rows = coded.formats[tensor.name], coded.rows[tensor.name]
        rows = interleave(rows, coded.spec, tensor) if turned else rows
        if format in PLANE_FORMATS:
            for plane, values in split_planes(format, rows, tensor.shape[-1]).items():
                assert held[f"{tensor.package_name}.{plane}"].data.tobytes() == values.tobytes()
        else:
            assert held[tensor.package_name].data.tobytes() == rows.tobytes()


@pytest.mark.parametrize("make", [lamps, words])
def test_the_package_is_written_from_the_chosen_one(tmp_path: Path, make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever of them it is, and each is another file."""
    shop, files, chosen = Workshop(tmp_path / "stages", threads=1, quiet=True), set(), []
    for wished in range(6):
        prefer(monkeypatch, [float(asked != wished) for asked in range(6)])
        recipe = make(tmp_path, SIZES[make])
        made = (make_classifier if make is lamps else make_generator)(recipe, shop, neighbours=False)
        (stage,) = (tmp_path / "stages").glob("compress-*")
        facts = json.loads((stage / CARD).read_text(encoding="utf-8"))["facts"]
        assert facts["tried"][0]["nats"] == 0 and facts["chosen"] == facts["tried"][0]["name"]
        package = made.package.folder / PACKAGE_FILE
        check_file(package, open_coded(stage))
        with load(str(package), threads=1):  # the engine takes it
            files.add(package.read_bytes())
        chosen.append(facts["chosen"])
        for folder in (stage, made.package.folder):
            shutil.rmtree(folder)
    assert len(files) == len(set(chosen)) == 6
    assert [name.split(" by ")[0] for name in chosen] == ["q3_span", "mixed"] * 2 + ["q4_sparse"] * 2


def test_after_the_minutes_nothing_is_begun_and_what_was_measured_ships(tmp_path: Path) -> None:
    recipe = lamps(tmp_path, 80_000, minutes=1e-6, train={"steps": 5})
    made = build(recipe, out=tmp_path, quiet=True)
    facts = read_card(tmp_path / "lamps", "compress")["facts"]
    assert [one["name"] for one in facts["tried"]] == [facts["chosen"]] == ["q3_span by round"]
    assert set(facts["left_out"].values()) == {"the 1e-06 minutes were over"} and "training" in facts["left_out"]
    (step,) = (step for step in made.report.compression if step.name == "quantize")
    assert "mixed by gptq (the 1e-06 minutes were over)" in step.detail
    card = (stage_of(tmp_path) / CARD).read_bytes()
    assert build(recipe, out=tmp_path, quiet=True).package.read_bytes() == made.package.read_bytes()
    assert (stage_of(tmp_path) / CARD).read_bytes() == card  # a choice that a clock cut short stays made


def test_a_run_that_goes_on_measures_nothing_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    real, asked = Judge.divergence, []

    def divergence(judge: Judge, model: Any) -> float:
        asked.append(model)
        if len(asked) == 3:
            raise Killed
        return real(judge, model)

    monkeypatch.setattr(Judge, "divergence", divergence)
    with pytest.raises(Killed):
        build(lamps(tmp_path, 80_000), out=tmp_path, quiet=True)
    assert {path.parent.name for path in stage_of(tmp_path).glob("tried/*/result.json")} == {
        "q3_span by round",
        "mixed by round",
    }
    made = build(lamps(tmp_path, 80_000), out=tmp_path, quiet=True)
    assert len(asked) == 3 + 4
    (tmp_path / "straight").mkdir()
    straight = build(lamps(tmp_path, 80_000), out=tmp_path / "straight", quiet=True)
    assert straight.package.read_bytes() == made.package.read_bytes()


@pytest.mark.parametrize(("after", "kept"), [(0.125, True), (0.5, False)])
def test_training_is_kept_only_where_answers_come_nearer(
    tmp_path: Path, after: float, kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the best one: here the sparse one, whose dropped weights stay dropped."""
    prefer(monkeypatch, [1, 1, 1, 1, 1, 0.25, after])
    recipe = lamps(tmp_path, 80_000, train={"steps": 10})  # gently: so few rows are answered well already
    made = build(recipe, out=tmp_path, quiet=True)
    facts = read_card(tmp_path / "lamps", "compress")["facts"]
    assert facts["chosen"].startswith("q4_sparse by gptq after") and facts["chosen"].endswith(", trained") == kept
    check_file(made.package, open_coded(stage_of(tmp_path)))
    assert made.package.stat().st_size <= 80_000
    (step,) = (step for step in made.report.compression if step.name == "quantize")
    assert ("weights trained through their codes" in step.detail) == kept
    assert ("training (it gave 0.5 nats, which is no less)" in step.detail) != kept


def test_training_that_validation_finds_worse_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def worse(recipe: Any, shop: Any, settings: Any, dense: Any, coded: Quantized, *rest: Any) -> Any:
        return coded, {"scores_before": {"score": 0.5}, "scores": {"score": 0.25}}

    monkeypatch.setattr(choose_steps, "train_codes", worse)
    build(lamps(tmp_path, 80_000, train={"steps": 10}), out=tmp_path, quiet=True)
    facts = read_card(tmp_path / "lamps", "compress")["facts"]
    assert facts["left_out"]["training"] == "validation found it worse: 0.5 before, 0.25 after" and "train" not in facts


def test_weights_that_a_step_before_dropped_stay_dropped(tmp_path: Path) -> None:
    steps = [
        {"method": "sparsify", "using": "magnitude", "sparsity": 0.6},
        {"to": "70KB", "calibration": CALIBRATION},
    ]
    made = build(ask(make_lamps(tmp_path), tmp_path, steps), out=tmp_path, quiet=True)
    facts = read_card(tmp_path / "lamps", "compress")["facts"]
    assert {"q4_sparse by gptq", "mixed by gptq"} <= {one["name"] for one in facts["tried"]}
    (sparse,) = (tmp_path / "lamps" / "stages").glob("sparsify-*")
    before, after = load_model(sparse / STUDENT_FOLDER), open_coded(stage_of(tmp_path)).as_model()
    dropped = before.layers[0].feedforward.up.weight == 0
    assert dropped.float().mean() > 0.5 and not after.layers[0].feedforward.up.weight[dropped].any()
    assert made.package.stat().st_size <= 70_000


def test_a_size_that_nothing_fits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"compress\.size must hold all weights in the coarsest formats\. Got 10,000"):
        make_plan(lamps(tmp_path, 10_000))
    with pytest.raises(
        RecipeError, match=r"compress\.to must hold .* Got 46,000 bytes, where .*q4_sparse: .* Give more"
    ):
        build(lamps(tmp_path, 46_000), out=tmp_path, quiet=True)
