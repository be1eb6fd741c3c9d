"""Dropped weights: masks of the textbook's algorithms, whole models, shares by sensitivity, codes that keep zeros."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.optimize import linprog
from tests.unit.test_gptq import LIMITS, _layer
from tests.unit.test_package import CLASSIFY, GENERATE, decoder, encoder, make
from tests.unit.test_quantizing import make_model, make_texts, watch

from smallwright import run
from smallwright.compress.quantize import count_bytes, dequantize, plan_formats, quantize
from smallwright.compress.quantizing.bias import add_biases
from smallwright.compress.quantizing.calibration import Moments
from smallwright.compress.quantizing.gptq import Solver, output_error
from smallwright.compress.quantizing.grid import Grid
from smallwright.compress.quantizing.matrix import QuantizeOptions, store
from smallwright.compress.quantizing.mixed import measure_sensitivity as measure_formats
from smallwright.compress.quantizing.model import quantize_model
from smallwright.compress.span_rows import unpack_spans
from smallwright.compress.sparsifying.allocation import Sensitivity, allocate, list_shares, measure_sensitivity
from smallwright.compress.sparsifying.matrix import Sparsifier, SparsifyOptions, drop_by_magnitude, drop_by_wanda
from smallwright.compress.sparsifying.model import check_pattern, list_sparsified, measure_norms, sparsify_model
from smallwright.compress.sparsifying.patterns import Pattern
from smallwright.compress.sparsifying.sparsegpt import BLOCK
from smallwright.errors import DataError, ModelSpecError
from smallwright.model import Transformer
from smallwright.package.write import write_package
from smallwright.spec.formats import SCALE_SPAN
from smallwright.spec.model import ModelSpec

PATTERNS = [None, Pattern(2, 4), Pattern(4, 8), Pattern(1, 4)]
METHODS = ("magnitude", "wanda", "sparsegpt")


def _moments(hessian: np.ndarray) -> Moments:
    columns = len(hessian)
    return Moments(400, hessian, np.zeros(columns), np.ones(columns))


def _sparsify(weights: np.ndarray, hessian: np.ndarray, using: str, sparsity: float, pattern: Pattern | None = None):
    return Sparsifier(_moments(hessian), SparsifyOptions(using, pattern)).sparsify(weights, sparsity)


def _lowest(scores: dict[tuple[int, int], float], count: int) -> list[tuple[int, int]]:
    return sorted(scores, key=lambda place: (scores[place], place))[:count]


def _textbook_dropped(
    weights: np.ndarray, hessian: np.ndarray, using: str, sparsity: float, pattern: Pattern | None
) -> np.ndarray:
    """Weight by weight, with sorted lists: what each method's paper says is dropped."""
    rows, columns = weights.shape
    sizes = np.sqrt(np.diag(hessian)) if using == "wanda" else np.ones(columns)
    scores = {(r, c): abs(float(weights[r, c])) * sizes[c] for r in range(rows) for c in range(columns)}
    dropped = np.zeros(weights.shape, bool)
    if pattern is not None:
        sets = [
            ([(r, c + k) for k in range(pattern.of)], pattern.of - pattern.keep)
            for r in range(rows)
            for c in range(0, columns, pattern.of)
        ]
    elif using == "wanda":
        sets = [([(r, c) for c in range(columns)], int(columns * sparsity)) for r in range(rows)]
    else:
        sets = [(list(scores), int(rows * columns * sparsity))]
    for places, count in sets:
        for place in _lowest({place: scores[place] for place in places}, count):
            dropped[place] = True
    return dropped


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("using", ["magnitude", "wanda"])
def test_magnitude_and_wanda_drop_what_their_papers_say(using: str, pattern: Pattern | None) -> None:
    weights, hessian = _layer(64, rows=7)
    for sparsity in (0.3, 0.5, 0.7):
        expected = _textbook_dropped(weights, hessian, using, sparsity, pattern)
        found = _sparsify(weights, hessian, using, sparsity, pattern)
        np.testing.assert_array_equal(found == 0, expected)
        np.testing.assert_array_equal(found[~expected], weights[~expected])
    norms = np.sqrt(np.diag(hessian))
    assert (drop_by_wanda(weights, norms, 0.5) != drop_by_magnitude(weights, 0.5)).any()  # inputs do count


