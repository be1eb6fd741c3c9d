"""Quantisation-aware training: gradients against closed forms, what is trained against what is stored, bit for bit."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tests.unit.test_package import CLASSIFY, GENERATE, decoder, encoder, make
from tests.unit.test_quantizing import make_model
from torch import Tensor

from smallwright import run
from smallwright.compress.quantize import dequantize, plan_formats, quantize
from smallwright.compress.quantizing.aware import CodedTask, CodedWeight, take_off_codes, wear_codes
from smallwright.compress.quantizing.matrix import QuantizeOptions
from smallwright.compress.quantizing.model import TABLE, Quantized, quantize_model
from smallwright.compress.span_rows import split_planes
from smallwright.data.shards import write_shard
from smallwright.errors import ModelSpecError
from smallwright.model import Transformer, seeded
from smallwright.package.write import interleave, write_package
from smallwright.spec.formats import PLANE_FORMATS, SCALE_SPAN
from smallwright.spec.model import ModelSpec
from smallwright.spec.tensors import list_tensors
from smallwright.train.loop import train
from smallwright.train.objectives import make_objective
from smallwright.train.options import LoopOptions
from smallwright.train.tasks import LanguageModelTask
from smallwright.train.tutor import TutoredTask

FORMATS = [("q8_0", SCALE_SPAN), ("q8_0", 0), ("q4_0", SCALE_SPAN), ("q4_0", 0), ("q5_0", 0)]
FORMATS += [("q3_span", SCALE_SPAN), ("q2_span", SCALE_SPAN), ("q4_sparse", SCALE_SPAN)]
LIMITS = {"q8_0": (-127, 127), "q5_0": (-16, 15), "q4_0": (-8, 7), "q3_span": (-4, 3), "q2_span": (-3, 3)}
LIMITS["q4_sparse"] = (-8, 7)


def draw(columns: int = 288, rows: int = 7, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


def code(weight: Tensor, format: str, span: int, learned: bool = True) -> CodedWeight:
    rows = quantize(weight.numpy(), format, span=span)
    return CodedWeight(format, span, rows, weight.shape[1], learned=learned)


@pytest.mark.parametrize(("format", "span"), FORMATS)
@pytest.mark.parametrize("learned", [True, False])
def test_training_begins_with_what_rounding_gives(format: str, span: int, learned: bool) -> None:
    weight = draw()
    worn = code(weight, format, span, learned)
    rounded = dequantize(quantize(weight.numpy(), format, span=span), format, 288)
    found = worn(weight).detach().numpy()
    same = found == rounded
    assert same.mean() > 0.99  # but for ties and for GGML's own way to cut off
    assert np.abs(found - rounded)[~same].sum() <= np.abs(rounded).sum() * 0.01


@pytest.mark.parametrize(("format", "span"), FORMATS)
def test_what_is_multiplied_is_what_is_stored(format: str, span: int) -> None:
    """Weights that moved, and scales that learned, one of them 0: the file's rows mean the same bits."""
    weight = draw()
    weight[2, 128:160] = 0
    weight[3] = 0
    worn = code(weight, format, span)
    moved = weight + draw(seed=1) * 0.3
    assert worn.growth is not None
    with torch.no_grad():
        worn.growth.copy_(0.5 * torch.randn(worn.growth.shape, generator=torch.Generator().manual_seed(2)))
    multiplied = worn(moved).detach().numpy()
    stored = dequantize(worn.pack(moved), format, 288)
    np.testing.assert_array_equal(multiplied.view(np.uint32), stored.view(np.uint32))
    assert len(np.unique(multiplied)) > 50


@pytest.mark.parametrize("span", [SCALE_SPAN, 0])
def test_learned_scales_of_q4_0_agree_as_the_engine_needs_it(span: int) -> None:
    worn = code(draw(), "q4_0", span)
    assert worn.growth is not None
    with torch.no_grad():
        worn.growth.copy_(torch.randn(worn.growth.shape, generator=torch.Generator().manual_seed(2)))
    scales = worn.scales().detach().double().numpy()
    np.testing.assert_array_equal(scales, scales.astype(np.float16))
    agree = []
    for at in range(0, 9, 4):
        part = scales[:, at : at + 4]
        unit = np.ldexp(1.0, np.frexp(np.abs(part).max(axis=1))[1] - 4)[:, None]
        shares = np.abs(part / unit)
        agree.append((shares == np.rint(shares)).all() and shares.max() <= 15)
    assert all(agree) == bool(span)


