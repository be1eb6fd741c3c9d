"""Coding a table takes the memory of some rows beside its codes, and no row's bytes depend on the others."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.unit.test_package import decoder

from smallwright.compress.quantize import dequantize, plan_formats, quantize
from smallwright.compress.quantizing.matrix import QuantizeOptions
from smallwright.compress.quantizing.model import quantize_model
from smallwright.errors import ModelSpecError
from smallwright.model import Transformer, preset, preset_classifier, seeded
from smallwright.spec import ModelSpec
from smallwright.spec.formats import FORMATS, SCALE_SPAN
from smallwright.spec.tensors import list_tensors

CODED = [name for name, row in FORMATS.items() if row.bits_per_weight < 16]


@pytest.mark.parametrize("name", CODED)
def test_rows_are_coded_alike_in_any_company(name: str) -> None:
    table = np.random.default_rng(0).normal(size=(4500, 64)).astype(np.float32)
    rows = quantize(table, name, span=SCALE_SPAN)
    some = slice(2030, 2070)  # on both sides of where parts meet
    assert np.array_equal(rows[some], quantize(table[some], name, span=SCALE_SPAN))
    meant = dequantize(rows, name, 64)
    assert np.array_equal(meant[some], dequantize(rows[some], name, 64))
    assert meant.shape == table.shape and np.abs(meant - table).max() < np.abs(table).max()


@pytest.mark.parametrize("name", ["q8_0", "q4_0", "q3_span", "q2_span"])
def test_a_table_takes_little_beside_its_codes(name: str) -> None:
    table = np.random.default_rng(0).normal(size=(60_000, 128)).astype(np.float32)
    rows, coding = _peak(lambda: quantize(table, name, span=SCALE_SPAN))
    assert coding - rows.nbytes < table.nbytes / 2
    meant, reading = _peak(lambda: dequantize(rows, name, 128))
    assert reading - meant.nbytes < table.nbytes / 4


def _peak(make: Callable[[], np.ndarray]) -> tuple[np.ndarray, int]:
    tracemalloc.start()
    try:
        made = make()
        return made, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_weights_are_let_go_layer_by_layer() -> None:
    """At most the model is there, and what one layer's Hessians take: 30 layers and their codes are one at a time."""
    spec = decoder()
    spec = replace(spec, layers=spec.layers[:1] * 30, embedding=replace(spec.embedding, vocabulary=5000))
    texts = [np.random.default_rng(row).integers(0, 5000, 32) for row in range(4)]
    with seeded(0):
        model = Transformer(spec).eval()
    left: list[int] = []
    for layer in model.layers:
        layer.register_forward_pre_hook(lambda *_: left.append(sum(one.nbytes for one in model.parameters())))
    found = quantize_model(model, plan_formats(spec, "q4_0"), texts, QuantizeOptions("gptq", SCALE_SPAN))
    coding = left[-30 * 4 :]
    assert coding == sorted(coding, reverse=True)
    assert coding[-1] + sum(rows.nbytes for rows in found.rows.values()) < 0.3 * left[0]


def test_a_model_with_a_large_table_is_coded_as_its_parts_would_be() -> None:
    spec = decoder()
    spec = replace(spec, embedding=replace(spec.embedding, vocabulary=9000))
    with seeded(0):
        model = Transformer(spec).eval()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    found = quantize_model(model, plan_formats(spec, "q4_0"), [], QuantizeOptions(span=SCALE_SPAN))
    assert set(found.rows) == {tensor.name for tensor in list_tensors(spec) if tensor.matrix}
    for name, rows in found.rows.items():
        whole = quantize(before[name], found.formats[name], span=SCALE_SPAN)
        assert np.array_equal(rows, whole)
        assert np.array_equal(found.tensors[name], dequantize(whole, found.formats[name], before[name].shape[1]))
        assert found.facts[name] == {"format": found.formats[name], "bytes": rows.nbytes}
    assert not any(model.state_dict()[name].numel() for name in found.rows)
    with seeded(0):
        model = Transformer(spec).eval()
    with torch.no_grad():
        model.embedding.tokens.weight[8000, 3] = float("nan")
    with pytest.raises(ModelSpecError, match=r"Got nan in embedding\.tokens\.weight at \[8000, 3\]"):
        quantize_model(model, plan_formats(spec, "q4_0"), [], QuantizeOptions(span=SCALE_SPAN))


PAIRS = preset(
    "pico", vocabulary=500, causal=False, heads={"classifier": preset_classifier("ab")}, context=40, bigrams=64
)


@pytest.mark.parametrize(
    "spec", [replace(decoder(), embedding=replace(decoder().embedding, vocabulary=500)), PAIRS], ids=["tied", "pairs"]
)
def test_texts_pass_the_coded_tables_once_the_weights_are_gone(spec: ModelSpec) -> None:
    texts = [np.random.default_rng(row).integers(0, 500, 40) for row in range(3)]
    with seeded(0):
        model = Transformer(spec).eval()
    entered: list[torch.Tensor] = []

    def look(_: torch.nn.Module, inputs: tuple[torch.Tensor, object]) -> None:
        if not model.embedding.tokens.weight.numel():
            entered.append(inputs[0].clone())

    hook = model.layers[0].register_forward_pre_hook(look)
    found = quantize_model(model, plan_formats(spec, "q4_0"), texts, QuantizeOptions("gptq", SCALE_SPAN))
    hook.remove()
    with torch.no_grad():
        meant = found.as_model().embedding(torch.from_numpy(np.stack(texts)))
    assert entered and all(torch.equal(one, meant) for one in entered)
