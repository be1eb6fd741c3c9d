"""Whole builds of sparse students: stages, files, confidence, the report, and the recipes that are refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests.unit.test_compress_build import CALIBRATION, make_generator, make_lamps, read_card
from tests.unit.test_ensemble_build import LEARN, make_recipe
from tests.unit.test_package import decoder

from smallwright.compress.sparsifying.masks import Masks
from smallwright.errors import ModelSpecError, RecipeError
from smallwright.evaluate.report.html import to_html
from smallwright.model import load_model
from smallwright.pipeline import build, make_plan
from smallwright.pipeline.compress import check_compression
from smallwright.pipeline.rows import label_numbers, read_labels, read_split
from smallwright.pipeline.shared import STUDENT_FOLDER
from smallwright.pipeline.sparsify import CHOSEN
from smallwright.pipeline.stage import CARD, Outcome
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.train.calibrate import fit_temperature

QUANTIZE = {"method": "quantize", "calibration": CALIBRATION}
SPARSIFY = {"method": "sparsify", "calibration": CALIBRATION}
HEAL = {"steps": 12, "learning_rate": 1e-3}


def change(recipe: Recipe, compress: list[dict[str, Any]], **changes: Any) -> Recipe:
    document = {**recipe.model_dump(mode="json", by_alias=True), "compress": compress, **changes}
    return Recipe.from_mapping(document, root=recipe.root)


def make_sparse_lamps(folder: Path, format: str = "q4_sparse", coding: str = "gptq", **step: Any) -> Recipe:
    steps = [{**SPARSIFY, **step}, {**QUANTIZE, "format": format, "using": coding}]
    return change(make_lamps(folder), steps)


def find_stage(home: Path, name: str) -> Path:
    (folder,) = (home / "stages").glob(f"{name}-*")
    return folder


def test_a_sparse_classifier_heals_and_is_told(tmp_path: Path) -> None:
    recipe = make_sparse_lamps(tmp_path, sparsity=0.5, allocation="sensitivity", heal=HEAL)
    made = build(recipe, out=tmp_path, quiet=True)
    home = tmp_path / "lamps"
    facts = read_card(home, "sparsify")["facts"]
    assert facts["sparsity"] == pytest.approx(0.5, abs=0.01)
    assert len({one["sparsity"] for one in facts["matrices"].values()}) > 2
    assert 0 < facts["error"] < facts["magnitude_error"]
    assert facts["heal"]["steps"] == 12 and set(facts["heal"]["scores"]) == set(facts["heal"]["scores_before"])
    steps = {step.name: step for step in made.report.compression}
    assert list(steps) == ["sparsify", "quantize"]
    assert steps["sparsify"].bytes_before - steps["sparsify"].bytes_after == 4 * facts["dropped"]
    detail = steps["sparsify"].detail
    assert detail.startswith(
        f"{facts['sparsity']:.1%} of the layers' {facts['weights']:,} weights dropped by sparsegpt"
    )
    assert f"beside {facts['magnitude_error']:.3g} by magnitude" in detail and "allocated by sensitivity" in detail
    assert "healed for 12 steps: validation accuracy" in detail
    assert "tables, heads, norms and biases keep all" in to_html(made.report)
    assert [curve.name for curve in made.report.training] == ["student", "healing"]
    assert build(recipe, out=tmp_path, quiet=True).package.read_bytes() == made.package.read_bytes()
    # The zeros of the healed student are those of the file.
    healed = load_model(find_stage(home, "sparsify") / STUDENT_FOLDER)
    planes = {tensor.name: tensor for tensor in gguf.GGUFReader(made.package).tensors}
    mask = np.unpackbits(planes["blk.0.attn_q.weight.mask"].data.view(np.uint8), axis=-1, bitorder="little")
    weight = healed.get_parameter("layers.0.mixer.q.weight").detach().numpy()
    np.testing.assert_array_equal(mask.reshape(weight.shape) == 0, weight == 0)
    coded = read_card(home, "compress")["facts"]
    assert coded["formats"] == {"q4_sparse": 14, "q4_0": 1, "q8_0": 1} and coded["error"] < coded["rounding_error"]
    assert "q4_sparse by gptq" in steps["quantize"].detail


def test_corrected_biases_reach_the_file(tmp_path: Path) -> None:
    recipe = make_sparse_lamps(tmp_path, coding="round", sparsity=0.5, correct_bias=True, heal={"steps": 2})
    made = build(recipe, out=tmp_path, quiet=True)
    chosen = load_file(find_stage(tmp_path / "lamps", "sparsify") / CHOSEN)
    sparse = load_model(find_stage(tmp_path / "lamps", "sparsify") / STUDENT_FOLDER)
    files = {tensor.name: tensor for tensor in gguf.GGUFReader(made.package).tensors}
    assert chosen["layers.0.feedforward.up.bias"].count_nonzero()
    for ours, theirs in (("mixer.q", "attn_q"), ("mixer.output", "attn_output"), ("feedforward.up", "ffn_up")):
        kept = sparse.get_parameter(f"layers.0.{ours}.bias").detach().numpy()
        np.testing.assert_array_equal(files[f"blk.0.{theirs}.bias"].data, kept)
    (step,) = (step for step in made.report.compression if step.name == "sparsify")
    assert "; biases corrected" in step.detail
    biased = {"sparsity": 0.5, "correct_bias": True}
    with pytest.raises(RecipeError, match=r"correct_bias .* Got the architecture qwen3, which has no place for them"):
        check_compression(make_sparse_lamps(tmp_path, **biased), decoder(mixer={"qk_norm": True}))
    with pytest.raises(RecipeError, match=r"schedule: cubic lets the biases learn what correct_bias would set"):
        make_sparse_lamps(tmp_path, **biased, using="wanda", schedule="cubic", heal=HEAL)


def test_confidence_is_fitted_to_the_sparse_weights(tmp_path: Path) -> None:
    made = build(make_sparse_lamps(tmp_path, coding="round", sparsity=0.7), out=tmp_path, quiet=True)
    data = Outcome("", find_stage(tmp_path / "lamps", "data"), {}, {}, ran=False)
    rows = read_split(data, "validation")
    with load(made.package, threads=1) as package:
        logits = package.classify_logits([row.text for row in rows])
        fitted = fit_temperature(logits, label_numbers(rows, read_labels(data)))
        assert package.temperature == pytest.approx(fitted, rel=1e-6)
    (step,) = (step for step in made.report.compression if step.name == "quantize")
    assert "q4_sparse by round (1 q4_0, 14 q4_sparse, 1 q8_0); tokenizer included" in step.detail


@pytest.mark.parametrize("step", [{"pattern": "2:4"}, {"using": "magnitude", "pattern": "4:8"}])
@pytest.mark.parametrize("format", ["q4_0", "q4_sparse"])
def test_patterns_reach_the_file(tmp_path: Path, step: dict[str, Any], format: str) -> None:
    made = build(make_sparse_lamps(tmp_path, format=format, **step), out=tmp_path, quiet=True)
    keep, of = (int(part) for part in step["pattern"].split(":"))
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(made.package).tensors}
    if format == "q4_sparse":
        mask = tensors["blk.1.ffn_up.weight.mask"].data.view(np.uint8)
        kept = np.unpackbits(mask, axis=-1, bitorder="little").reshape(-1, of)
        assert (kept.sum(axis=1) == keep).all()
    else:
        stored = tensors["blk.1.ffn_up.weight"]
        weights = gguf.quants.dequantize(stored.data, stored.tensor_type).reshape(-1, of)
        assert ((weights != 0).sum(axis=1) <= keep).all() and (weights != 0).mean() > 0.4


def test_the_plan_knows_the_bytes(tmp_path: Path) -> None:
    recipe = make_sparse_lamps(tmp_path, coding="round", sparsity=0.5, heal=HEAL)
    plan, dense = make_plan(recipe), make_plan(change(recipe, [{**QUANTIZE, "format": "q4_0"}]))
    made = build(recipe, out=tmp_path, quiet=True)
    stored = sum(int(tensor.n_bytes) for tensor in gguf.GGUFReader(made.package).tensors)
    assert plan.package_bytes == pytest.approx(stored, rel=0.01) and plan.package_bytes < dense.package_bytes
    assert plan.seconds > 0


@pytest.mark.parametrize("using", ["magnitude", "wanda"])
def test_a_generator_whose_sparsity_rises(tmp_path: Path, using: str) -> None:
    heal = {**HEAL, "rise": 0.75}
    steps = [
        {**SPARSIFY, "using": using, "sparsity": 0.6, "schedule": "cubic", "heal": heal},
        {**QUANTIZE, "format": "q4_sparse", "using": "gptq"},
    ]
    made = build(change(make_generator(tmp_path, {}), steps), out=tmp_path, quiet=True)
    facts = read_card(tmp_path / "words", "sparsify")["facts"]
    assert "error" not in facts  # nothing was dropped at once
    for one in facts["matrices"].values():
        assert one["sparsity"] == pytest.approx(0.6, abs=0.02)
    (step,) = (step for step in made.report.compression if step.name == "sparsify")
    assert "healed for 12 steps, sparsity rising meanwhile: validation perplexity" in step.detail
    assert made.report.language is not None


def test_a_student_heals_on_its_teacher_s_answers_and_the_teacher_stays_dense(tmp_path: Path) -> None:
    teacher = {"from": "scratch", "preset": "pico", "finetune": {"epochs": 1}}
    distill = {**LEARN, "objectives": ["soft_targets"]}
    recipe = make_generator(tmp_path, {}, teacher=teacher, distill=distill)
    steps = [{**SPARSIFY, "sparsity": 0.5, "heal": {**HEAL, "from": "teacher"}}, {**QUANTIZE, "format": "q4_sparse"}]
    build(change(recipe, steps), out=tmp_path, quiet=True)
    home = tmp_path / "words"
    assert "answers" in read_card(home, "sparsify")["inputs"]
    assert read_card(home, "teacher-package")["facts"]["weights"] == "q4_0"
    names = {tensor.name for tensor in gguf.GGUFReader(find_stage(home, "teacher-package") / "model.gguf").tensors}
    assert not any(name.endswith(".mask") for name in names)


def test_a_killed_healing_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = make_sparse_lamps(tmp_path, sparsity=0.5, heal=HEAL)
    whole = build(recipe, out=tmp_path / "whole", quiet=True).package.read_bytes()
    enforce = Masks.enforce

    def die(self: Masks, model: torch.nn.Module, step: int) -> None:
        if step == 8:
            raise KeyboardInterrupt
        enforce(self, model, step)

    monkeypatch.setattr(Masks, "enforce", die)
    with pytest.raises(KeyboardInterrupt):
        build(recipe, out=tmp_path / "broken", quiet=True)
    monkeypatch.setattr(Masks, "enforce", enforce)
    stage = find_stage(tmp_path / "broken" / "lamps", "sparsify")
    assert not (stage / CARD).exists()
    chosen = (stage / CHOSEN).stat().st_mtime_ns
    assert build(recipe, out=tmp_path / "broken", quiet=True).package.read_bytes() == whole
    assert (stage / CHOSEN).stat().st_mtime_ns == chosen  # not chosen anew


def test_a_sparse_student_may_stay_float(tmp_path: Path) -> None:
    dropped = {**SPARSIFY, "sparsity": 0.5}
    assert change(make_lamps(tmp_path), [dropped]).quantize.format == "q4_sparse"  # where nothing is said
    made = build(change(make_lamps(tmp_path), [dropped, {**QUANTIZE, "format": "f32"}]), out=tmp_path, quiet=True)
    tensors = {tensor.name: tensor.data for tensor in gguf.GGUFReader(made.package).tensors}
    assert (tensors["blk.0.attn_q.weight"] == 0).mean() == 0.5 and (tensors["token_embd.weight"] != 0).all()
    assert made.report.package.format == "f32"


@pytest.mark.parametrize(
    ("steps", "law"),
    [
        ([{**QUANTIZE, "format": "q4_sparse"}], r"Got no sparsify step, so that all are kept\. Add \{method: sparsify"),
        ([QUANTIZE, {**SPARSIFY, "sparsity": 0.5}], r"sparsify before quantize.*Got quantize, sparsify"),
        ([QUANTIZE, QUANTIZE], r"at most one step of each method.*Got quantize, quantize"),
        ([{**SPARSIFY, "sparsity": 1.0}], r"less than 1\. Got 1\.0 in recipe: compress\.0\.sparsity"),
        ([{**SPARSIFY, "sparsity": 0}], r"greater than 0\. Got 0 in recipe: compress\.0\.sparsity"),
        ([SPARSIFY], r"compress\.sparsity is needed where pattern is unstructured"),
        ([{**SPARSIFY, "pattern": "4:4"}], r"keeps fewer than M of M inputs\. Got 4:4"),
        ([{**SPARSIFY, "pattern": "half"}], r"compress\.0\.pattern"),
        ([{**SPARSIFY, "pattern": "2:4", "sparsity": 0.6}], r"pattern: 2:4 drops a share of 0\.5\. Got sparsity: 0\.6"),
        ([{**SPARSIFY, "pattern": "2:4", "allocation": "sensitivity"}], r"drops the same share of every matrix"),
        ([{**SPARSIFY, "sparsity": 0.5, "schedule": "cubic"}], r"schedule: cubic drops weights while the model heals"),
        (
            [{**SPARSIFY, "sparsity": 0.5, "schedule": "cubic", "heal": HEAL}],
            r"sparsegpt solves for one that stays as it is\. Use schedule: once, or using: wanda",
        ),
        (
            [{**SPARSIFY, "pattern": "2:4", "using": "wanda", "schedule": "cubic", "heal": HEAL}],
            r"schedule: cubic passes all shares, pattern: 2:4 has one",
        ),
        (
            [{**SPARSIFY, "sparsity": 0.5, "heal": {**HEAL, "from": "teacher"}}],
            r"compress\.heal\.from: teacher needs a teacher whose kept answers the student learns",
        ),
        ([{**SPARSIFY, "sparsty": 0.5}], r"Got 'sparsty' in recipe: compress\.0\.sparsty\. Did you mean 'sparsity'\?"),
        ([{**QUANTIZE, "formt": "q8_0"}], r"Got 'formt' in recipe: compress\.0\.formt\. Did you mean 'format'\?"),
    ],
)
def test_steps_that_contradict_themselves(tmp_path: Path, steps: list[dict[str, Any]], law: str) -> None:
    with pytest.raises(RecipeError, match=law):
        change(make_lamps(tmp_path), steps)


def test_widths_that_no_pattern_divides_are_refused_before_training(tmp_path: Path) -> None:
    recipe = make_sparse_lamps(tmp_path, pattern="3:7")
    with pytest.raises(ModelSpecError, match=r"pattern 3:7 needs rows that are a multiple of 7 wide\. Got 64 in"):
        check_compression(recipe, decoder())
    with pytest.raises(RecipeError, match="pattern 3:7"):
        make_plan(recipe)


def test_a_recipe_with_both_steps_reads_back(tmp_path: Path) -> None:
    recipe = make_sparse_lamps(tmp_path, sparsity=0.5, heal={**HEAL, "from": "dense"})
    import yaml

    assert Recipe.from_mapping(yaml.safe_load(recipe.to_yaml()), root=tmp_path) == recipe
    teacher = change(make_recipe(tmp_path, {}), [{**SPARSIFY, "sparsity": 0.5, "heal": {**HEAL, "from": "teacher"}}])
    assert teacher.sparsify is not None and teacher.sparsify.heal is not None
    assert teacher.sparsify.heal.source == "teacher" and teacher.quantize.format == "q4_sparse"
