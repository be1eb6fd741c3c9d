"""A teacher's next-token answers: equal to the model's own, complete to the last position, asked once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smallwright.data import Shard, write_shard
from smallwright.errors import CheckpointError
from smallwright.model import LANGUAGE_MODEL, Transformer, preset, seeded
from smallwright.spec import HeadSpec
from smallwright.teacher.language import answer_next_tokens

VOCABULARY, CONTEXT, TOP = 50, 8, 5


@pytest.fixture
def model() -> Transformer:
    heads = {LANGUAGE_MODEL: HeadSpec(kind="language_model", tied=True)}
    with seeded(0):
        return Transformer(preset("nano", vocabulary=VOCABULARY, causal=True, heads=heads, context=CONTEXT)).eval()


@pytest.fixture
def shard(tmp_path: Path) -> Shard:
    tokens = np.random.default_rng(0).integers(0, VOCABULARY, 8 * CONTEXT * 2 + 3)  # two full rounds and a short rest
    return write_shard(tmp_path / "shard", [tokens], VOCABULARY)


def test_answers_are_the_models_own(model: Transformer, shard: Shard, tmp_path: Path) -> None:
    answers = answer_next_tokens(model, shard, tmp_path / "answers", context=CONTEXT, top=TOP)
    values, tokens = answers.read(np.arange(len(answers)))
    assert values.shape == tokens.shape == (shard.tokens.size, TOP)
    everything = torch.from_numpy(shard.tokens.astype(np.int64))
    for start in range(0, len(everything), CONTEXT):
        with torch.inference_mode():
            logits = model.logits(everything[None, start : start + CONTEXT])[0]
        best = torch.log_softmax(logits, -1).topk(TOP)
        assert np.array_equal(tokens[start : start + CONTEXT], best.indices.numpy())
        assert np.allclose(values[start : start + CONTEXT], best.values.numpy(), atol=2e-3)  # float16 near 4


def test_the_teacher_is_asked_once(
    model: Transformer, shard: Shard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = answer_next_tokens(model, shard, tmp_path / "answers", context=CONTEXT, top=TOP).records.tobytes()

    def refuse(*_: object) -> None:
        raise AssertionError("asked again")

    monkeypatch.setattr(model, "logits", refuse)
    again = answer_next_tokens(model, shard, tmp_path / "answers", context=CONTEXT, top=TOP)
    assert again.records.tobytes() == first
    with pytest.raises(AssertionError, match="asked again"):
        answer_next_tokens(model, shard, tmp_path / "answers", context=CONTEXT, top=TOP - 1)


def test_not_a_number_is_refused(model: Transformer, shard: Shard, tmp_path: Path) -> None:
    with torch.no_grad():
        model.embedding.tokens.weight[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match="must be finite"):
        answer_next_tokens(model, shard, tmp_path / "answers", context=CONTEXT, top=TOP)
    assert not (tmp_path / "answers" / "answers.json").exists()
