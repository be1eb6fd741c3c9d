"""Cutting the token table: the kept tokens' numbers are untouched."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smallwright.compress.vocabulary import trim_embedding, trim_vocabulary
from smallwright.errors import ModelSpecError
from smallwright.model.transformer import Transformer, seeded
from smallwright.spec.model import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec


def _model(*, tied: bool) -> Transformer:
    layer = LayerSpec(AttentionSpec(heads=2, key_value_heads=1, head_width=8), FeedForwardSpec(width=24))
    head = HeadSpec("language_model", tied=tied)
    with seeded(1):
        return Transformer(ModelSpec(16, 12, True, EmbeddingSpec(30), (layer,) * 2, {"lm": head})).eval()


@pytest.mark.parametrize("tied", [True, False])
def test_logits_of_kept_tokens_are_the_same(tied: bool) -> None:
    model = _model(tied=tied)
    kept = np.asarray([3, 7, 8, 20, 29])
    smaller = trim_embedding(model, kept)
    assert smaller.spec == model.spec.with_vocabulary(5)
    new = torch.tensor([[0, 4, 2, 2, 1]])
    with torch.no_grad():
        before = model(torch.from_numpy(kept)[new], head="lm")[..., kept]
        after = smaller(new, head="lm")
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    after_weight = smaller.state_dict()["embedding.tokens.weight"]
    with torch.no_grad():
        after_weight.add_(1.0)
    assert not torch.equal(model.state_dict()["embedding.tokens.weight"][kept], after_weight)


def test_works_on_numpy_arrays() -> None:
    model = _model(tied=False)
    arrays = {name: value.numpy() for name, value in model.state_dict().items()}
    spec, smaller = trim_vocabulary(model.spec, arrays, np.asarray([5, 1]))
    assert spec.embedding.vocabulary == 2
    np.testing.assert_array_equal(smaller["heads.lm.output.weight"], arrays["heads.lm.output.weight"][[5, 1]])
    assert smaller["norm.weight"] is arrays["norm.weight"]


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ([], "distinct and at least one"),
        ([1, 1], "distinct"),
        ([0, 30], r"to 29. Got 0 to 30"),
        ([-1], "Got -1"),
    ],
)
def test_refuses_tokens_that_are_not_there(kept: list[int], message: str) -> None:
    model = _model(tied=True)
    with pytest.raises(ModelSpecError, match=message):
        trim_embedding(model, np.asarray(kept, dtype=np.int64))


@pytest.mark.parametrize("kept", [[0, 1, 2], [1, 0, *range(2, 30)]])
def test_refuses_to_renumber_tokens_whose_pairs_are_known(kept: list[int]) -> None:
    """The rows of pairs are chosen by the tokens' numbers: fewer tokens, or another order, would choose other rows."""
    layer = LayerSpec(AttentionSpec(heads=2, key_value_heads=1, head_width=8), FeedForwardSpec(width=24))
    head = HeadSpec("classifier", pooling="mean", labels=("a", "b"))
    spec = ModelSpec(16, 12, False, EmbeddingSpec(30, bigrams=50), (layer,), {"intent": head})
    tensors = Transformer(spec).state_dict()
    with pytest.raises(ModelSpecError, match="token pairs keeps all its tokens in order"):
        trim_vocabulary(spec, tensors, np.asarray(kept))
    assert trim_vocabulary(spec, tensors, np.arange(30))[0] == spec
