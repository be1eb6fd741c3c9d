"""Whole builds whose weights are coded with calibration texts: the file, its confidence, the report, the refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.unit.test_ensemble_build import LEARN, make_recipe
from tests.unit.test_package import decoder, encoder
from threadpoolctl import threadpool_info, threadpool_limits

from smallwright.compress.quantize import count_bytes, plan_formats
from smallwright.compress.quantizing.gptq import Solver
from smallwright.compress.settings import QuantizeSettings
from smallwright.errors import RecipeError
from smallwright.evaluate.report.html import to_html
from smallwright.pipeline import build, make_plan
from smallwright.pipeline.coded import coding_threads
from smallwright.pipeline.compress import check_compression, check_room, describe_compression, draw_rows
from smallwright.pipeline.rows import label_numbers, read_labels, read_split
from smallwright.pipeline.stage import CARD, Outcome
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.train.calibrate import fit_temperature

CALIBRATION = {"texts": 12}


def make_lamps(folder: Path, **step: Any) -> Recipe:
    step = {"method": "quantize", "calibration": CALIBRATION, **step}
    recipe = make_recipe(folder, {}, compress=[step])
    document = {**recipe.model_dump(mode="json", by_alias=True), "teacher": None}
    document["distill"]["objectives"] = ["cross_entropy"]
    document["evaluate"]["baseline"] = False
    return Recipe.from_mapping(document, root=folder)


def read_card(folder: Path, stage: str) -> dict[str, Any]:
    (path,) = (folder / "stages").glob(f"{stage}-*/{CARD}")
    card: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return card


def test_a_classifier_by_gptq_with_biases(tmp_path: Path) -> None:
    recipe = make_lamps(tmp_path, format="q4_0", using="gptq", correct_bias=True)
    made = build(recipe, out=tmp_path, quiet=True)
    home = tmp_path / "lamps"
    facts = read_card(home, "compress")["facts"]
    assert (facts["texts"], facts["formats"]) == (12, {"q4_0": 15, "q8_0": 1})
    assert facts["error"] < facts["rounding_error"] and facts["solved"] == 15
    assert facts["nats"] > 0 and facts["rounding_nats"] > 0
    (step,) = (step for step in made.report.compression if step.name == "quantize")
    assert "q4_0 by gptq (15 q4_0, 1 q8_0) on 12 training texts" in step.detail
    assert f"{facts['singular']} of 15 singular" in step.detail and "biases corrected" in step.detail
    assert "Hessians damped by at most 0.01" in to_html(made.report)
    names = {tensor.name for tensor in gguf.GGUFReader(made.package).tensors}
    assert "blk.0.attn_q.bias" in names and "blk.1.ffn_down.bias" in names
    assert build(recipe, out=tmp_path, quiet=True).package.read_bytes() == made.package.read_bytes()


@pytest.mark.parametrize("step", [{"format": "q4_0"}, {"format": "mixed", "size": "100000B", "correct_bias": True}])
def test_coding_again_gives_the_same_file(tmp_path: Path, step: dict[str, Any]) -> None:
    """Also where the linear algebra may use other numbers of threads by itself."""
    files = []
    for threads in (1, 2):
        folder = tmp_path / str(threads)
        folder.mkdir()
        with threadpool_limits(threads, user_api="blas"):
            made = build(make_lamps(folder, using="gptq", **step), out=folder, quiet=True)
        files.append(made.package.read_bytes())
    assert files[0] == files[1]


def test_the_solver_has_the_same_bits_whatever_the_threads_of_linear_algebra_were() -> None:
    """Wide enough for them to divide a matrix; the tiny models of the other tests are not."""
    inputs = np.random.default_rng(0).normal(size=(1500, 768))
    hessian, found = inputs.T @ inputs, []
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"), coding_threads(1):
            assert {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"} == {1}
            found.append(Solver(hessian)._upper.tobytes())
    assert found[0] == found[1]


def test_confidence_is_fitted_to_the_answers_of_the_coded_weights(tmp_path: Path) -> None:
    """On the validation rows, from the very file that ships; with other weights it would be another temperature."""
    found = {}
    for format, using in (("f32", "round"), ("q4_0", "gptq")):
        folder = tmp_path / using
        folder.mkdir()
        made = build(make_lamps(folder, format=format, using=using), out=folder, quiet=True)
        (stage,) = (folder / "lamps" / "stages").glob("data-*")
        data = Outcome("", stage, {}, {}, ran=False)
        rows = read_split(data, "validation")
        with load(made.package, threads=1) as package:
            logits = package.classify_logits([row.text for row in rows])
            fitted = fit_temperature(logits, label_numbers(rows, read_labels(data)))
            assert package.temperature == pytest.approx(fitted, rel=1e-6)
        found[using] = logits
    assert np.abs(found["round"] - found["gptq"]).max() > 1e-3


@pytest.mark.parametrize("size", [95_000, 115_000])
def test_mixed_formats_keep_to_their_bytes(tmp_path: Path, size: int) -> None:
    recipe = make_lamps(tmp_path, format="mixed", size=f"{size}B", using="gptq")
    assert make_plan(recipe).package_bytes <= size
    made = build(recipe, out=tmp_path, quiet=True)
    facts = read_card(tmp_path / "lamps", "compress")["facts"]
    assert size - 12_000 < made.package.stat().st_size <= size
    assert len(facts["formats"]) > 1
    assert {one["format"] for one in facts["sensitivity"]} == set(facts["formats"])
    assert made.report.package.format == "mixed"
    (step,) = (step for step in made.report.compression if step.name == "quantize")
    worst = max(facts["sensitivity"], key=lambda one: one["nats"]["q2_span"])
    told = f"most was lost in the coarsest format by {worst['name']} ({worst['nats']['q2_span']:.2g} nats"
    assert told in step.detail


def test_a_size_alone_is_a_step(tmp_path: Path) -> None:
    recipe = make_lamps(tmp_path)
    document = {**recipe.model_dump(mode="json", by_alias=True), "compress": [{"to": "95000B"}]}
    (step,) = Recipe.from_mapping(document, root=tmp_path).compress
    assert (step.format, step.size, step.using) == ("chosen", 95_000, "round")
    with pytest.raises(RecipeError, match=r"compress\.to chooses formats and method itself"):
        make_lamps(tmp_path, to="4MB", format="q4_0")


def list_stages(folder: Path) -> set[str]:
    return {path.name.rpartition("-")[0] for path in folder.glob("*/stages/*") if path.is_dir()}


def test_a_size_that_no_format_fits_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    """What the layers alone exceed is refused at once; with the vocabulary, as soon as the tokenizer is there."""
    law = r"compress\.size must hold all weights in the coarsest formats\. Got {:,} bytes"
    for size, stages in ((20_000, set()), (45_000, {"data", "tokenizer"})):
        recipe = make_lamps(tmp_path, format="mixed", size=f"{size}B")
        with pytest.raises(RecipeError, match=law.format(size)):
            build(recipe, out=tmp_path, quiet=True)
        assert list_stages(tmp_path) == stages
        with pytest.raises(RecipeError, match=law.format(size)):
            make_plan(recipe)


@pytest.mark.parametrize("correct_bias", [False, True])
def test_the_smallest_size_that_is_not_refused_early_is_enough(tmp_path: Path, correct_bias: bool) -> None:
    """But for the little that aligns the tensors."""

    def accepts(size: int) -> bool:
        try:
            make_plan(make_lamps(tmp_path, format="mixed", size=f"{size}B", correct_bias=correct_bias))
        except RecipeError:
            return False
        return True

    least, enough = 20_000, 120_000
    while enough - least > 1:
        middle = (least + enough) // 2
        least, enough = (least, middle) if accepts(middle) else (middle, enough)
    size = enough + 1_500
    recipe = make_lamps(tmp_path, format="mixed", size=f"{size}B", correct_bias=correct_bias)
    assert build(recipe, out=tmp_path, quiet=True).package.stat().st_size <= size


def test_a_size_is_of_formats_that_keep_dropped_weights(tmp_path: Path) -> None:
    """q2_span has no 0: after a sparsify step, layers take q3_span at least."""
    spec = decoder()
    drop = {"method": "sparsify", "pattern": "2:4"}
    step = {"method": "quantize", "format": "mixed"}
    formats = plan_formats(spec, "q2_span")
    layers = {name for name in formats if name.startswith("layers.") and formats[name] == "q2_span"}
    least = {way: count_bytes(spec, formats | dict.fromkeys(layers, way)) for way in ("q2_span", "q3_span")}
    between = f"{(least['q2_span'] + least['q3_span']) // 2 + 2_000}B"
    recipes = [
        Recipe.from_mapping({"name": "x", "task": {"kind": "generate"}, "data": {"train": "x"}, "compress": steps})
        for steps in ([{**step, "size": between}], [drop, {**step, "size": between}])
    ]
    check_room(recipes[0], spec)
    with pytest.raises(RecipeError, match=rf"where those take {least['q3_span']:,} and"):
        check_room(recipes[1], spec)
    sparse = count_bytes(spec, plan_formats(spec, "q4_sparse"), 0.9)
    few = {"to": f"{sparse + 3_000}B"}  # a choice drops 90 % at most, and nothing where the recipe drops weights itself
    free, bound = (
        Recipe.from_mapping({"name": "x", "task": {"kind": "generate"}, "data": {"train": "x"}, "compress": steps})
        for steps in ([few], [drop, few])
    )
    check_room(free, spec)
    with pytest.raises(RecipeError, match=r"must hold all weights in the coarsest formats"):
        check_room(bound, spec)


def make_generator(folder: Path, step: dict[str, Any], **changes: Any) -> Recipe:
    texts = [f"the {thing} is {how} and the {thing} stays {how}. " * 3 for thing in "abcdefgh" for how in ("on", "off")]
    (folder / "texts.jsonl").write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
    document = {
        "name": "words",
        "task": {"kind": "generate"},
        "data": {"train": "texts.jsonl", "validation_fraction": 0.2, "test_fraction": 0.2},
        "tokenizer": {"kind": "train", "vocabulary": 300},
        "student": {"from": "scratch", "preset": "pico", "context": 32},
        "distill": {**LEARN, "objectives": ["cross_entropy"]},
        "compress": [{"method": "quantize", "calibration": CALIBRATION, **step}],
        "evaluate": {"baseline": False, "samples": 0, "latency_rounds": 1, "cold_starts": 1},
        "threads": 1,
    }
    return Recipe.from_mapping({**document, **changes}, root=folder)


@pytest.mark.parametrize("using", ["gptq", "awq"])
def test_a_generator_and_its_teacher_which_is_rounded(tmp_path: Path, using: str) -> None:
    teacher = {"from": "scratch", "preset": "pico", "finetune": {"epochs": 1}}
    distill = {**LEARN, "objectives": ["soft_targets"]}
    recipe = make_generator(tmp_path, {"format": "q4_0", "using": using}, teacher=teacher, distill=distill)
    made = build(recipe, out=tmp_path, quiet=True)
    matrices = read_card(tmp_path / "words", "compress")["facts"]["matrices"]
    assert ("damping" in matrices["embedding.tokens.weight"]) == (using == "gptq")
    assert ("awq_exponent" in matrices["layers.1.feedforward.down.weight"]) == (using == "awq")
    assert made.report.language is not None
    assert read_card(tmp_path / "words", "teacher-package")["facts"]["weights"] == "q4_0"


def test_texts_are_drawn_from_training_rows_by_seed(tmp_path: Path) -> None:
    def drawn(**calibration: int) -> list[int]:
        return draw_rows(1000, make_lamps(tmp_path, using="gptq", calibration=calibration).compress[0])

    assert len(set(drawn(texts=40))) == 40 and drawn(texts=40) == sorted(drawn(texts=40))
    assert drawn(texts=40) == drawn(texts=40, seed=0) != drawn(texts=40, seed=1)
    assert drawn(texts=5000) == list(range(1000))


@pytest.mark.parametrize(
    ("step", "law"),
    [
        ({"format": "mixed"}, "compress.size and format: mixed need each other"),
        ({"format": "q4_0", "size": "4MB"}, "compress.size and format: mixed need each other"),
        ({"format": "f16", "using": "gptq"}, "using: gptq chooses codes, which f16 has none of"),
        ({"using": "magic"}, "'round', 'gptq' or 'awq'"),
    ],
)
def test_steps_that_contradict_themselves(tmp_path: Path, step: dict[str, Any], law: str) -> None:
    with pytest.raises(RecipeError, match=law):
        make_lamps(tmp_path, **step)


def test_methods_refuse_models_before_anything_is_trained(tmp_path: Path) -> None:
    awq = make_lamps(tmp_path, format="q4_0", using="awq")
    check_compression(awq, decoder())
    with pytest.raises(RecipeError, match=r"compress\.using: awq .* norms stand after the residual sums"):
        check_compression(awq, encoder())
    biased = make_lamps(tmp_path, correct_bias=True)
    check_compression(biased, decoder())
    check_compression(biased, encoder())
    with pytest.raises(RecipeError, match=r"correct_bias .* Got the architecture qwen3, which has no place for them"):
        check_compression(biased, decoder(mixer={"qk_norm": True}))


def read_scores(folder: Path, name: str) -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What training said, and the rows before and after it."""
    (stage,) = (folder / name / "stages").glob("compress-*")
    held = [load_file(place / "quantized.safetensors") for place in (stage / "coded", stage)]
    rows = [{key: value for key, value in one.items() if key.startswith("rows/")} for one in held]
    return read_card(folder / name, "compress")["facts"], rows[0], rows[1]