@pytest.mark.parametrize(("format", "span"), FORMATS)
def test_gradients_are_those_of_learned_step_sizes(format: str, span: int) -> None:
    """Esser et al., eq. 3, weight by weight in float64; the logarithm's gradient is s times the scale's."""
    lowest, highest = LIMITS[format]
    weight = draw(160).requires_grad_()
    worn = code(weight.detach(), format, span)
    assert worn.growth is not None
    with torch.no_grad():
        worn.growth.fill_(-0.3)  # so that some weights are cut off
    upstream = draw(160, seed=5)
    (worn(weight) * upstream).sum().backward()
    scales = worn.scales().detach().double()
    wide = scales.repeat_interleave(worn.group, dim=1)[:, :160]
    ratios = weight.detach().double() / wide
    step = 2 if format == "q2_span" else 1
    codes = (torch.round((ratios - lowest % step) / step) * step + lowest % step).clamp(lowest, highest)
    slope = torch.where((ratios > lowest) & (ratios < highest), codes - ratios, codes)
    inside = (ratios > lowest) & (ratios < highest)
    assert 0 < int((~inside).sum()) < inside.numel() / 2
    assert weight.grad is not None
    np.testing.assert_array_equal(weight.grad, upstream * inside)
    groups = (upstream.double() * slope).split(worn.group, dim=1)
    grown = worn.begun.double() * np.exp(-0.3)
    expected = torch.stack([group.sum(1) for group in groups], dim=1) * grown
    np.testing.assert_allclose(worn.growth.grad.view_as(expected), expected, rtol=2e-3, atol=1e-6)


def test_fixed_scales_have_no_gradient_and_do_not_move() -> None:
    weight = draw(160).requires_grad_()
    worn = code(weight.detach(), "q3_span", SCALE_SPAN, learned=False)
    assert not list(worn.parameters())
    worn(weight).sum().backward()
    assert weight.grad is not None and set(weight.grad.unique().tolist()) <= {0.0, 1.0}


def test_weights_that_were_dropped_stay_so() -> None:
    """Neither the weight nor its gradient moves, whatever the weight that learns becomes."""
    weight = draw(160)
    weight[:, ::3] = 0
    worn = code(weight, "q4_sparse", SCALE_SPAN)
    moved = (weight + draw(160, seed=1)).requires_grad_()
    found = worn(moved)
    found.sum().backward()
    assert moved.grad is not None
    assert not found[:, ::3].any() and not moved.grad[:, ::3].any()
    assert (found[:, 1::3] != 0).float().mean() > 0.8 and (moved.grad[:, 1::3] == 1).float().mean() > 0.5
    stored = dequantize(worn.pack(moved.detach()), "q4_sparse", 160)
    np.testing.assert_array_equal(stored.view(np.uint32), found.detach().numpy().view(np.uint32))


@pytest.mark.parametrize("format", ["f32", "f16"])
def test_formats_without_codes_are_refused(format: str) -> None:
    with pytest.raises(ModelSpecError, match=rf"training goes through codes, which {format} has none of\."):
        CodedWeight(format, SCALE_SPAN, quantize(draw().numpy(), format), 288, learned=True)


def make_task(folder: Path, vocabulary: int) -> LanguageModelTask:
    """A language with rules: each token is followed by one of three."""
    generator = np.random.default_rng(0)
    follow = generator.integers(0, vocabulary, (vocabulary, 3))
    shards = []
    for name, count in (("train", 12_000), ("held-out", 3_000)):
        text = [0]
        for choice in generator.integers(0, 3, count):
            text.append(int(follow[text[-1], choice]))
        shards.append(write_shard(folder / name, [text], vocabulary))
    return LanguageModelTask(shards[0], shards[1], context=16, batch_size=32)


