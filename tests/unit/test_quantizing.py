"""Calibrated coding of whole models: moments, order of the flow, AWQ's folding, biases, mixed formats, the file."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tests.unit.test_package import CLASSIFY, GENERATE, decoder, encoder, make

from smallwright import run
from smallwright.compress.quantize import count_bytes, dequantize, plan_formats, quantize
from smallwright.compress.quantizing import matrix
from smallwright.compress.quantizing.answers import Judge
from smallwright.compress.quantizing.awq import check_awq, list_folds, scale_inputs
from smallwright.compress.quantizing.bias import add_biases, keep_mean_output, with_biases
from smallwright.compress.quantizing.calibration import Stream
from smallwright.compress.quantizing.gptq import output_error
from smallwright.compress.quantizing.matrix import QuantizeOptions
from smallwright.compress.quantizing.mixed import Sensitivity, choose_formats, fixed_formats, measure_sensitivity
from smallwright.compress.quantizing.model import list_groups, quantize_model
from smallwright.errors import DataError, PackageError, RecipeError
from smallwright.model import Transformer, seeded
from smallwright.package.write import interleave, write_package
from smallwright.spec.formats import FORMATS, SCALE_SPAN
from smallwright.spec.model import HeadSpec, ModelSpec
from smallwright.spec.tensors import list_tensors

GPTQ = QuantizeOptions(using="gptq", span=SCALE_SPAN)


def make_model(spec: ModelSpec, seed: int = 0) -> Transformer:
    """Weights large enough that layers matter, some inputs much larger than others."""
    with seeded(seed), torch.no_grad():
        model = Transformer(spec).eval()
        for name, weight in model.named_parameters():
            if "norm" in name and name.endswith("weight"):
                weight.copy_(torch.exp(torch.randn(weight.shape)))
            elif weight.dim() == 2:
                weight.mul_(6)
            else:
                weight.add_(0.1 * torch.randn(weight.shape))
    return model


def make_texts(spec: ModelSpec, count: int = 24) -> list[np.ndarray]:
    generator = np.random.default_rng(0)
    lengths = generator.integers(3, spec.context + 1, count)
    return [generator.integers(0, spec.embedding.vocabulary, length) for length in lengths]


def watch(model: Transformer, texts: list[np.ndarray], name: str) -> torch.Tensor:
    """Everything that enters a linear layer, text by text and without padding, in float64."""
    seen: list[torch.Tensor] = []
    hook = model.get_submodule(name).register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach().flatten(0, -2).double())
    )
    with torch.inference_mode():
        for text in texts:
            model(torch.from_numpy(text)[None])
    hook.remove()
    return torch.cat(seen)


@pytest.mark.parametrize("describe", [decoder, encoder])
def test_moments_are_those_of_texts_one_by_one(describe: Callable[[], ModelSpec]) -> None:
    model = make_model(describe())
    texts = make_texts(model.spec)
    stream = Stream(model, texts)
    for index, layer in enumerate(model.layers):
        for group in list_groups(model.spec.layers[index]):
            found = stream.gather(layer, group)
            for name in group:
                inputs = watch(model, texts, f"layers.{index}.{name}").numpy()
                assert found[name].count == len(inputs)
                np.testing.assert_allclose(found[name].second, inputs.T @ inputs, rtol=1e-3, atol=1e-3)
                np.testing.assert_allclose(found[name].mean, inputs.mean(axis=0), rtol=1e-3, atol=1e-4)
                np.testing.assert_allclose(found[name].magnitude, np.abs(inputs).sum(axis=0), rtol=1e-3, atol=1e-3)
        stream.advance(layer)
    if model.spec.labels:
        inputs = watch(model, texts, "heads.intent.output").numpy()
        np.testing.assert_allclose(
            stream.gather_head("intent")["output"].second, inputs.T @ inputs, rtol=1e-3, atol=1e-3
        )
    else:
        found = stream.gather_head("lm")["output"]
        with torch.inference_mode():
            hidden = torch.cat([model.hidden(torch.from_numpy(text)[None])[0] for text in texts]).double().numpy()
        np.testing.assert_allclose(found.second, hidden.T @ hidden, rtol=1e-3, atol=1e-3)


def test_no_texts_are_refused() -> None:
    with pytest.raises(DataError, match=r"calibration needs texts\. Got none\."):
        Stream(make_model(decoder()), [])


@pytest.mark.parametrize("format", FORMATS)
def test_rounding_is_the_writer_s_own(format: str) -> None:
    model = make_model(decoder())
    before = {name: weight.detach().numpy().copy() for name, weight in model.state_dict().items()}
    formats = plan_formats(model.spec, format)
    found = quantize_model(model, formats, [], QuantizeOptions(span=SCALE_SPAN))
    assert set(found.rows) == {tensor.name for tensor in list_tensors(model.spec) if tensor.matrix}
    for name, rows in found.rows.items():
        np.testing.assert_array_equal(rows, quantize(before[name], formats[name], span=SCALE_SPAN))


@pytest.mark.parametrize("describe", [decoder, encoder])
@pytest.mark.parametrize("order", ["natural", "activation"])
@pytest.mark.parametrize("format", ["q4_0", "q3_span", "q2_span"])
def test_gptq_keeps_every_layer_s_outputs_better_than_rounding(
    describe: Callable[[], ModelSpec], order: str, format: str
) -> None:
    model = make_model(describe())
    found = quantize_model(
        model, plan_formats(model.spec, format), make_texts(model.spec, 64), replace(GPTQ, order=order)
    )
    solved = {name: facts for name, facts in found.facts.items() if "rounding_error" in facts}
    assert len(solved) == len(found.rows) - (0 if model.spec.causal else 1)  # an encoder's table is looked up only
    for facts in solved.values():
        assert facts["error"] <= facts["rounding_error"]
    inner = [facts["error"] / facts["rounding_error"] for name, facts in solved.items() if name.startswith("layers")]
    assert np.mean(inner) < 0.8


@pytest.mark.parametrize("using", ["round", "gptq"])
def test_a_matrix_is_coded_alike_some_rows_at_a_time(monkeypatch: pytest.MonkeyPatch, using: str) -> None:
    model = make_model(decoder())
    weights = model.embedding.tokens.weight.detach().numpy()
    moments = Stream(model, make_texts(model.spec)).gather(model.layers[0], ["mixer.q"])["mixer.q"]
    options = replace(GPTQ, using=using)
    whole = matrix.store(meant := weights.copy(), "q4_0", moments, options, "w")
    np.testing.assert_array_equal(meant, dequantize(whole.rows, "q4_0", 64))
    monkeypatch.setattr(matrix, "_ROWS_AT_ONCE", 97)
    parts = matrix.store(weights.copy(), "q4_0", moments, options, "w")
    np.testing.assert_array_equal(parts.rows, whole.rows)
    assert parts.facts == pytest.approx(whole.facts)


def test_later_layers_are_coded_on_what_earlier_ones_give_now() -> None:
    """The first matrix alone spoils the inputs of the second group: with that one exact, the facts tell."""
    spec = decoder()
    formats = {tensor.name: "f32" for tensor in list_tensors(spec)}
    formats["layers.0.mixer.v.weight"] = formats["layers.0.mixer.output.weight"] = "q4_0"
    model, texts = make_model(spec), make_texts(spec)
    found = quantize_model(model, formats, texts, GPTQ)
    inputs = watch(found.as_model(), texts, "layers.0.mixer.output").numpy()  # of the model with v coded
    whole = make_model(spec).state_dict()["layers.0.mixer.output.weight"].double().numpy()
    difference = whole - found.tensors["layers.0.mixer.output.weight"]
    error = output_error(difference, inputs.T @ inputs).sum() / output_error(whole, inputs.T @ inputs).sum()
    assert found.facts["layers.0.mixer.output.weight"]["error"] == pytest.approx(error, rel=1e-3)
    exact = watch(make_model(spec), texts, "layers.0.mixer.output").numpy()
    other = output_error(difference, exact.T @ exact).sum() / output_error(whole, exact.T @ exact).sum()
    assert abs(other / error - 1) > 1e-2


@pytest.mark.parametrize("mixer", [{}, {"heads": 4, "key_value_heads": 2, "head_width": 32}])
def test_awq_s_factors_change_nothing_but_the_rounding(mixer: dict[str, Any]) -> None:
    model = make_model(decoder(mixer=mixer))
    texts = make_texts(model.spec, 40)
    tokens = torch.from_numpy(np.stack([text[:3] for text in texts]))
    with torch.inference_mode():
        before = model(tokens)
    stream = Stream(model, texts)
    exponents = {}
    for index, layer in enumerate(model.layers):
        names = [name for group in list_groups(model.spec.layers[index]) for name in group]
        moments = stream.gather(layer, names)
        exponents |= scale_inputs(layer, model.spec.layers[index], moments, dict.fromkeys(names, "q4_0"), SCALE_SPAN)
        stream.advance(layer)
    assert len(exponents) == 4 and max(exponents.values()) > 0
    with torch.inference_mode():
        np.testing.assert_allclose(model(tokens), before, rtol=1e-3, atol=1e-3)


def test_awq_rounds_better_than_rounding() -> None:
    spec = decoder()
    texts, found = make_texts(spec, 64), {}
    for using in ("round", "awq"):
        model = make_model(spec)
        stored = quantize_model(
            model, plan_formats(spec, "q4_0"), texts, QuantizeOptions(using=using, span=SCALE_SPAN, correct_bias=False)
        )
        with torch.inference_mode():
            coded = stored.as_model()
            found[using] = torch.cat([coded(torch.from_numpy(text)[None])[0] for text in texts])
        assert ("awq_exponent" in stored.facts["layers.0.mixer.q.weight"]) == (using == "awq")
    whole = make_model(spec)
    with torch.inference_mode():
        exact = torch.cat([whole(torch.from_numpy(text)[None])[0] for text in texts])
    errors = {using: float((logits - exact).norm()) for using, logits in found.items()}
    assert errors["awq"] < errors["round"]


def test_awq_refuses_norms_behind_the_sums() -> None:
    with pytest.raises(RecipeError, match=r"using: awq gives factors to norms .* Use using: gptq\."):
        check_awq(encoder())
    assert [fold.source for fold in list_folds(encoder().layers[0])][-1] == "feedforward.norm"  # gelu bends


def test_added_biases_change_nothing() -> None:
    model = make_model(decoder())
    tokens = torch.from_numpy(np.stack([text[:3] for text in make_texts(model.spec)]))
    with torch.inference_mode():
        before = model(tokens)
        larger = add_biases(model)
        np.testing.assert_array_equal(larger(tokens), before)
    assert larger.spec == with_biases(model.spec) != model.spec
    assert len(larger.state_dict()) == len(model.state_dict()) + 7 * len(model.layers)


@pytest.mark.parametrize("using", ["round", "gptq"])
def test_mean_outputs_are_kept(using: str) -> None:
    """For every linear layer: the mean output on calibration texts before, and with new weights and bias."""
    model = make_model(encoder())
    texts = make_texts(model.spec, 40)
    whole = {name: weight.detach().double() for name, weight in make_model(encoder()).state_dict().items()}
    options = QuantizeOptions(using=using, span=SCALE_SPAN, correct_bias=True)
    found = quantize_model(model, plan_formats(model.spec, "q4_0"), texts, options)
    now = {name: torch.from_numpy(tensor).double() for name, tensor in found.tensors.items()}
    changed = found.as_model()
    names = [name.removesuffix(".weight") for name in found.rows if not name.startswith("embedding.")]
    for name in names:
        inputs = watch(changed, texts, name)
        before = inputs @ whole[f"{name}.weight"].T + whole[f"{name}.bias"]
        after = inputs @ now[f"{name}.weight"].T + now[f"{name}.bias"]
        alone = inputs @ now[f"{name}.weight"].T + whole[f"{name}.bias"]
        size = before.abs().mean()
        assert float((after - before).mean(0).abs().max() / size) < 1e-5  # sums of inputs are made in float32
        assert float((alone - before).mean(0).abs().max() / size) > 1e-4


def test_the_mean_output_is_kept_to_float64() -> None:
    model = make_model(encoder())
    stream = Stream(model, make_texts(model.spec))
    layer = model.layers[0].double()
    moments = stream.gather(model.layers[0].float(), ["mixer.q"])["mixer.q"]
    linear = layer.mixer.q
    weights, bias = linear.weight.detach().double().numpy().copy(), linear.bias.detach().double().numpy().copy()
    new = np.round(weights * 4) / 4
    linear.weight.data = torch.from_numpy(new)
    keep_mean_output(linear.double(), weights, moments)
    after = new @ moments.mean + linear.bias.detach().numpy()
    np.testing.assert_allclose(after, weights @ moments.mean + bias, rtol=0, atol=1e-12)


def test_bytes_go_where_they_save_most() -> None:
    """Matrices that cost the same bytes: the greedy choice is the best of all choices."""
    spec = decoder()
    matrices = {tensor.name: tensor.shape for tensor in list_tensors(spec) if tensor.matrix}
    same = [name for name in matrices if matrices[name] == matrices["layers.0.mixer.k.weight"]]
    fixed = {name: "q8_0" for name in matrices if name not in same}
    generator = np.random.default_rng(0)
    coarse = {tensor.name: "f32" for tensor in list_tensors(spec)} | fixed | dict.fromkeys(same, "q4_0")
    base = count_bytes(spec, coarse)
    more = count_bytes(spec, coarse | {same[0]: "q8_0"}) - base
    sizes = {"q4_0": 0, "q8_0": more}
    measured = [Sensitivity(name, {"q4_0": float(generator.random()), "q8_0": 0.0}, sizes) for name in same]
    for room in range(len(same) + 1):
        most = base + room * more + more // 2
        formats = choose_formats(spec, measured, most, fixed)
        assert count_bytes(spec, formats) <= most
        saved = sum(one.nats["q4_0"] for one in measured if formats[one.name] == "q8_0")
        best = max(sum(one.nats["q4_0"] for one in some) for some in itertools.combinations(measured, room))
        assert saved == pytest.approx(best)
    with pytest.raises(
        RecipeError, match=r"compress\.size must hold all weights in the coarsest formats\. Got room for"
    ):
        choose_formats(spec, measured, base - 1, fixed)


def test_bytes_go_step_by_step() -> None:
    """A first step to the middle format, a second from there, and none that saves nothing."""
    spec = decoder()
    first, second = "layers.0.mixer.k.weight", "layers.1.mixer.k.weight"
    others = {tensor.name: "q8_0" for tensor in list_tensors(spec) if tensor.matrix} | {first: "q4_0", second: "q4_0"}
    base = count_bytes(spec, {tensor.name: "f32" for tensor in list_tensors(spec)} | others)
    sizes = {format: 32 * FORMATS[format].row_bytes(64) for format in ("q4_0", "q5_0", "q8_0")}
    one, other = sizes["q5_0"] - sizes["q4_0"], sizes["q8_0"] - sizes["q4_0"]
    measured = [
        Sensitivity(first, {"q4_0": 1.0, "q5_0": 0.2, "q8_0": 0.0}, sizes),
        Sensitivity(second, {"q4_0": 0.1, "q5_0": 0.05, "q8_0": 0.05}, sizes),
    ]
    for room, expected in ((0, "q4_0 q4_0"), (one, "q5_0 q4_0"), (2 * one, "q5_0 q5_0"), (one + other, "q8_0 q5_0")):
        formats = choose_formats(spec, measured, base + room, others)
        assert f"{formats[first]} {formats[second]}" == expected
    formats = choose_formats(spec, measured, base + 10 * other, others)
    assert (formats[first], formats[second]) == ("q8_0", "q5_0")


@pytest.mark.parametrize("describe", [decoder, encoder])
def test_sensitivity_is_the_divergence_of_the_answers(describe: Callable[[], ModelSpec]) -> None:
    model = make_model(describe())
    texts = make_texts(model.spec)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = measure_sensitivity(model, texts, QuantizeOptions(span=SCALE_SPAN))
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, before[name])
    assert {one.name for one in found} == {tensor.name for tensor in list_tensors(model.spec) if tensor.matrix}
    for one in found[::3]:
        formats = {tensor.name: "f32" for tensor in list_tensors(model.spec)} | {one.name: "q5_0"}
        other = quantize_model(make_model(describe()), formats, [], QuantizeOptions(span=SCALE_SPAN)).as_model()
        sums, count = 0.0, 0
        with torch.inference_mode():
            for text in texts:
                tokens = torch.from_numpy(text)[None]
                theirs, ours = (F.log_softmax(net(tokens).double().flatten(0, -2), -1) for net in (model, other))
                sums, count = sums + float(F.kl_div(ours, theirs, reduction="sum", log_target=True)), count + len(ours)
        assert one.nats["q5_0"] == pytest.approx(sums / count, rel=2e-2, abs=1e-6)
        assert one.nats["q8_0"] < one.nats["q5_0"] < one.nats["q4_0"]


@pytest.mark.parametrize("describe", [decoder, encoder])
def test_the_judge_says_how_far_answers_are(describe: Callable[[], ModelSpec]) -> None:
    model, found = make_model(describe()), {}
    texts = make_texts(model.spec)
    judge = Judge(model, texts)
    for format in ("f32", "q8_0", "q2_span"):
        formats = plan_formats(model.spec, format)
        coded = quantize_model(make_model(describe()), formats, [], QuantizeOptions(span=SCALE_SPAN)).as_model()
        nats = []
        for text in texts:
            tokens = torch.from_numpy(text)[None]
            with torch.inference_mode():
                ours, theirs = (F.log_softmax(net(tokens).double().flatten(0, -2), -1) for net in (coded, model))
            nats.append(F.kl_div(ours, theirs, reduction="none", log_target=True).sum(-1))
        found[format] = judge.divergence(coded)
        assert found[format] == pytest.approx(float(torch.cat(nats).mean()), rel=1e-2, abs=1e-6)
    assert abs(found["f32"]) < 1e-7 < found["q8_0"] < found["q2_span"]


def test_formats_that_the_recipe_names_are_fixed() -> None:
    assert fixed_formats(decoder(), "q8_0", None) == {"embedding.tokens.weight": "q8_0"}
    spec = decoder(heads={"lm": HeadSpec("language_model")})
    assert fixed_formats(spec, None, "f16") == {"heads.lm.output.weight": "f16"}
    found = measure_sensitivity(make_model(spec), make_texts(spec), GPTQ, fixed=("heads.lm.output.weight",))
    assert "heads.lm.output.weight" not in {one.name for one in found}


@pytest.mark.parametrize(("describe", "bias"), [(decoder, False), (decoder, True), (encoder, True)])
def test_the_file_holds_what_was_coded(tmp_path: Path, describe: Callable[[], ModelSpec], bias: bool) -> None:
    """Any reader of the container sees the coded weights, and the engine multiplies them."""
    model = make_model(describe())
    texts = make_texts(model.spec, 40)
    formats = plan_formats(model.spec, "q4_0")
    formats |= {name: "q5_0" for name in formats if "mixer.k.weight" in name or "down.weight" in name}
    found = quantize_model(model, formats, texts, replace(GPTQ, correct_bias=bias))
    info = write_package(
        tmp_path / "x.gguf",
        spec=found.spec,
        tensors=found.tensors,
        formats=found.formats,
        rows=found.rows,
        tokenizer=make("gpt2"),
        task=CLASSIFY if found.spec.labels else GENERATE,
        name="tiny",
    )
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(info.path).tensors}
    for tensor in list_tensors(found.spec):
        theirs = gguf.quants.dequantize(stored[tensor.package_name].data, stored[tensor.package_name].tensor_type)
        ours = found.tensors[tensor.name]
        ours = interleave(ours, found.spec, tensor) if found.spec.causal else ours
        np.testing.assert_array_equal(theirs.reshape(tensor.shape), ours)
    exact = found.as_model()
    sequences = [[int(token) for token in text] for text in texts]
    with run.load(info.path, threads=1, kv_bits=32) if found.spec.causal else run.load(info.path, threads=1) as package:
        ask = package.logits if found.spec.causal else lambda tokens: package.classify_tokens([tokens])
        logits = np.concatenate([ask(tokens) for tokens in sequences])
    with torch.inference_mode():
        coded, whole = (
            np.concatenate([np.atleast_2d(net(torch.tensor([tokens]))[0].numpy()) for tokens in sequences])
            for net in (exact, make_model(describe()))
        )
    # Rounded activations keep the engine a little apart from torch; the original weights are further away.
    assert np.linalg.norm(logits - coded) < 0.5 * np.linalg.norm(whole - coded)


def test_rows_of_another_size_are_refused(tmp_path: Path) -> None:
    model = make_model(decoder())
    found = quantize_model(model, plan_formats(model.spec, "q4_0"), [], QuantizeOptions(span=SCALE_SPAN))
    values: dict[str, Any] = {"tokenizer": make("gpt2"), "task": GENERATE, "name": "tiny"}
    rows = {**found.rows, "layers.1.mixer.q.weight": found.rows["layers.1.mixer.q.weight"][:, :-18]}
    with pytest.raises(PackageError, match=r"coded rows must be uint8 \[64, 36\], .* in layers\.1\.mixer\.q\.weight"):
        write_package(
            tmp_path / "x.gguf", spec=model.spec, tensors=found.tensors, formats=found.formats, rows=rows, **values
        )