def _textbook_sparsegpt(weights: np.ndarray, hessian: np.ndarray, sparsity: float, pattern: Pattern | None):
    """Optimal Brain Surgeon in the order of the inputs: after each of them the inverse of the rest is made anew."""
    left, columns = weights.astype(np.float64), weights.shape[1]
    regular = hessian + 0.01 * np.mean(np.diag(hessian)) * np.eye(columns)
    inverses = [np.linalg.inv(regular[at:, at:]) for at in range(columns)]
    dropped = np.zeros(left.shape, bool)
    width = BLOCK if pattern is None else pattern.of
    for at in range(columns):
        if at % width == 0:
            chosen = range(at, min(at + width, columns))
            cost = {(r, c): left[r, c] ** 2 / inverses[c][0, 0] for r in range(len(left)) for c in chosen}
            if pattern is None:
                places = _lowest(cost, int(len(cost) * sparsity))
            else:
                places = [
                    place
                    for r in range(len(left))
                    for place in _lowest({(r, c): cost[r, c] for c in chosen}, pattern.of - pattern.keep)
                ]
            for place in places:
                dropped[place] = True
        for row in np.flatnonzero(dropped[:, at]):
            left[row, at:] -= left[row, at] / inverses[at][0, 0] * inverses[at][0]
    left[dropped] = 0
    return left


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("columns", [32, 160])
def test_sparsegpt_is_that_of_the_textbook(columns: int, pattern: Pattern | None) -> None:
    weights, hessian = _layer(columns, rows=6)
    for sparsity in (0.3, 0.5, 0.7) if pattern is None else (0.0,):
        expected = _textbook_sparsegpt(weights, hessian, sparsity, pattern)
        found = _sparsify(weights, hessian, "sparsegpt", sparsity, pattern)
        np.testing.assert_array_equal(found == 0, expected == 0)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("using", METHODS)
@pytest.mark.parametrize("pattern", PATTERNS[1:], ids=str)
def test_every_group_of_a_pattern_keeps_as_many(using: str, pattern: Pattern) -> None:
    weights, hessian = _layer(96)
    kept = _sparsify(weights, hessian, using, 0.0, pattern).reshape(-1, pattern.of) != 0
    assert (kept.sum(axis=1) == pattern.keep).all()


def test_a_share_is_counted_in_whole_weights() -> None:
    weights, hessian = _layer(100, rows=1)
    for using in METHODS[:2]:
        assert (_sparsify(weights, hessian, using, 0.29) == 0).sum() == 29  # 0.29 * 100 is 28.999... in floats
    equal = np.ones((2, 4), np.float32)
    assert drop_by_magnitude(equal, 0.5).tolist() == [[True] * 4, [False] * 4]  # of equals the first


@pytest.mark.parametrize("seed", range(3))
def test_outputs_are_kept_best_by_those_who_look_at_them(seed: int) -> None:
    weights, hessian = _layer(256, rows=32, seed=seed)
    shuffled = np.random.default_rng(seed).permutation(256)  # every block drops its share: large inputs must be spread
    hessian = hessian[np.ix_(shuffled, shuffled)]
    lost = {using: output_error(weights - _sparsify(weights, hessian, using, 0.5), hessian).sum() for using in METHODS}
    assert lost["sparsegpt"] < 0.85 * lost["wanda"] and lost["wanda"] < lost["magnitude"]


def test_a_singular_hessian_is_damped_and_told() -> None:
    weights, _ = _layer(64)
    inputs = np.random.default_rng(0).standard_normal((10, 64))
    sparsifier = Sparsifier(_moments(inputs.T @ inputs), SparsifyOptions("sparsegpt"))
    sparse = sparsifier.sparsify(weights, 0.5)
    facts = sparsifier.describe(weights, sparse, 0.5)
    assert (facts["rank"], facts["inputs"], facts["damping"]) == (10, 64, 0.01)
    assert np.isfinite(sparse).all() and facts["kept"] == facts["weights"] // 2
    with pytest.raises(ModelSpecError, match=r"second moments of a layer's inputs must be finite\."):
        Sparsifier(_moments(np.full((4, 4), np.nan)), SparsifyOptions("sparsegpt"))


@pytest.mark.parametrize("describe", [decoder, encoder])
@pytest.mark.parametrize("using", METHODS)
def test_layers_become_sparse_and_nothing_else(describe: Callable[[], ModelSpec], using: str) -> None:
    model, whole = make_model(describe()), make_model(describe()).state_dict()
    texts = make_texts(model.spec, 40)
    names = [tensor.name for tensor in list_sparsified(model.spec)]
    facts = sparsify_model(model, dict.fromkeys(names, 0.5), texts, SparsifyOptions(using))
    assert list(facts) == names and all(name.startswith("layers.") for name in names)
    for name, weight in model.state_dict().items():
        if name not in facts:
            assert torch.equal(weight, whole[name])
            continue
        assert facts[name]["kept"] == int(weight.count_nonzero()) == facts[name]["weights"] // 2
        assert (facts[name]["error"] == facts[name]["magnitude_error"]) == (using == "magnitude")
    if using == "sparsegpt":
        for kind in ("error", "magnitude_error"):
            assert all(0 < one[kind] < 1.5 for one in facts.values())
        assert np.mean([one["error"] / one["magnitude_error"] for one in facts.values()]) < 0.8


