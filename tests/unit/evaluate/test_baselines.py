"""The simple neighbours: determinism, a file checked before it is opened, n-grams against a plain dictionary."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from smallwright.errors import DataError
from smallwright.evaluate import baselines, linear, metrics

ROOMS, DEVICES = ("kitchen", "hall", "bedroom", "garage"), ("lights", "heating", "radio")


def _rows() -> tuple[list[str], list[str]]:
    rows = [
        (f"turn {way} the {room} {device}", f"{device}_{way}")
        for room in ROOMS
        for device in DEVICES
        for way in ("on", "off")
    ]
    return [text for text, _ in rows], [label for _, label in rows]


def test_majority() -> None:
    assert baselines.majority_label(["b", "a", "b", "a", "c"]) == "a"
    assert baselines.open_majority("x")("anything") == "x"
    with pytest.raises(DataError, match="at least one label"):
        baselines.majority_label([])


def test_linear_learns_saves_and_opens(tmp_path: Path) -> None:
    texts, labels = _rows()
    fitted = linear.fit_linear(texts, labels, texts[:6], labels[:6])
    assert fitted.predict(["please turn off the hall radio"]) == ["radio_off"]
    assert fitted.c in linear.C_VALUES and fitted.validation_accuracy == 1.0
    scores = fitted.scores(texts)
    assert scores.shape == (len(texts), len(fitted.labels))
    assert [fitted.labels[column] for column in scores.argmax(axis=1)] == fitted.predict(texts)
    size_bytes, sha256 = fitted.save(tmp_path / "linear.pickle")
    assert size_bytes == (tmp_path / "linear.pickle").stat().st_size
    assert linear.open_linear(str(tmp_path / "linear.pickle"), sha256)(texts[5]) == labels[5]


def test_linear_is_deterministic(tmp_path: Path) -> None:
    texts, labels = _rows()
    first, second = (linear.fit_linear(texts, labels).scores(texts) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_two_classes_have_two_columns() -> None:
    fitted = linear.fit_linear(["yes yes", "no no", "yes", "no"], ["y", "n", "y", "n"])
    assert fitted.scores(["yes", "no"]).argmax(axis=1).tolist() == [1, 0]


def test_an_altered_baseline_is_not_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "linear.pickle"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DataError, match="must be the one that was written"):
        linear.open_linear(str(path), "0" * 64)


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [(["a", "b"], ["x", "x"], "at least two classes"), (["", " "], ["x", "y"], "texts with words")],
)
def test_linear_refuses(texts: list[str], labels: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        linear.fit_linear(texts, labels)


def _plain_ngram(train: bytes, test: bytes, order: int) -> float:
    counts = [Counter(train[i : i + k + 1] for i in range(len(train) - k)) for k in range(order + 1)]

    def probability(history: bytes, byte: int) -> float:
        shorter = probability(history[1:], byte) if history else 1 / 256
        following = {gram: n for gram, n in counts[len(history)].items() if gram[:-1] == history}
        total, kinds = sum(following.values()), len(following)
        if not total:
            return shorter
        return (following.get(history + bytes([byte]), 0) + kinds * shorter) / (total + kinds)

    bits = [-math.log2(probability(test[max(0, i - order) : i], test[i])) for i in range(len(test))]
    return sum(bits) / len(bits)


@pytest.mark.parametrize("order", [0, 1, 2, 3, 7])
def test_ngram_equals_a_plain_dictionary(order: int) -> None:
    train, test = b"the cat sat on the mat. the dog sat on the log. \xff\x00", b"the dog and the cat sat\xfe"
    assert baselines.ngram_score(train, test, order).bits_per_byte == pytest.approx(_plain_ngram(train, test, order))


def test_ngram_that_knows_one_byte() -> None:
    one_known = (255 * 9 - math.log2((1 + 1 / 256) / 2)) / 256  # half of the mass goes to the byte seen
    assert baselines.ngram_score(b"a", bytes(range(256)), 3).bits_per_byte == pytest.approx(one_known)
    assert baselines.ngram_score(b"ab" * 500, b"ab" * 50, 3).bits_per_byte < 0.3


def test_ngram_order_is_chosen_on_validation() -> None:
    text = b"so we beat on, boats against the current, borne back ceaselessly into the past. " * 20
    chosen = baselines.choose_ngram(text[:800], text[800:1000], text[1000:])
    by_order = {order: baselines.ngram_score(text[:800], text[800:1000], order).bits_per_byte for order in (3, 4, 5, 6)}
    assert chosen.order == min(by_order, key=by_order.__getitem__)
    with pytest.raises(DataError, match="order from 0 to 7"):
        baselines.ngram_score(b"a", b"b", 8)


@pytest.mark.data
@pytest.mark.slow
def test_linear_reaches_its_reference_on_clinc150() -> None:
    if "SMALLWRIGHT_DATA" not in os.environ:
        pytest.skip("SMALLWRIGHT_DATA is not set")
    folder = Path(os.environ["SMALLWRIGHT_DATA"]) / "clinc150"

    def read(split: str) -> tuple[list[str], list[str]]:
        rows = [json.loads(line) for line in (folder / f"{split}.jsonl").read_text("utf-8").splitlines()]
        return [row["text"] for row in rows], [row.get("label", row.get("intent")) for row in rows]

    fitted = linear.fit_linear(*read("train"), *read("val"))
    texts, labels = read("test")
    assert metrics.accuracy(labels, fitted.predict(texts)).accuracy == pytest.approx(0.929, abs=0.004)
