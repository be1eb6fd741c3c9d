"""The torch reference by itself: names, prefill and decode, padding, uneven layers, precision, presets."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from smallwright.compress.depth import choose_layers, keep_layers
from smallwright.errors import ModelSpecError
from smallwright.model import CLASSIFIER, LANGUAGE_MODEL, Transformer, preset, seeded
from smallwright.model.attention import rotate, rotation
from smallwright.model.norm import RootMeanSquareNorm
from smallwright.model.presets import DECODERS, ENCODERS
from smallwright.spec import (
    AttentionSpec,
    EmbeddingSpec,
    FeedForwardSpec,
    HeadSpec,
    LayerSpec,
    ModelSpec,
    NormSpec,
)
from smallwright.spec.tensors import list_tensors

LABELS = ("a", "b", "c")
HEADS = {CLASSIFIER: HeadSpec("classifier", pooling="mean", labels=LABELS), LANGUAGE_MODEL: HeadSpec("language_model")}


def make_spec(**changes) -> ModelSpec:
    """Three layers of different widths and kinds: 4, 2 and 1 key/value heads, gated and plain."""
    layers = (
        LayerSpec(AttentionSpec(4, 4, 8, bias=True), FeedForwardSpec(48, "silu")),
        LayerSpec(AttentionSpec(2, 1, 16, qk_norm=True), FeedForwardSpec(32, "relu", bias=True, kind="plain")),
        LayerSpec(AttentionSpec(6, 2, 4, output_bias=True), FeedForwardSpec(64, "gelu_tanh", bias=True)),
    )
    spec = ModelSpec(
        width=32, context=40, causal=True, embedding=EmbeddingSpec(vocabulary=50), layers=layers, heads=HEADS
    )
    return replace(spec, **changes)


SPECS = {
    "causal-rotary-pre": make_spec(),
    "causal-rotary-post-layer": make_spec(norm=NormSpec("layer", 1e-5, "post")),
    "causal-learned": make_spec(rotary_base=None, embedding=EmbeddingSpec(50, positions=40)),
    "encoder-rotary": make_spec(causal=False),
    "encoder-learned-post": make_spec(
        causal=False,
        rotary_base=None,
        embedding=EmbeddingSpec(50, positions=48, token_types=2, norm=True),
        norm=NormSpec("layer", 1e-12, "post"),
        heads={CLASSIFIER: HeadSpec("classifier", pooler=True, labels=LABELS)},
    ),
    "encoder-pairs": make_spec(
        causal=False,
        embedding=EmbeddingSpec(50, bigrams=300),
        heads={CLASSIFIER: HeadSpec("classifier", pooling="mean_before_norm", labels=LABELS)},
    ),
    "tied": make_spec(heads={LANGUAGE_MODEL: HeadSpec("language_model", tied=True)}),
    "no-head": make_spec(heads={}),
    "last-no-bias": make_spec(heads={"x": HeadSpec("classifier", pooling="last", output_bias=False, labels=LABELS)}),
}
CAUSAL = [name for name, spec in SPECS.items() if spec.causal and LANGUAGE_MODEL in spec.heads]
CLASSIFYING = [name for name, spec in SPECS.items() if spec.labels]


def make_model(name: str) -> Transformer:
    """A model with large random weights, so that every part has an influence."""
    model = Transformer(SPECS[name])
    with torch.no_grad():
        generator = torch.Generator().manual_seed(7)
        for key, value in model.state_dict().items():
            value.normal_(1.0 if "norm.weight" in key else 0.0, 0.25, generator=generator)
    return model.eval()


def make_tokens(batch: int = 3, length: int = 20) -> torch.Tensor:
    return torch.randint(0, 50, (batch, length), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", SPECS)
def test_state_dict_is_the_tensor_list_of_the_spec(name: str) -> None:
    model = Transformer(SPECS[name])
    given = [(key, tuple(value.shape)) for key, value in model.state_dict().items()]
    assert given == [(tensor.name, tensor.shape) for tensor in list_tensors(SPECS[name])]
    assert sum(1 for _ in model.parameters()) == len(given)
    assert not list(model.buffers())


@pytest.mark.parametrize("causal", [False, True])
def test_presets_build_and_suit_the_block_formats(causal: bool) -> None:
    for name in DECODERS if causal else ENCODERS:
        spec = preset(name, vocabulary=64, causal=causal, heads=HEADS, context=32)
        given = [(key, tuple(value.shape)) for key, value in Transformer(spec, initialize=False).state_dict().items()]
        assert given == [(tensor.name, tensor.shape) for tensor in list_tensors(spec)]
        matrices = [tensor for tensor in list_tensors(spec) if tensor.matrix]
        assert all(tensor.shape[1] % 32 == 0 for tensor in matrices)
        assert spec.layers[0].mixer.head_width in (32, 64)
        assert spec.causal is causal


def test_nano_presets_are_nano() -> None:
    head = {LANGUAGE_MODEL: HeadSpec("language_model", tied=True)}
    decoder = preset("nano", vocabulary=1024, causal=True, heads=head, context=256)
    assert sum(tensor.numel() for tensor in Transformer(decoder).parameters()) == pytest.approx(1e6, rel=0.1)
    encoder = preset(
        "nano",
        vocabulary=4096,
        causal=False,
        heads={CLASSIFIER: HEADS[CLASSIFIER]},
        context=128,
    )
    q8_0_bytes = sum(tensor.numel() for tensor in Transformer(encoder).parameters()) * 34 / 32
    assert q8_0_bytes < 1.2e6


def test_an_unknown_preset_is_named() -> None:
    with pytest.raises(ModelSpecError, match=r"one of pico, nano, nano-wide, micro, small\. Got 'tiny'"):
        preset("tiny", vocabulary=64, causal=True, heads=HEADS, context=32)


@pytest.mark.parametrize("cuts", [(20,), (1,) * 20, (7, 1, 1, 11), (19, 1)])
@pytest.mark.parametrize("name", CAUSAL)
def test_prefill_then_decode_equals_the_full_forward(name: str, cuts: tuple[int, ...]) -> None:
    model, tokens = make_model(name), make_tokens()
    with torch.no_grad():
        full = model.logits(tokens)
        state = model.start()
        parts = [model.logits(part, state=state) for part in tokens.split(list(cuts), dim=1)]
    assert full.std() > 0.1
    assert torch.allclose(torch.cat(parts, dim=1), full, atol=1e-5, rtol=1e-5)
    assert [layer.length for layer in state] == [20] * len(model.layers)


@pytest.mark.parametrize("name", CAUSAL)
def test_causal_models_never_look_ahead(name: str) -> None:
    model, tokens = make_model(name), make_tokens()
    changed = tokens.clone()
    changed[:, 12] = (changed[:, 12] + 1) % 50
    with torch.no_grad():
        before, after = model.logits(tokens), model.logits(changed)
    assert torch.equal(before[:, :12], after[:, :12])
    assert not torch.allclose(before[:, 12:], after[:, 12:])


@pytest.mark.parametrize("name", CLASSIFYING)
def test_padding_has_no_influence(name: str) -> None:
    model, tokens, lengths = make_model(name), make_tokens(), torch.tensor([20, 1, 13])
    noise = torch.where(torch.arange(20) < lengths[:, None], tokens, 49 - tokens)
    with torch.no_grad():
        batch = model.classify(tokens, lengths)
        assert torch.equal(model.classify(noise, lengths), batch)
        hidden = model.hidden(tokens, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = tokens[row : row + 1, :length]
            assert torch.allclose(model.classify(alone)[0], batch[row], atol=1e-5)
            assert torch.allclose(model.hidden(alone)[0], hidden[row, :length], atol=1e-5)
    assert torch.isfinite(hidden).all()


@pytest.mark.parametrize("name", ["encoder-rotary", "encoder-learned-post"])
def test_encoders_look_both_ways_and_know_the_order(name: str) -> None:
    model, tokens = make_model(name), make_tokens()
    with torch.no_grad():
        first = model.hidden(tokens)[:, 0]
        changed = tokens.clone()
        changed[:, -1] = (changed[:, -1] + 1) % 50
        assert not torch.allclose(model.hidden(changed)[:, 0], first)
        swapped = tokens[:, [0, 2, 1, *range(3, 20)]]
        assert not torch.allclose(model.hidden(swapped)[:, 0], first)


@pytest.mark.parametrize("name", ["causal-rotary-pre", "encoder-rotary", "encoder-learned-post"])
def test_bfloat16_autocast_stays_close_and_returns_float32(name: str) -> None:
    model, tokens, lengths = make_model(name), make_tokens(), torch.tensor([20, 5, 13])
    with torch.no_grad():
        expected = model.classify(tokens, lengths)
        with torch.autocast("cpu", torch.bfloat16):
            logits = model.classify(tokens, lengths)
            hidden = model.hidden(tokens, lengths)
    assert logits.dtype == hidden.dtype == torch.float32
    assert not torch.equal(logits, expected)
    assert (logits - expected).abs().max() < 0.1 * expected.std() + 0.05


@pytest.mark.parametrize("name", SPECS)
def test_every_parameter_learns(name: str) -> None:
    model, tokens, lengths = make_model(name), make_tokens(), torch.tensor([20, 5, 13])
    outputs = [model.hidden(tokens, lengths)]
    outputs += [model.classify(tokens, lengths)] if model.spec.labels else []
    outputs += [model.logits(tokens)] if LANGUAGE_MODEL in model.spec.heads else []
    sum(output.square().mean() for output in outputs).backward()
    still = [key for key, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()]
    assert still == []


def test_initial_weights_follow_the_seed_and_leave_the_generator_alone() -> None:
    spec = preset("nano", vocabulary=256, causal=True, heads=HEADS, context=32)
    before = torch.get_rng_state()
    with seeded(3):
        first = Transformer(spec).state_dict()
    with seeded(3):
        again = Transformer(spec).state_dict()
    with seeded(4):
        other = Transformer(spec).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not torch.equal(first["embedding.tokens.weight"], other["embedding.tokens.weight"])
    assert first["embedding.tokens.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert first["layers.0.mixer.q.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert first["layers.0.feedforward.down.weight"].std() == pytest.approx(0.02 / 8**0.5, rel=0.05)
    assert torch.equal(first["norm.weight"], torch.ones(spec.width))


def test_dropout_acts_in_training_only() -> None:
    model = Transformer(SPECS["encoder-rotary"], dropout=0.5)
    tokens = make_tokens()
    assert not torch.equal(model.train().classify(tokens), model.classify(tokens))
    assert torch.equal(model.eval().classify(tokens), model.classify(tokens))


def test_forward_uses_the_named_or_the_only_head() -> None:
    tokens, lengths = make_tokens(), torch.tensor([20, 5, 13])
    both, only = make_model("causal-rotary-pre"), make_model("last-no-bias")
    assert torch.equal(both(tokens, lengths, head=CLASSIFIER), both.classify(tokens, lengths))
    assert torch.equal(both(tokens, head=LANGUAGE_MODEL), both.logits(tokens))
    assert torch.equal(only(tokens, lengths), only.classify(tokens, lengths, head="x"))


def test_errors_name_value_and_remedy() -> None:
    model = make_model("causal-rotary-pre")
    with pytest.raises(ModelSpecError, match=r"1 to 40 tokens, the model's context\. Got 41\. Cut the input\."):
        model.logits(make_tokens(1, 41))
    with pytest.raises(ModelSpecError, match="Got 0"):
        model.logits(make_tokens(1, 0))
    state = model.start()
    model.logits(make_tokens(1, 39), state=state)
    with pytest.raises(ModelSpecError, match="Got 41"):
        model.logits(make_tokens(1, 2), state=state)
    encoder = make_model("encoder-rotary")
    with pytest.raises(ModelSpecError, match="a state needs a causal model"):
        encoder.hidden(make_tokens(), state=encoder.start())
    with pytest.raises(ModelSpecError, match=r"classifier head that is asked for\. Got None; its heads: none"):
        make_model("no-head").classify(make_tokens())
    with pytest.raises(ModelSpecError, match=r"Got 'y'; its heads: x \(classifier\)"):
        make_model("last-no-bias").classify(make_tokens(), head="y")
    tensors = model.state_dict()
    tensors.pop("norm.weight")
    with pytest.raises(ModelSpecError, match=r"Got none instead of \(32,\) for norm\.weight \(1 differ\)"):
        Transformer.from_tensors(model.spec, tensors)


def test_choose_layers_spreads_evenly_with_both_ends() -> None:
    assert choose_layers(12, 6) == (0, 2, 4, 7, 9, 11)  # DistilBERT's
    assert choose_layers(6, 3) == (0, 3, 5)
    assert choose_layers(6, 1) == (5,)
    for total in range(1, 30):
        for count in range(1, total + 1):
            kept = choose_layers(total, count)
            assert len(kept) == count and kept[-1] == total - 1 and list(kept) == sorted(set(kept))
            steps = [b - a for a, b in pairwise(kept)]
            assert not steps or max(steps) - min(steps) <= 1
    for count in (0, 7):
        with pytest.raises(ModelSpecError, match=f"from 1 to 6, what the model has. Got {count}"):
            choose_layers(6, count)


def test_keep_layers_copies_weights_and_equals_skipping() -> None:
    model, tokens = make_model("causal-rotary-pre"), make_tokens()
    kept = keep_layers(model, (0, 2))
    assert kept.spec.layers == (model.spec.layers[0], model.spec.layers[2])
    assert torch.equal(kept.layers[1].mixer.q.weight, model.layers[2].mixer.q.weight)
    with torch.no_grad():
        silent = make_model("causal-rotary-pre")  # a pre-norm layer that adds nothing is a layer that is not there
        for parameter in (silent.layers[1].mixer.output.weight, *silent.layers[1].feedforward.down.parameters()):
            parameter.zero_()
        assert torch.allclose(kept.eval().logits(tokens), silent.logits(tokens), atol=1e-5)
        kept.layers[1].mixer.q.weight.zero_()
    assert model.layers[2].mixer.q.weight.any()
    assert torch.equal(keep_layers(model, range(3)).logits(tokens), model.logits(tokens))
    for keep, message in (((2, 0), "strictly increasing"), ((0, 3), "from 0 to 2"), ((), "at least one")):
        with pytest.raises(ModelSpecError, match=message):
            keep_layers(model, keep)


def test_rms_norm_has_the_values_and_the_gradient_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, 8, dtype=torch.float64, generator=generator).requires_grad_()
    weight = torch.randn(8, dtype=torch.float64, generator=generator).requires_grad_()
    ours = RootMeanSquareNorm.apply(x, weight, 1e-3)
    assert torch.allclose(ours, torch.nn.functional.rms_norm(x, (8,), weight, 1e-3), atol=1e-12)
    assert torch.autograd.gradcheck(RootMeanSquareNorm.apply, (x, weight, 1e-3))
    zeros = torch.zeros(1, 8, requires_grad=True)
    RootMeanSquareNorm.apply(zeros, torch.ones(8), 1e-5).sum().backward()
    assert torch.isfinite(zeros.grad).all()


def test_pairs_turn_as_complex_numbers_do() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 5, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    turn = rotation(8, 100.0, 4, 5, torch.device("cpu"))
    exact = tuple(part.double() for part in turn)
    angles = torch.outer(torch.arange(4.0, 9.0).double(), 100.0 ** (-torch.arange(0, 8, 2).double() / 8))
    turned = torch.complex(x[..., :4], x[..., 4:]) * torch.polar(torch.ones_like(angles), angles)
    expected = torch.cat((turned.real, turned.imag), dim=-1)
    torch.testing.assert_close(rotate(x, exact), expected, rtol=0, atol=1e-6)
    assert torch.autograd.gradcheck(lambda x: rotate(x, exact), (x,))
    # As attention gives them: a view with tokens and heads exchanged, in bfloat16.
    view = x.detach().transpose(1, 2).contiguous().transpose(1, 2).bfloat16()
    assert rotate(view, turn).dtype == torch.float32
    torch.testing.assert_close(rotate(view, turn), rotate(view.double(), exact).float(), rtol=0, atol=1e-5)


def test_gradients_under_autocast_stay_close_to_those_of_float32() -> None:
    """One cast of the hidden states serves several products: their gradients meet in bfloat16."""
    model, tokens, lengths = make_model("encoder-rotary"), make_tokens(), torch.tensor([20, 5, 13])
    found = []
    for enabled in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            logits = model.classify(tokens, lengths)
        torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1, 2])).backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
    assert 0 < (found[1] - found[0]).norm() / found[0].norm() < 0.03