def test_later_layers_see_what_sparse_ones_give() -> None:
    model, texts = make_model(decoder()), make_texts(decoder())
    names = [tensor.name for tensor in list_sparsified(model.spec)]
    sparsify_model(model, dict.fromkeys(names, 0.5), texts, SparsifyOptions("wanda"))
    name = "layers.1.feedforward.down"
    inputs = watch(model, texts, name).numpy()
    whole = make_model(decoder()).state_dict()[f"{name}.weight"].numpy()
    expected = drop_by_wanda(whole, np.sqrt((inputs**2).sum(axis=0)), 0.5)
    np.testing.assert_array_equal(model.get_parameter(f"{name}.weight").detach().numpy() == 0, expected)
    dense = watch(make_model(decoder()), texts, name).numpy()
    assert (drop_by_wanda(whole, np.sqrt((dense**2).sum(axis=0)), 0.5) != expected).any()
    norms = measure_norms(make_model(decoder()), texts)[f"{name}.weight"]
    np.testing.assert_allclose(norms, np.sqrt((dense**2).sum(axis=0)), rtol=1e-3)


@pytest.mark.parametrize("describe", [decoder, encoder])
def test_biases_keep_the_mean_of_what_sparse_matrices_put_out(describe: Callable[[], ModelSpec]) -> None:
    whole = add_biases(make_model(describe())).state_dict()
    model = add_biases(make_model(describe()))
    texts, names = make_texts(model.spec, 40), [tensor.name for tensor in list_sparsified(model.spec)]
    sparsify_model(model, dict.fromkeys(names, 0.5), texts, SparsifyOptions("wanda", correct_bias=True))
    now = model.state_dict()
    for name in (name.removesuffix(".weight") for name in names):
        inputs = watch(model, texts, name)
        before = inputs @ whole[f"{name}.weight"].double().T + whole[f"{name}.bias"]
        after = inputs @ now[f"{name}.weight"].double().T + now[f"{name}.bias"]
        alone = inputs @ now[f"{name}.weight"].double().T + whole[f"{name}.bias"]
        size = before.abs().mean()
        assert float((after - before).mean(0).abs().max() / size) < 1e-5  # sums of inputs are made in float32
        assert float((alone - before).mean(0).abs().max() / size) > 1e-4


def test_what_cannot_be_made_sparse_is_refused() -> None:
    with pytest.raises(ModelSpecError, match=r"pattern 3:5 needs rows that are a multiple of 5 wide\. Got 64 in"):
        check_pattern(decoder(), Pattern(3, 5))
    with pytest.raises(DataError, match="calibration needs texts"):
        sparsify_model(make_model(decoder()), {}, [], SparsifyOptions())


@pytest.mark.parametrize("describe", [decoder, encoder])
def test_sensitivity_is_the_divergence_of_the_answers(describe: Callable[[], ModelSpec]) -> None:
    model = make_model(describe())
    texts = make_texts(model.spec)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    found = measure_sensitivity(model, texts, 0.5, SparsifyOptions("magnitude"))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert [one.name for one in found] == [tensor.name for tensor in list_sparsified(model.spec)]
    for one in (found[0], found[-1]):
        for share in (0.3, 0.7):
            other = make_model(describe())
            weight = other.get_parameter(one.name)
            with torch.inference_mode():
                weight[torch.from_numpy(drop_by_magnitude(weight.numpy(), share))] = 0
                sums, count = 0.0, 0
                for text in texts:
                    tokens = torch.from_numpy(text)[None]
                    theirs, ours = (F.log_softmax(net(tokens).double().flatten(0, -2), -1) for net in (model, other))
                    sums += float(F.kl_div(ours, theirs, reduction="sum", log_target=True))
                    count += len(ours)
            measured = next(nats for tried, nats in one.nats.items() if tried == pytest.approx(share))
            assert measured == pytest.approx(sums / count, rel=2e-2, abs=1e-6)