@pytest.mark.parametrize("using", ["round", "gptq"])
def test_weights_learn_through_their_codes(tmp_path: Path, using: str) -> None:
    """At 2 bits: other codes, of the same bytes; the same file when built again; and the report says what it gave."""
    recipe = make_lamps(tmp_path, format="q2_span", using=using, train={"steps": 40, "learning_rate": 0.002})
    made = build(recipe, out=tmp_path, quiet=True)
    facts, before, after = read_scores(tmp_path, "lamps")
    assert before.keys() == after.keys()
    changed = [name for name in before if not np.array_equal(before[name], after[name])]
    assert len(changed) > 10 and all(before[name].shape == after[name].shape for name in before)
    assert facts["train"]["steps"] == 40
    assert facts["train"]["scores"]["score"] >= facts["train"]["scores_before"]["score"]
    (step,) = (step for step in made.report.compression if step.name == "quantize")
    assert "weights trained through their codes with learned scales for 40 steps: accuracy" in step.detail
    with load(made.package, threads=1) as package:
        package.classify("lamp on")
    (tmp_path / "again").mkdir()
    assert build(recipe, out=tmp_path / "again", quiet=True).package.read_bytes() == made.package.read_bytes()


@pytest.mark.parametrize("parameters", ["biases", "biases_and_norms"])
def test_biases_heal_beside_codes_that_stay(tmp_path: Path, parameters: str) -> None:
    train = {"steps": 60, "learning_rate": 0.003, "parameters": parameters}
    recipe = make_generator(tmp_path, {"format": "q2_span", "correct_bias": True, "train": train})
    made = build(recipe, out=tmp_path, quiet=True)
    facts, before, after = read_scores(tmp_path, "words")
    for name in before:
        np.testing.assert_array_equal(before[name], after[name])
    assert facts["train"]["scores"]["loss"] < facts["train"]["scores_before"]["loss"]
    (stage,) = (tmp_path / "words" / "stages").glob("compress-*")
    held = [load_file(place / "quantized.safetensors") for place in (stage / "coded", stage)]
    changed = {key for key in held[0] if not np.array_equal(held[0][key], held[1][key])}
    assert "tensors/layers.0.mixer.q.bias" in changed
    assert ("tensors/layers.0.feedforward.norm.weight" in changed) == (parameters == "biases_and_norms")
    assert not any("norm" not in key and not key.endswith(".bias") for key in changed)
    (step,) = (step for step in made.report.compression if step.name == "quantize")
    assert "codes as they were for 60 steps: perplexity" in step.detail