OPTIONS = LoopOptions(
    epochs=100, max_steps=150, learning_rate=2e-3, weight_decay=0, precision="float32", threads=1, warmup_fraction=0.05
)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> LanguageModelTask:
    return make_task(tmp_path_factory.mktemp("text"), 64)


@pytest.fixture(scope="module")
def dense(task: LanguageModelTask, tmp_path_factory: pytest.TempPathFactory) -> Transformer:
    """A decoder that has learned the rules."""
    with seeded(0):
        model = Transformer(decoder(64))
    options = replace(OPTIONS, max_steps=250, learning_rate=3e-3)
    train(model, task, make_objective(("cross_entropy",)), tmp_path_factory.mktemp("dense"), options, quiet=True)
    return model


def learn(dense: Transformer, task: LanguageModelTask, folder: Path, found: Quantized, *, learned: bool, **how: int):
    """Quantisation-aware training from coded rows, with the dense model's answers."""
    model = copy.deepcopy(dense)
    wear_codes(model, found.formats, found.rows, SCALE_SPAN, learned=learned)
    lessons = CodedTask(TutoredTask(task, copy.deepcopy(dense)))
    objective = make_objective(("soft_targets",), weight=1.0, temperature=1.0)
    train(model, lessons, objective, folder, replace(OPTIONS, **how), quiet=True)
    return model


def code_model(dense: Transformer, format: str, texts: list[np.ndarray], using: str = "round") -> Quantized:
    options = QuantizeOptions(using=using, span=SCALE_SPAN)
    return quantize_model(copy.deepcopy(dense), plan_formats(dense.spec, format), texts, options)


def held_out_loss(task: LanguageModelTask, spec: ModelSpec, tensors: dict[str, np.ndarray]) -> float:
    weights = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    return task.validate(Transformer.from_tensors(spec, weights).eval(), "float32")["loss"]


@pytest.mark.parametrize("learned", [True, False])
def test_two_bits_lose_less_after_training_than_after_gptq(
    dense: Transformer, task: LanguageModelTask, tmp_path: Path, learned: bool
) -> None:
    texts = [task.shard.tokens[at : at + 16] for at in range(0, 1600, 16)]
    whole = task.validate(dense, "float32")["loss"]
    coded = {using: code_model(dense, "q2_span", texts, using) for using in ("round", "gptq")}
    losses = {using: held_out_loss(task, found.spec, found.tensors) for using, found in coded.items()}
    model = learn(dense, task, tmp_path, coded["round"], learned=learned)
    take_off_codes(model)
    ours = held_out_loss(task, dense.spec, {name: weight.numpy() for name, weight in model.state_dict().items()})
    assert whole < ours
    assert ours - whole < 0.5 * (min(losses.values()) - whole)