def test_shares_cost_least_together() -> None:
    """Convex costs: the greedy shares are the optimum of the linear programme."""
    generator = np.random.default_rng(0)
    measured = []
    for index in range(6):
        slopes = np.sort(generator.random(4)) * generator.random()
        nats = dict(zip(list_shares(0.5), np.concatenate([[0.0], np.cumsum(slopes)]), strict=True))
        measured.append(Sensitivity(f"m{index}", int(generator.integers(100, 2000)), nats))
    for sparsity in (0.35, 0.5, 0.61):
        shares = allocate(measured, sparsity)
        total = sum(one.weights for one in measured)
        assert sum(one.weights * shares[one.name] for one in measured) == pytest.approx(sparsity * total)
        ours = sum(np.interp(shares[one.name], *zip(*one.nats.items(), strict=True)) for one in measured)
        # One variable a piece of each curve: its width times its slope is what it costs.
        costs, widths, weights = [], [], []
        for one in measured:
            points = list(one.nats.items())
            for (low, before), (high, after) in pairwise(points):
                costs.append((after - before) / (high - low))
                widths.append((0, high - low))
                weights.append(one.weights)
        needed = sparsity * total - sum(one.weights * min(one.nats) for one in measured)
        best = linprog(costs, A_eq=[weights], b_eq=[needed], bounds=widths)
        assert ours == pytest.approx(best.fun, abs=1e-9)


def test_costs_that_fall_are_taken_first() -> None:
    """A curve with a bump is followed along the line below it."""
    bumpy = Sensitivity("a", 100, {0.3: 0.0, 0.4: 5.0, 0.5: 0.2, 0.6: 1.0})
    steady = Sensitivity("b", 100, {0.3: 0.0, 0.4: 0.5, 0.5: 1.0, 0.6: 1.5})
    assert allocate([bumpy, steady], 0.4) == pytest.approx({"a": 0.5, "b": 0.3})
    for sparsity in (0.01, 0.5, 0.95):
        assert 0 < min(list_shares(sparsity)) < sparsity < max(list_shares(sparsity)) < 1


def test_sensitive_matrices_keep_more() -> None:
    model = make_model(decoder())
    measured = measure_sensitivity(model, make_texts(model.spec), 0.5, SparsifyOptions("wanda"))
    shares = allocate(measured, 0.5)
    weights = np.array([one.weights for one in measured])
    assert np.average(list(shares.values()), weights=weights) == pytest.approx(0.5)
    slopes = [(max(one.nats.values()) - min(one.nats.values())) / one.weights for one in measured]
    assert shares[measured[int(np.argmax(slopes))].name] < shares[measured[int(np.argmin(slopes))].name]


def _textbook_codes(
    weights: np.ndarray, hessian: np.ndarray, scales: np.ndarray, limits: tuple[int, int], places: np.ndarray
) -> np.ndarray:
    """Optimal Brain Quantization in a fixed order, where 0 is the only code of a dropped weight."""
    left, codes = weights.astype(np.float64), np.zeros(weights.shape)
    wide = np.repeat(scales, 32, axis=1)
    for turn, at in enumerate(places):
        rest = places[turn:]
        inverse = np.linalg.inv(hessian[np.ix_(rest, rest)])
        for row in range(len(left)):
            scale, code = wide[row, at], 0.0
            if weights[row, at] != 0 and scale != 0:
                code = min(max(round(left[row, at] / scale), limits[0]), limits[1])
            codes[row, at] = code
            left[row, rest] -= (left[row, at] - code * scale) / inverse[0, 0] * inverse[0]
    return codes


@pytest.mark.parametrize("format", ["q4_sparse", "q4_0", "q8_0", "q3_span"])
@pytest.mark.parametrize("order", ["natural", "activation"])
def test_gptq_gives_codes_to_kept_weights_only(format: str, order: str) -> None:
    weights, hessian = _layer(160)
    sparse = _sparsify(weights, hessian, "wanda", 0.6)
    grid = Grid(format, SCALE_SPAN)
    solver = Solver(hessian, order=order)
    coded = solver.code(sparse, grid, sparse != 0)
    assert (coded.codes[sparse == 0] == 0).all() and (coded.codes[sparse != 0] != 0).mean() > 0.5
    regular = hessian + 0.01 * np.mean(np.diag(hessian)) * np.eye(160)
    places = np.arange(160) if order == "natural" else np.argsort(-np.diag(hessian), kind="stable")
    limits = {**LIMITS, "q4_sparse": (-8, 7), "q3_span": (-4, 3)}[format]
    np.testing.assert_array_equal(coded.codes, _textbook_codes(sparse, regular, coded.scales, limits, places))


