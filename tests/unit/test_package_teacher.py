"""A package that teaches classes: what is learned are its own calibrated probabilities, in the order of the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import softmax
from tests.parity.tiny_packages import decoder_spec, write_own
from tests.unit.test_distilling import LEARN, make_recipe, write_rows

from smallwright.compress.settings import QuantizeSettings
from smallwright.errors import RecipeError
from smallwright.model import CLASSIFIER, Transformer, preset, preset_classifier, seeded
from smallwright.pipeline import make_plan
from smallwright.pipeline.build import build
from smallwright.pipeline.classify import make_classifier
from smallwright.pipeline.plan import render_plan
from smallwright.pipeline.report import PACKAGED, QUANTIZED
from smallwright.pipeline.rows import read_labels, read_texts
from smallwright.pipeline.shared import package_model
from smallwright.pipeline.workshop import Workshop
from smallwright.recipe import Recipe
from smallwright.run import load
from smallwright.tokenizer.train import train_wordpiece

QUICK = {"latency_rounds": 1, "cold_starts": 1, "bootstrap_resamples": 100, "baseline": False}
TEMPERATURE = 2.5


def make_package(folder: Path, labels: tuple[str, ...] = ("on", "off")) -> Path:
    """A random encoder of classes in an order that is not the data's, which is the alphabet's."""
    tokenizer = train_wordpiece(write_rows(folder), vocabulary=200)
    spec = preset(
        "pico",
        vocabulary=tokenizer.get_vocab_size(),
        causal=False,
        heads={CLASSIFIER: preset_classifier(labels)},
        context=32,
    )
    with seeded(1):
        model = Transformer(spec)
    path = folder / "teacher.gguf"
    package_model(
        model,
        path,
        name="teacher",
        kind="classify",
        tokenizer=tokenizer,
        quantize=QuantizeSettings(),
        provenance={},
        temperature=TEMPERATURE,
    )
    return path


def taught(folder: Path, path: Path, **changes: Any) -> Recipe:
    return make_recipe(folder, teacher={"from": "package", "file": str(path)}, evaluate=QUICK, **changes)


def test_its_calibrated_probabilities_are_learned(tmp_path: Path) -> None:
    path = make_package(tmp_path)
    made = make_classifier(taught(tmp_path, path), Workshop(tmp_path / "out", threads=1, quiet=True))
    assert made.answers is not None and list(read_labels(made.data)) == ["off", "on"]
    unlabelled = [json.loads(line)["text"] for line in (tmp_path / "more.jsonl").read_text().splitlines()]
    texts = {"train": read_texts(made.data, "train"), "test": read_texts(made.data, "test"), "transfer": unlabelled}
    with load(path, threads=1) as package:
        for name, part in texts.items():
            found = softmax(np.load(made.answers.folder / f"{name}.npy").astype(np.float64), axis=1)
            answers = package.classify(part)
            for probabilities, said in zip(found, answers, strict=True):
                assert probabilities.max() == pytest.approx(said.confidence, abs=1e-5)
                assert ["off", "on"][int(probabilities.argmax())] == said.label
        sharp = softmax(package.classify_logits(texts["train"]).astype(np.float64), axis=1)
    soft = softmax(np.load(made.answers.folder / "train.npy").astype(np.float64), axis=1)
    assert (sharp.max(axis=1) > soft.max(axis=1)).all(), "the package's temperature counts"
    assert made.answers.facts["temperature"] == TEMPERATURE


def test_it_stands_in_the_report_as_the_teacher(tmp_path: Path) -> None:
    first = make_recipe(tmp_path, teacher=None, data={"train": "rows.jsonl"}, distill={**LEARN, "epochs": 8})
    path = build(first.model_copy(update={"name": "first"}), out=tmp_path, quiet=True).package
    recipe = taught(tmp_path, path)
    plan = make_plan(recipe)
    assert plan.teacher_parameters is None and f"the package {path}" in render_plan(recipe, plan)
    report = build(recipe, out=tmp_path, quiet=True).report
    lines = {line.name: line for line in report.neighbours}
    assert lines[PACKAGED].kind == "teacher" and QUANTIZED not in lines
    assert lines[PACKAGED].size_bytes == path.stat().st_size and lines[PACKAGED].latency_p50_ms is not None
    assert report.quality is not None and report.quality.retention is not None
    rows = [json.loads(line) for line in next((tmp_path / "lamps/stages").glob("data-*/test.jsonl")).open()]
    with load(path, threads=1) as package:
        right = [package.classify(row["text"]).label == row["label"] for row in rows]
    assert lines[PACKAGED].accuracy == pytest.approx(np.mean(right))
    assert build(recipe, out=tmp_path, quiet=True).report == report, "a second build asks nothing"


def test_other_labels_and_other_tasks_are_refused(tmp_path: Path) -> None:
    path = make_package(tmp_path, ("on", "off", "dim"))
    law = r"must have the data's 2 labels\. Got missing \[\], unknown \['dim'\] in .*teacher\.gguf\. Use one made of"
    with pytest.raises(RecipeError, match=law):
        make_classifier(taught(tmp_path, path), Workshop(tmp_path / "out", threads=1, quiet=True))
    file = tmp_path / "text.gguf"
    write_own(file, decoder_spec(), task='{"kind": "generate", "head": "text"}')
    with pytest.raises(RecipeError, match=r"that of the recipe, classify\. Got task 'generate' in .*text\.gguf"):
        make_classifier(taught(tmp_path, file), Workshop(tmp_path / "out", threads=1, quiet=True))
    with pytest.raises(RecipeError, match=r"teacher\.file must be a package\. Got .*none\.gguf, which is not there"):
        make_classifier(taught(tmp_path, tmp_path / "none.gguf"), Workshop(tmp_path / "out", threads=1, quiet=True))
    for changes, told in (
        ({"student": {"from": "teacher"}, "tokenizer": {"kind": "teacher"}}, "needs a network"),
        ({"tokenizer": {"kind": "teacher"}}, "needs a network"),
        ({"distill": {"answers": "online"}}, "need a network"),
    ):
        with pytest.raises(RecipeError, match=told):
            taught(tmp_path, path, **changes)