def test_codes_learn_from_the_teacher_s_kept_answers(tmp_path: Path) -> None:
    teacher = {"from": "scratch", "preset": "pico", "finetune": {"epochs": 1}}
    distill = {**LEARN, "objectives": ["soft_targets"]}
    train = {"steps": 10, "from": "teacher", "step": "fixed"}
    recipe = make_generator(tmp_path, {"format": "q3_span", "train": train}, teacher=teacher, distill=distill)
    made = build(recipe, out=tmp_path, quiet=True)
    facts, before, after = read_scores(tmp_path, "words")
    name = "rows/layers.0.feedforward.up.weight"
    assert not np.array_equal(before[name], after[name])
    np.testing.assert_array_equal(before[name][:, :2], after[name][:, :2])  # the scales of the first span
    assert read_card(tmp_path / "words", "teacher-package")["facts"]["weights"] == "q3_span"  # rounded
    assert facts["train"]["steps"] == 10 and made.report.language is not None


def test_training_that_cannot_be_is_refused(tmp_path: Path) -> None:
    train = {"steps": 10}
    for format in ("f16", "f32"):
        with pytest.raises(
            RecipeError, match=rf"compress\.train is for weights with codes, which {format} has none of"
        ):
            make_lamps(tmp_path, format=format, train=train)
    with pytest.raises(RecipeError, match=r"compress\.train\.from: teacher needs a teacher whose kept answers"):
        make_lamps(tmp_path, format="q2_span", train={**train, "from": "teacher"})
    recipe = make_generator(tmp_path, {"format": "q4_0", "train": {**train, "parameters": "biases"}})
    with pytest.raises(RecipeError, match=r"compress\.train\.parameters: biases trains biases\. Got a model without"):
        make_plan(recipe)


def test_a_method_that_does_harm_is_told() -> None:
    settings = QuantizeSettings(format="q2_span", using="gptq")
    facts = {"formats": {"q2_span": 3}, "texts": 9, "rounding_nats": 0.125}
    said = describe_compression(settings, {**facts, "nats": 0.0625})
    assert said.endswith("answers to them 0.062 nats from float32's, 0.12 by rounding in the same formats")
    said = describe_compression(settings, {**facts, "nats": 0.5})
    assert said.endswith("gptq does harm here, use using: round, a finer format or train")
    trained = QuantizeSettings(format="q2_span", using="gptq", train={"steps": 5})
    done = {"train": {"steps": 5, "best_step": 5, "scores_before": {"loss": 2.0}, "scores": {"loss": 1.0}}}
    said = describe_compression(trained, {**facts, **done, "nats": 0.5})
    assert "from float32's before training, 0.12 by rounding" in said and "use using: round;" in said
    corrected = QuantizeSettings(format="q2_span", correct_bias=True)
    said = describe_compression(corrected, {**facts, "nats": 0.5})
    assert said.endswith("correct_bias does harm here, use no correct_bias, a finer format or train")
