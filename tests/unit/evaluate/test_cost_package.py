"""A real package measured through its own fresh process: the same answers as when it is opened here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.unit.test_package import decoder, encoder, write

from smallwright.errors import PackageError
from smallwright.evaluate import cost
from smallwright.evaluate.memory import resident
from smallwright.evaluate.metrics import token_log_probs
from smallwright.evaluate.process import Subject
from smallwright.run import load

TEXTS = ["turn on the lights", "the quick brown fox", "good morning", "stop", "größer, bitte!"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cost")
    return write(folder / "classes.gguf", encoder(), "bert_uncased", temperature=0.5).path


@pytest.fixture(scope="module")
def speaker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("cost") / "text.gguf", decoder(context=64), "gpt2").path


def test_predictions_are_those_of_the_opened_package(classifier: Path) -> None:
    with load(classifier, threads=1) as package:
        logits, labels = package.classify_logits(TEXTS), package.labels
        answers = [package.classify(text).label for text in TEXTS]
    found = cost.predict(classifier, TEXTS, threads=1)
    np.testing.assert_array_equal(found.logits, logits)
    assert (found.labels, found.temperature, found.predicted) == (tuple(labels), 0.5, answers)


def test_a_classifier_is_measured_side_by_side(classifier: Path) -> None:
    subjects = [
        Subject("one thread", path=str(classifier), threads=1, cold_starts=2),
        Subject("all cores", path=str(classifier), threads=0),
    ]
    answers = cost.predict(classifier, TEXTS).predicted
    found = cost.measure_classifiers(
        subjects, TEXTS, rounds=3, expected={subject.name: answers for subject in subjects}
    )
    one = found["one thread"]
    assert one.size_bytes == classifier.stat().st_size
    assert one.latency is not None and 0 < one.latency.p50_ms <= one.latency.p95_ms <= one.latency.p99_ms
    assert one.cold_start_ms > one.open_ms > 0
    if resident().current_bytes is not None:
        assert one.peak_rss_bytes is not None and one.added_rss_bytes is not None
        assert 0 < one.added_rss_bytes < one.peak_rss_bytes
        assert one.added_rss_bytes < 6e6  # of a tiny package: NumPy, three times that, is the runtime's


def test_text_is_scored_as_by_the_opened_package(speaker: Path) -> None:
    text = "turn on the lights in the kitchen, please. " * 12
    found, total = cost.score_text(speaker, text, window=32, stride=16, max_tokens=100, threads=1)
    with load(speaker, threads=1) as package:
        tokens = package.tokenize(text, add_special=False)
        oracle = token_log_probs(package.logits, tokens[:100], 32, 16)
    assert total == len(tokens) and found.shape == (99,)
    np.testing.assert_array_equal(found, oracle)


def test_generation_is_measured_by_the_engines_counters(speaker: Path) -> None:
    subject = Subject("speaker", path=str(speaker), threads=1, task="generate")
    found = cost.measure_generators([subject], "turn on the", max_tokens=9, rounds=2)["speaker"].generation
    with load(speaker, threads=1) as package:
        prompt = len(package.tokenize("turn on the"))
        texts = [package.generate(text, max_tokens=5, temperature=0.7, seed=3) for text in TEXTS[:2]]
    assert found is not None
    assert found.prompt_tokens == prompt and 0 <= found.decode_tokens <= 8
    assert found.prefill_tokens_per_second > 0
    assert cost.generate_samples(speaker, TEXTS[:2], max_tokens=5, temperature=0.7, seed=3, threads=1) == texts


def test_a_bad_file_is_refused_with_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"no package at all")
    with pytest.raises(PackageError) as here:
        load(tmp_path / "bad.gguf")
    with pytest.raises(PackageError) as there:
        cost.predict(tmp_path / "bad.gguf", ["x"])
    assert (there.value.kind, str(there.value)) == (here.value.kind, str(here.value))
