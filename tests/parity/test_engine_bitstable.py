"""A token's logits are the same bits whatever else runs: batch, threads, prefill splits, tiles, instruction sets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.parity.appending import append_in_parts
from tests.parity.tiny_packages import LABELS, TYPES, decoder_spec, encoder_spec, write_own

from smallwright.run import _engine, load
from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec

ISAS = _engine._kernels.available()


def _texts(vocabulary: int, lengths: list[int]) -> list[list[int]]:
    rng = np.random.default_rng(7)
    return [rng.integers(0, vocabulary, length).tolist() for length in lengths]


def _causal_classifier() -> ModelSpec:
    layer = LayerSpec(AttentionSpec(4, 2, 32), FeedForwardSpec(96))
    head = HeadSpec("classifier", pooling="last", labels=LABELS)
    return decoder_spec(layers=(layer, layer), heads={"intent": head})


def _pairs() -> ModelSpec:
    layer = LayerSpec(AttentionSpec(2, 2, 32), FeedForwardSpec(96))
    head = HeadSpec("classifier", pooling="mean_before_norm", labels=LABELS)
    embedding = EmbeddingSpec(vocabulary=101, bigrams=64)
    return decoder_spec(causal=False, embedding=embedding, layers=(layer, layer), heads={"intent": head})


SPECS = {
    "encoder": encoder_spec(),
    "mean": encoder_spec(heads={"intent": HeadSpec("classifier", pooling="mean", labels=LABELS)}),
    "causal_classifier": _causal_classifier(),
    "pairs": _pairs(),
}


@pytest.mark.parametrize("block", TYPES)
@pytest.mark.parametrize("name", SPECS)
def test_classes_do_not_depend_on_company(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, block: str
) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, SPECS[name], block)
    texts = _texts(90, [1, 5, 48, 17, 16, 2, 33, 12, 31, 7, 47, 15])
    expected = None
    for isa in ISAS:
        monkeypatch.setenv("SMALLWRIGHT_ISA", isa)
        for threads in (1, 2, 3):
            with load(path, threads=threads) as package:
                assert package.description["isa"] == isa
                alone = np.concatenate([package.classify_tokens([text]) for text in texts])
                together = package.classify_tokens(texts)
                backwards = package.classify_tokens(texts[::-1])[::-1]
            expected = alone if expected is None else expected
            for logits in (alone, together, backwards):
                np.testing.assert_array_equal(logits, expected)


@pytest.mark.parametrize("kv_bits", [8, 16, 32])
@pytest.mark.parametrize("block", TYPES)
def test_logits_do_not_depend_on_splits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: str, kv_bits: int
) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, decoder_spec(), block)
    tokens = np.array(_texts(101, [230])[0], np.int32)
    expected = None
    for isa in ISAS:
        monkeypatch.setenv("SMALLWRIGHT_ISA", isa)
        model = _engine.open(str(path))
        for threads, splits in ((1, [230]), (2, [230]), (3, [1, 1, 5, 100, 60, 63]), (1, [97, 133]), (2, [1] * 230)):
            found = append_in_parts(_engine.Session(model, threads, kv_bits), tokens, splits)
            expected = found if expected is None else expected
            np.testing.assert_array_equal(found, expected)


def test_last_row_alone_is_the_last_of_all_rows(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, decoder_spec(), "q8_0")
    tokens = np.array(_texts(101, [150])[0], np.int32)
    session = _engine.Session(_engine.open(str(path)), 2, 16)
    every = session.append(tokens, True)
    session.truncate(0)
    np.testing.assert_array_equal(session.append(tokens, False)[0], every[-1])
    assert session.length == 150


def test_truncated_state_forgets(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, decoder_spec(), "q4_0")
    tokens = np.array(_texts(101, [90])[0], np.int32)
    session = _engine.Session(_engine.open(str(path)), 1, 16)
    expected = session.append(tokens, True)
    session.append(tokens[::-1].copy(), False)
    session.truncate(40)
    np.testing.assert_array_equal(session.append(tokens[40:], True), expected[40:])


def test_counters_tell_what_was_done(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, encoder_spec(), "q8_0")
    with load(path, threads=1) as package:
        package.classify_tokens(_texts(90, [10, 20]))
        counters = package.counters()
        packed = package.description["packed_bytes"]
    assert counters == {
        "weight_bytes_read": packed,
        "tokens": 30,
        "head_rows": 2,
        "passes": 1,
        "kv_bytes": 0,
        "pair_rows": 0,
        "product_ns": 0,
    }


def test_products_are_timed_where_that_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, decoder_spec(), "f32")
    session = _engine.Session(_engine.open(str(path)), 1, 16)
    session.append(np.zeros(3, np.int32), False)
    assert session.counters()["product_ns"] == 0
    session.time_products(True)
    session.append(np.zeros(3, np.int32), False)
    timed = session.counters()["product_ns"]
    assert timed > 0
    session.time_products(False)
    session.append(np.zeros(3, np.int32), False)
    assert session.counters()["product_ns"] == timed


def test_state_grows_with_the_text_only(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_own(path, replace(decoder_spec(), context=100_000), "f32")
    session = _engine.Session(_engine.open(str(path)), 1, 16)
    session.append(np.zeros(10, np.int32), False)
    # 64 tokens, f16: keys and values of (2 heads of 32) and (1 head of 20, values padded to 32)
    assert session.counters()["kv_bytes"] == 64 * 2 * (2 * 2 * 32 + 20 + 32)
    assert session.counters()["head_rows"] == 1