@pytest.mark.parametrize("format", ["q8_0", "q4_0", "q3_span", "q2_span", "f16"])
def test_the_file_holds_the_weights_of_the_last_pass(
    dense: Transformer, task: LanguageModelTask, tmp_path: Path, format: str
) -> None:
    """Every matrix as its layer multiplied it, spied on in a pass, against the rows that the package holds."""
    found = code_model(dense, format, [])
    model = learn(dense, task, tmp_path, found, learned=True, max_steps=5)
    seen: dict[str, np.ndarray] = {}
    names = {module: f"{name}.weight" for name, module in model.named_modules()}

    def spy(module: torch.nn.Module, *_: object) -> None:
        if names[module] in found.rows:
            seen[names[module]] = module.weight.detach().numpy().copy()

    hooks = [module.register_forward_hook(spy) for module in names]
    model(torch.from_numpy(task.shard.tokens[:16].astype(np.int64))[None])
    for hook in hooks:
        hook.remove()
    rows = take_off_codes(model)
    assert set(rows) == set(found.rows) == set(seen)
    assert {name for name, _ in model.named_parameters()} == {tensor.name for tensor in list_tensors(dense.spec)}
    spec = replace(dense.spec, embedding=replace(dense.spec.embedding, vocabulary=440))
    table_name, table = f"{TABLE}.weight", np.zeros((440 - 64, 64), np.float32)
    rows[table_name] = np.concatenate([rows[table_name], quantize(table, format, span=SCALE_SPAN)])
    tensors = {name: weight.detach().numpy() for name, weight in model.state_dict().items()}
    tensors[table_name] = np.concatenate([tensors[table_name], table])
    path = tmp_path / "tiny.gguf"
    what = {"spec": spec, "tensors": tensors, "rows": rows, "formats": found.formats}
    write_package(path, **what, tokenizer=make("gpt2"), task=GENERATE, name="tiny")
    held = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    assert len(seen) > 10
    for tensor in list_tensors(spec):
        if tensor.name not in seen:
            continue
        stored = rows[tensor.name]
        turned = interleave(stored, spec, tensor)
        if format in PLANE_FORMATS:
            for plane, values in split_planes(format, turned, tensor.shape[-1]).items():
                assert held[f"{tensor.package_name}.{plane}"].data.tobytes() == values.tobytes()
        else:
            assert held[tensor.package_name].data.tobytes() == turned.tobytes()
        meant = dequantize(stored, format, tensor.shape[-1])[: len(seen[tensor.name])]
        np.testing.assert_array_equal(meant.view(np.uint32), seen[tensor.name].view(np.uint32))
        np.testing.assert_array_equal(meant, model.state_dict()[tensor.name][: len(meant)])


def test_a_run_that_was_cut_off_ends_in_the_same_bytes(
    dense: Transformer, task: LanguageModelTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = code_model(dense, "q2_span", [])
    how = {"max_steps": 6, "validate_every": 2}
    whole = take_off_codes(learn(dense, task, tmp_path / "whole", found, learned=True, **how))
    forward, passes = CodedTask.forward, []

    def fail(self: CodedTask, *asked: Any) -> Any:
        passes.append(0)
        if len(passes) == 4:
            raise KeyboardInterrupt
        return forward(self, *asked)

    monkeypatch.setattr(CodedTask, "forward", fail)
    with pytest.raises(KeyboardInterrupt):
        learn(dense, task, tmp_path / "cut", found, learned=True, **how)
    resumed = take_off_codes(learn(dense, task, tmp_path / "cut", found, learned=True, **how))
    assert 6 < len(passes) < 10
    for name, rows in whole.items():
        np.testing.assert_array_equal(rows, resumed[name])


def test_the_engine_answers_with_what_was_trained(tmp_path: Path) -> None:
    """A classifier at 2 bits, its scales moved: the written file's logits against the worn model's."""
    model = make_model(encoder())
    formats = plan_formats(model.spec, "q2_span")
    found = quantize_model(copy.deepcopy(model), formats, [], QuantizeOptions(span=SCALE_SPAN))
    wear_codes(model, formats, found.rows, SCALE_SPAN, learned=True)
    with torch.no_grad(), seeded(1):
        for name, parameter in model.named_parameters():
            if name.endswith("growth"):
                parameter.copy_(0.1 * torch.randn(parameter.shape))
    path = tmp_path / "tiny.gguf"
    texts = ["on and off", "the light"]
    tokenizer = make("bert")
    tokens = [torch.tensor(tokenizer.encode(text).ids)[None] for text in texts]
    with torch.inference_mode():
        wanted = torch.cat([model.classify(text) for text in tokens]).numpy()
    rows = take_off_codes(model)
    tensors = {name: weight.detach().numpy() for name, weight in model.state_dict().items()}
    write_package(
        path,
        spec=model.spec,
        tensors=tensors,
        rows=rows,
        formats=formats,
        tokenizer=tokenizer,
        task=CLASSIFY,
        name="tiny",
    )
    with run.load(str(path), threads=1) as package:
        found_logits = package.classify_logits(texts)
    assert np.abs(found_logits - wanted).max() < 0.03 * np.abs(wanted).max()  # the engine's activations have 8 bits
