"""Schedule, optimizer groups, clipping, precision, prediction and calibration, each against someone else's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from smallwright.errors import CheckpointError, DataError, RecipeError
from smallwright.model import Transformer, preset, seeded
from smallwright.spec import HeadSpec
from smallwright.train.calibrate import HIGHEST, LOWEST, fit_temperature, negative_log_likelihood
from smallwright.train.checkpoint import read_tensors, write_tensors
from smallwright.train.optimizer import clip_gradients, group_parameters, learning_rate_scale, make_optimizers
from smallwright.train.precision import choose_precision
from smallwright.train.predict import group_by_length, predict_logits
from smallwright.train.schedule import learning_rate_factor


def _classifier(classes: int = 3) -> Transformer:
    heads = {"classifier": HeadSpec("classifier", pooling="mean", labels=tuple("abcdefgh"[:classes]))}
    with seeded(0):
        return Transformer(preset("nano", vocabulary=50, causal=False, heads=heads, context=32))


def test_schedule_equals_transformers_one_step_on() -> None:
    from transformers import get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

    total, warmup = 40, 8
    for schedule, make in (("linear", get_linear_schedule_with_warmup), ("cosine", get_cosine_schedule_with_warmup)):
        theirs = make(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0), warmup, total).lr_lambdas[0]
        for step in range(total):
            ours = learning_rate_factor(step, total_steps=total, warmup_steps=warmup, schedule=schedule)
            # theirs begins with a step at rate 0; ours does not waste it
            expected = theirs(step + 1) if step < warmup else theirs(step)
            assert ours == pytest.approx(expected), (schedule, step)


def test_schedule_ends() -> None:
    assert [learning_rate_factor(s, total_steps=2, warmup_steps=0, schedule="linear") for s in range(2)] == [1.0, 0.5]
    assert learning_rate_factor(9, total_steps=10, warmup_steps=2, schedule="constant") == 1.0
    assert learning_rate_factor(0, total_steps=1, warmup_steps=1, schedule="linear") == 1.0
    with pytest.raises(RecipeError, match="schedule must be one of linear, cosine, constant"):
        learning_rate_factor(3, total_steps=10, warmup_steps=2, schedule="step")


def test_decay_is_for_matrices_and_rates_differ_by_layer() -> None:
    model = _classifier()
    groups = group_parameters(model, weight_decay=0.1, layer_decay=0.5, head_scale=4.0)
    facts = {name: (g["weight_decay"], g["scale"]) for g in groups for name in g["names"]}
    assert sorted(facts) == sorted(name for name, _ in model.named_parameters())
    assert facts["layers.0.mixer.q.weight"] == (0.1, 0.5)
    assert facts["layers.1.mixer.q.weight"] == (0.1, 1.0)
    assert facts["layers.1.mixer.norm.weight"] == (0.0, 1.0)
    assert facts["heads.classifier.output.weight"] == (0.1, 4.0)
    assert facts["heads.classifier.output.bias"] == (0.0, 4.0)
    assert facts["embedding.tokens.weight"] == (0.0, 0.25)
    assert learning_rate_scale("norm.weight", 2, layer_decay=0.5, head_scale=4.0) == 1.0


def test_fused_adamw_is_adamw() -> None:
    ours, theirs = _classifier(), _classifier()
    (fast,) = make_optimizers(ours, learning_rate=1e-2, weight_decay=0.0)
    plain = torch.optim.AdamW(theirs.parameters(), lr=1e-2, weight_decay=0.0, foreach=False)
    tokens, labels = torch.randint(50, (4, 6)), torch.tensor([0, 1, 2, 0])
    for _ in range(3):
        for model, optimizer in ((ours, fast), (theirs, plain)):
            nn.functional.cross_entropy(model.classify(tokens), labels).backward()
            optimizer.step()
            optimizer.zero_grad()
    for (name, left), right in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(left, right, atol=2e-5, rtol=1e-3, msg=name)


def test_muon_has_the_layers_matrices_and_adamw_the_rest() -> None:
    """The step is that of the closed form: the gradient's own directions, their lengths through five quintics."""
    model = _classifier()
    muon, adamw = make_optimizers(model, learning_rate=1e-2, weight_decay=0.1, optimizer="muon", beta2=0.95)
    names = {parameter: name for name, parameter in model.named_parameters()}
    owned = [{names[p] for group in one.param_groups for p in group["params"]} for one in (muon, adamw)]
    matrices = {name for name, p in model.named_parameters() if name.startswith("layers.") and p.ndim == 2}
    assert owned[0] == matrices and owned[0] | owned[1] == set(names.values()) and not owned[0] & owned[1]
    assert {group["weight_decay"] for group in muon.param_groups} == {0.1}
    assert {group["betas"] for group in adamw.param_groups} == {(0.9, 0.95)}
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    tokens, labels = torch.randint(50, (4, 6)), torch.tensor([0, 1, 2, 0])
    nn.functional.cross_entropy(model.classify(tokens), labels).backward()
    muon.step()
    for name, parameter in model.named_parameters():
        if name not in matrices:
            assert torch.equal(parameter, before[name]), name
            continue
        u, lengths, v = torch.linalg.svd(parameter.grad, full_matrices=False)
        lengths = lengths / lengths.norm()
        for _ in range(5):
            lengths = 3.4445 * lengths - 4.7750 * lengths**3 + 2.0315 * lengths**5
        size = 1e-2 * 0.2 * max(parameter.shape) ** 0.5
        expected = before[name] * (1 - 1e-2 * 0.1) - size * (u * lengths) @ v
        # It computes in bfloat16, in which the gradient's weakest directions are noise.
        made, wanted = (parameter.detach() - before[name]).flatten(), (expected - before[name]).flatten()
        assert nn.functional.cosine_similarity(made, wanted, dim=0) > 0.8, name
        assert float(made.norm() / wanted.norm()) == pytest.approx(1.0, abs=0.25), name


