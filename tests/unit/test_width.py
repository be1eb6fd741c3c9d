"""Narrower models: what has no effect leaves without a trace, and the largest stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from smallwright.compress.width import narrow, narrow_spec
from smallwright.errors import RecipeError
from smallwright.model import Transformer, preset, seeded
from smallwright.spec import AttentionSpec, EmbeddingSpec, FeedForwardSpec, HeadSpec, LayerSpec, ModelSpec, NormSpec

TEXTS = [np.array([1, 2, 3, 4]), np.array([7, 5, 9]), np.array([11])]


def make_bert() -> Transformer:
    layer = LayerSpec(
        AttentionSpec(heads=2, key_value_heads=2, head_width=32, bias=True, output_bias=True),
        FeedForwardSpec(width=128, activation="gelu", bias=True, kind="plain"),
    )
    spec = ModelSpec(
        width=64,
        context=16,
        causal=False,
        embedding=EmbeddingSpec(vocabulary=20, positions=16, token_types=2, norm=True),
        layers=(layer, layer),
        heads={"classes": HeadSpec(kind="classifier", pooler=True, labels=tuple("abc"))},
        norm=NormSpec(kind="layer", epsilon=1e-12, placement="post"),
        rotary_base=None,
    )
    with seeded(0):
        return Transformer(spec).eval()


def make_llama(heads: dict[str, HeadSpec] | None = None) -> Transformer:
    heads = heads or {"words": HeadSpec("language_model", tied=False)}
    with seeded(1):
        spec = preset("nano", vocabulary=20, causal=True, heads=heads, context=16)
        layers = tuple(replace(layer, mixer=replace(layer.mixer, qk_norm=True)) for layer in spec.layers)
        return Transformer(replace(spec, layers=layers)).eval()


def answers(model: Transformer) -> list[torch.Tensor]:
    with torch.no_grad():
        return [model(torch.from_numpy(text)[None]) for text in TEXTS]


@pytest.mark.parametrize("make", [make_bert, make_llama])
def test_neurons_without_effect_leave_no_trace(make) -> None:
    model = make()
    width = model.spec.layers[0].feedforward.width
    with torch.no_grad():
        for index, layer in enumerate(model.layers):
            idle = torch.randperm(width, generator=torch.Generator().manual_seed(index))[: width - 64]
            for linear in (layer.feedforward.up, layer.feedforward.gate):
                if linear is not None:
                    linear.weight[idle] = 0
                    if linear.bias is not None:
                        linear.bias[idle] = 0
    smaller = narrow(model, TEXTS, None, 64)
    assert smaller.spec.layers[0].feedforward.width == 64 and smaller.spec.width == model.spec.width
    for mine, theirs in zip(answers(smaller), answers(model), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)


def test_what_constant_neurons_added_is_in_the_bias() -> None:
    """Neurons that say the same of every token: their share of the output is a constant, and nothing is lost."""
    model = make_bert()
    with torch.no_grad():
        for index, layer in enumerate(model.layers):
            idle = torch.randperm(128, generator=torch.Generator().manual_seed(index))[:64]
            layer.feedforward.up.weight[idle] = 0
            layer.feedforward.up.bias[idle] = 1e-2  # small beside the others, which stay
            layer.feedforward.down.weight[:, idle] *= 100
    exact, bare = answers(model), answers(narrow(model, TEXTS, None, 64))
    smaller = narrow(model, TEXTS, None, 64, correct_bias=True)
    for mine, theirs, without in zip(answers(smaller), exact, bare, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-4)
        assert not torch.allclose(without, theirs, atol=1e-3)


def test_biases_keep_the_mean_of_the_kept_outputs() -> None:
    """Of the first layer's queries, whose inputs are those of the whole model but for the norm before them."""
    model = make_bert()
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if name.endswith("norm.weight"):
                weight[32:] *= 0.1
        model.embedding.norm.bias[32:] = 0.3  # what goes is almost a constant
    smaller = narrow(model, TEXTS, 32, None, correct_bias=True)
    query, dropped = model.layers[0].mixer.q, torch.arange(32, 64)
    seen: list[torch.Tensor] = []
    handle = query.register_forward_pre_hook(lambda _, given: seen.append(given[0].flatten(0, -2)))
    answers(model)
    handle.remove()
    mean = torch.cat(seen).mean(0)
    expected = query.bias + query.weight[:, dropped] @ mean[dropped]
    torch.testing.assert_close(smaller.layers[0].mixer.q.bias, expected, atol=1e-6, rtol=1e-5)
    with pytest.raises(RecipeError, match=r"student\.correct_bias needs a teacher whose linear layers have biases"):
        narrow(make_llama(), TEXTS, 32, None, correct_bias=True)


def test_channels_without_effect_leave_no_trace() -> None:
    """Nothing is written to channels 64 and up. The norms divide by less for that, and their weights make up for it."""
    model = make_llama()
    with torch.no_grad():
        model.embedding.tokens.weight[:, 64:] = 0
        model.embedding.tokens.weight *= 100  # so that the norms' epsilon is nothing beside it
        for layer in model.layers:
            layer.mixer.output.weight[64:] = 0
            layer.feedforward.down.weight[64:] = 0
    smaller = narrow(model, TEXTS, 64, None)
    assert smaller.spec.width == 64
    assert torch.equal(smaller.embedding.tokens.weight, model.embedding.tokens.weight[:, :64])
    for mine, theirs in zip(answers(smaller), answers(model), strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("make", [make_bert, make_llama])
def test_a_narrower_model_has_its_description_and_the_largest_channels(make) -> None:
    model = make()
    with torch.no_grad():
        loud = torch.tensor([3, 17, 40])
        for name, weight in model.state_dict().items():
            if name.endswith("norm.weight") and "_norm" not in name:
                weight[loud] *= 9
    smaller = narrow(model, TEXTS, 32, 64)
    assert smaller.spec == narrow_spec(model.spec, 32, 64)
    table, whole = smaller.embedding.tokens.weight, model.embedding.tokens.weight
    places = [int((whole == column[:, None]).all(0).nonzero()[0]) for column in table.T]
    assert places == sorted(set(places)) and {3, 17, 40} <= set(places)
    assert all(torch.isfinite(found).all() for found in answers(smaller))
    assert narrow(model, TEXTS, None, None) is model


@pytest.mark.parametrize(
    ("width", "neurons", "words"), [(33, None, "width"), (1024, None, "width"), (None, 31, "forward")]
)
def test_widths_that_cannot_be_are_refused(width: int | None, neurons: int | None, words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        narrow(make_bert(), TEXTS, width, neurons)
    with pytest.raises(RecipeError, match="needs texts"):
        narrow(make_bert(), [], 32, None)