@pytest.mark.parametrize("using", ["round", "gptq"])
@pytest.mark.parametrize("format", ["q4_sparse", "q3_span", "q4_0", "q5_0", "q8_0", "f16", "f32"])
def test_zeros_stay_zeros_in_every_format_that_has_one(format: str, using: str) -> None:
    weights, hessian = _layer(192, rows=32)
    sparse = _sparsify(weights, hessian, "sparsegpt", 0.5)
    options = QuantizeOptions(using=using, span=SCALE_SPAN, keep_zeros=True)
    stored = store(meant := sparse.copy(), format, _moments(hessian), options, "layers.0.mixer.q.weight")
    assert (meant[sparse == 0] == 0).all()
    np.testing.assert_array_equal(dequantize(stored.rows, format, 192), meant)
    if format == "q4_sparse":
        kept = unpack_spans(format, stored.rows, 192)[2]
        np.testing.assert_array_equal(kept, sparse != 0)
        assert stored.facts["bytes"] == 32 * (2 * 2 + 192 // 8) + sum(-(-int(row.sum()) // 2) for row in kept)
    if using == "gptq" and "rounding_error" in stored.facts:
        assert stored.facts["error"] < stored.facts["rounding_error"]


def test_a_format_without_a_zero_refuses_dropped_weights() -> None:
    weights, hessian = _layer(64)
    sparse, options = _sparsify(weights, hessian, "wanda", 0.5), QuantizeOptions(keep_zeros=True)
    with pytest.raises(ModelSpecError, match=r"dropped weights need a format that holds 0\. Got q2_span in layers"):
        store(sparse, "q2_span", None, options, "layers.0.mixer.q.weight")
    store(sparse, "q2_span", None, options, "embedding.tokens.weight")
    assert sparse.all()
    model = make_model(decoder())
    found = measure_formats(model, make_texts(model.spec), replace(options, span=SCALE_SPAN))
    assert all("q2_span" not in one.nats for one in found if one.name.startswith("layers."))


def test_other_matrices_than_the_layers_are_stored_dense() -> None:
    formats = plan_formats(encoder(), "q4_sparse")
    inside = {tensor.name for tensor in list_sparsified(encoder())}
    assert {name for name, format in formats.items() if format == "q4_sparse"} == inside
    assert formats["embedding.tokens.weight"] == "q4_0" and formats["heads.intent.output.weight"] == "q8_0"
    assert formats["heads.intent.pooler.weight"] == "q4_0"
    assert plan_formats(decoder(), "q4_sparse", embedding="q8_0")["embedding.tokens.weight"] == "q8_0"


@pytest.mark.parametrize("using", ["round", "gptq"])
@pytest.mark.parametrize("describe", [decoder, encoder])
def test_the_file_holds_what_was_kept(tmp_path: Path, describe: Callable[[], ModelSpec], using: str) -> None:
    """The engine multiplies the sparse weights, and the file has the bytes that were planned."""
    model = make_model(describe())
    texts = make_texts(model.spec, 40)
    names = [tensor.name for tensor in list_sparsified(model.spec)]
    sparsify_model(model, dict.fromkeys(names, 0.5), texts, SparsifyOptions("sparsegpt"))
    whole = {name: model.get_parameter(name).detach().numpy().copy() for name in names}
    formats = plan_formats(model.spec, "q4_sparse")
    found = quantize_model(model, formats, texts, QuantizeOptions(using, SCALE_SPAN, keep_zeros=True))
    for name in names:
        assert (found.tensors[name][whole[name] == 0] == 0).all()
        if using == "round":
            np.testing.assert_array_equal(found.rows[name], quantize(whole[name], "q4_sparse"))
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
    stored = sum(int(tensor.n_bytes) for tensor in gguf.GGUFReader(info.path).tensors)
    assert abs(stored / count_bytes(found.spec, formats, 0.5) - 1) < 0.01  # odd rows take half a byte more
    exact = Transformer.from_tensors(found.spec, {k: torch.from_numpy(v) for k, v in found.tensors.items()}).eval()
    sequences = [[int(token) for token in text] for text in texts]
    with run.load(info.path, threads=1, kv_bits=32) if found.spec.causal else run.load(info.path, threads=1) as package:
        ask = package.logits if found.spec.causal else lambda tokens: package.classify_tokens([tokens])
        logits = np.concatenate([ask(tokens) for tokens in sequences])
    dense = make_model(describe())
    with torch.inference_mode():
        coded, whole = (
            np.concatenate([np.atleast_2d(net(torch.tensor([tokens]))[0].numpy()) for tokens in sequences])
            for net in (exact, dense)
        )
    # Rounded activations keep the engine a little apart from torch; the dense weights are much further away.
    assert np.linalg.norm(logits - coded) < 0.15 * np.linalg.norm(whole - coded)