@pytest.mark.parametrize("limit", [0.5, 1e6, None])
def test_clipping_is_torchs(limit: float | None) -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.zeros(5, 3)), nn.Parameter(torch.zeros(7)), nn.Parameter(torch.zeros(2))]
    theirs = [nn.Parameter(torch.zeros(5, 3)), nn.Parameter(torch.zeros(7))]
    for left, right in zip(ours, theirs, strict=False):
        left.grad = torch.randn_like(left)
        right.grad = left.grad.clone()
    norm = clip_gradients(ours, limit)
    assert norm == pytest.approx(float(nn.utils.clip_grad_norm_(theirs, math.inf if limit is None else limit)))
    for left, right in zip(ours, theirs, strict=False):
        torch.testing.assert_close(left.grad, right.grad)
    assert clip_gradients([ours[2]], 1.0) == 0.0


def test_precision() -> None:
    cpu = torch.device("cpu")
    assert choose_precision("float32", cpu) == "float32"
    assert choose_precision("bfloat16", cpu) == "bfloat16"
    assert choose_precision("auto", cpu) in ("float32", "bfloat16")
    assert choose_precision("auto", torch.device("meta")) == "float32"
    with pytest.raises(RecipeError, match=r"precision must be one of auto, float32, bfloat16. Got 'fp8'"):
        choose_precision("fp8", cpu)


def test_prediction_equals_one_by_one_and_keeps_order() -> None:
    rng, model = np.random.default_rng(0), _classifier()
    sequences = [rng.integers(0, 50, rng.integers(1, 30)).astype(np.int32) for _ in range(23)]
    model.train()
    together = predict_logits(model, sequences, max_tokens_per_batch=64)
    assert model.training
    model.eval()
    with torch.no_grad():
        alone = np.stack([model.classify(torch.from_numpy(s.astype(np.int64))[None])[0].numpy() for s in sequences])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert predict_logits(model, []).shape == (0, 0)


def test_groups_hold_every_row_within_the_budget() -> None:
    lengths = [3, 9, 1, 1, 8, 40, 2]
    groups = group_by_length(lengths, 20)
    assert sorted(np.concatenate(groups).tolist()) == list(range(7))
    assert all(len(rows) == 1 or len(rows) * max(lengths[row] for row in rows) <= 20 for rows in groups)


@pytest.mark.parametrize("factor", [0.3, 1.0, 2.5, 7.0])
def test_temperature_is_the_best_of_a_fine_grid(factor: float) -> None:
    rng = np.random.default_rng(1)
    honest = rng.normal(size=(400, 6)) * 2
    odds = np.exp(honest) / np.exp(honest).sum(1, keepdims=True)
    labels = np.array([rng.choice(6, p=row) for row in odds])
    found = fit_temperature((honest * factor).astype(np.float32), labels)
    grid = np.geomspace(LOWEST, HIGHEST, 4001)
    best = grid[np.argmin([negative_log_likelihood(honest * factor, labels, value) for value in grid])]
    assert found == pytest.approx(best, rel=2e-3)
    assert found == pytest.approx(factor, rel=0.25)


def test_likelihood_is_scikit_learns() -> None:
    from sklearn.metrics import log_loss

    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(50, 4)) * 3, rng.integers(0, 4, 50)
    odds = np.exp(logits / 1.7) / np.exp(logits / 1.7).sum(1, keepdims=True)
    assert negative_log_likelihood(logits, labels, 1.7) == pytest.approx(log_loss(labels, odds, labels=range(4)))


def test_temperature_stays_in_range() -> None:
    right, wrong = np.eye(3) * 5, np.roll(np.eye(3), 1, axis=1) * 5
    assert fit_temperature(right, np.arange(3)) == pytest.approx(LOWEST, rel=1e-3)
    assert fit_temperature(wrong, np.arange(3)) == pytest.approx(HIGHEST, rel=1e-3)
    with pytest.raises(DataError, match="calibration needs finite logits"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, dtype=int))
    with pytest.raises(DataError, match="calibration needs finite logits"):
        fit_temperature(np.full((1, 3), np.nan), np.zeros(1, dtype=int))


def test_tensor_files_are_whole_or_named(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    write_tensors(path, {"a": torch.arange(3.0), "b": torch.tensor(2.0)}, {"step": 3})
    tensors, facts = read_tensors(path)
    assert facts == {"step": 3} and tensors["a"].tolist() == [0, 1, 2] and tensors["b"].shape == ()
    assert [file.name for file in tmp_path.iterdir()] == ["state.safetensors"]
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(CheckpointError, match=r"a training checkpoint must be whole.*Delete the file"):
        read_tensors(path)
