"""The battery that every objective of the table must pass, and what the single ones claim."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import rel_entr

from smallwright.errors import RecipeError
from smallwright.train.divergences import DIVERGENCES, gather_top, soft_target_divergence
from smallwright.train.objectives import NO_LABEL, OBJECTIVES, Objective, Targets, make_objective

NAMES = sorted(OBJECTIVES)


def _case(rows: int = 7, classes: int = 5, seed: int = 0) -> tuple[torch.Tensor, Targets]:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator) * 3
    teacher = torch.randn(rows, classes, generator=generator) * 3
    labels = torch.randint(classes, (rows,), generator=generator)
    # A teacher of the same tokens, in the terms of one that reads others too: each label is a span.
    likelihoods = F.log_softmax(teacher, -1).gather(1, labels[:, None])[:, 0]
    return logits, Targets(labels, teacher, spans=torch.arange(rows), span_likelihoods=likelihoods)


def _row(targets: Targets, row: int) -> Targets:
    """One row as targets of its own."""
    part = slice(row, row + 1)
    teacher, likelihoods = targets.teacher, targets.span_likelihoods
    assert teacher is not None and likelihoods is not None
    return Targets(targets.labels[part], teacher[part], spans=torch.zeros(1).long(), span_likelihoods=likelihoods[part])


def check_objective(objective: Objective) -> None:
    """What the loop relies on: one finite loss a row, at least 0, of that row alone, with a usable gradient."""
    logits, targets = _case()
    logits.requires_grad_(True)
    losses = objective(logits, targets)
    assert losses.shape == (7,) and losses.dtype == torch.float32
    assert bool((losses >= 0).all()) and bool(torch.isfinite(losses).all())
    losses.sum().backward()
    assert logits.grad is not None and bool(torch.isfinite(logits.grad).all()) and float(logits.grad.abs().sum()) > 0
    # softmax does not see a shift, so neither may the loss: its gradient sums to nothing in each row
    torch.testing.assert_close(logits.grad.sum(1), torch.zeros(7), atol=1e-5, rtol=0)
    for row in range(7):
        torch.testing.assert_close(objective(logits[row : row + 1], _row(targets, row))[0], losses[row])
    with torch.no_grad():
        assert float(objective(logits - 0.05 * logits.grad, targets).sum()) < float(losses.sum())
        large = objective(logits * 1e4, targets)
        assert bool(torch.isfinite(large).all())


@pytest.mark.parametrize("name", NAMES)
def test_every_objective_keeps_the_contract(name: str) -> None:
    check_objective(make_objective([name]))
    check_objective(make_objective([name], label_smoothing=0.1, temperature=4.0, weight=0.5))


@pytest.mark.parametrize("name", NAMES)
def test_names_tell_options_apart(name: str) -> None:
    assert make_objective([name]).name != make_objective([name], label_smoothing=0.3).name


def test_objectives_add_up() -> None:
    logits, targets = _case()
    both = make_objective(["cross_entropy", "soft_targets"], weight=1.0)(logits, targets)
    single = [make_objective([name], weight=1.0)(logits, targets) for name in ("cross_entropy", "soft_targets")]
    torch.testing.assert_close(both, single[0] + single[1])


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_torchs(smoothing: float) -> None:
    logits, targets = _case()
    labels = targets.labels.clone()
    labels[2] = NO_LABEL
    ours = make_objective(["cross_entropy"], label_smoothing=smoothing)(logits, Targets(labels))
    assert float(ours[2]) == 0.0
    theirs = F.cross_entropy(logits, labels, ignore_index=NO_LABEL, label_smoothing=smoothing)
    torch.testing.assert_close(ours.sum() / Targets(labels).count(), theirs)


@given(st.integers(2, 40), st.integers(0, 10_000), st.floats(0.25, 20))
@settings(max_examples=40, deadline=None)
def test_divergence_is_torchs_kl_and_zero_at_equality(classes: int, seed: int, temperature: float) -> None:
    logits, targets = _case(3, classes, seed)
    assert targets.teacher is not None
    ours = soft_target_divergence(logits, targets.teacher, temperature)
    student, teacher = (F.log_softmax(x / temperature, dim=-1) for x in (logits, targets.teacher))
    theirs = F.kl_div(student, teacher, log_target=True, reduction="none").sum(-1) * temperature**2
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)
    assert float(ours.min()) >= -1e-4
    same = soft_target_divergence(logits, logits + 3.0, temperature)
    assert float(same.abs().max()) < 1e-4 * max(1.0, temperature**2)


@pytest.mark.parametrize("kind", sorted(DIVERGENCES))
def test_every_divergence_keeps_the_contract(kind: str) -> None:
    check_objective(make_objective(["soft_targets"], divergence=kind, skew=0.3))
    logits, targets = _case()
    same = soft_target_divergence(logits, logits - 2.0, 3.0, kind=kind, skew=0.3)
    assert float(same.abs().max()) < 1e-4
    assert targets.teacher is not None
    excluded = targets.teacher.clone()
    excluded[:, 1] = float("-inf")
    logits.requires_grad_(True)
    losses = soft_target_divergence(logits, excluded, 2.0, kind=kind)
    losses.sum().backward()
    assert bool(torch.isfinite(losses).all()) and logits.grad is not None and bool(torch.isfinite(logits.grad).all())


@given(st.integers(2, 40), st.integers(0, 10_000), st.floats(0.5, 10), st.floats(0.05, 0.95))
@settings(max_examples=30, deadline=None)
def test_divergences_are_scipys(classes: int, seed: int, temperature: float, skew: float) -> None:
    """``scipy.special.rel_entr`` of the mixed distributions as the papers write them, in float64."""
    logits, targets = _case(3, classes, seed)
    assert targets.teacher is not None
    q, p = (F.softmax(x.double() / temperature, dim=-1).numpy() for x in (logits, targets.teacher))

    def entropy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return rel_entr(a, b).sum(-1)

    middle = skew * p + (1 - skew) * q
    expected = {
        "forward": entropy(p, q),
        "reverse": entropy(q, p),
        "skewed_forward": entropy(p, middle),
        "skewed_reverse": entropy(q, skew * q + (1 - skew) * p),
        "jensen_shannon": skew * entropy(p, middle) + (1 - skew) * entropy(q, middle),
    }
    for kind, theirs in expected.items():
        ours = soft_target_divergence(logits, targets.teacher, temperature, kind=kind, skew=skew)
        np.testing.assert_allclose(ours.numpy(), theirs * temperature**2, rtol=2e-4, atol=2e-4 * temperature**2)


def test_the_tail_is_one_more_class() -> None:
    """Top two of five with the tail: the divergence of the distributions whose last three classes are added up."""
    logits, targets = _case()
    assert targets.teacher is not None
    log_p = F.log_softmax(targets.teacher, -1)
    top = log_p.topk(2, dim=-1)
    spoken, teacher = gather_top(logits, top.values, top.indices, tail=True)
    others = torch.ones_like(log_p).scatter_(1, top.indices, 0.0)
    p, q = log_p.exp(), F.softmax(logits, -1)
    for found, whole in ((teacher, p), (spoken, q)):
        grouped = torch.cat((whole.gather(1, top.indices), (whole * others).sum(1, keepdim=True)), 1)
        torch.testing.assert_close(F.softmax(found, -1), grouped, atol=1e-5, rtol=1e-4)
    pure = make_objective(["soft_targets"], weight=1.0, tail=True, temperature=1.0)
    own = F.log_softmax(logits, -1).topk(2, dim=-1)
    assert float(pure(logits, Targets(targets.labels, own.values, own.indices)).abs().max()) < 1e-4
    # Mass on classes that the teacher does not name costs something, which without the tail it does not.
    astray = logits.clone()
    astray.scatter_(1, (F.log_softmax(logits, -1)).argmin(1, keepdim=True), 9.0)
    named = Targets(targets.labels, own.values, own.indices)
    assert float(pure(astray, named).min()) > 0.5
    blind = make_objective(["soft_targets"], weight=1.0, temperature=1.0)
    assert float(blind(astray, named).abs().max()) < 1e-4


def test_mixing_weight_and_rows_without_label() -> None:
    logits, targets = _case()
    labels = targets.labels.clone()
    labels[0] = NO_LABEL
    targets = Targets(labels, targets.teacher)
    assert targets.teacher is not None
    mixed = make_objective(["soft_targets"], weight=0.7, temperature=3.0)(logits, targets)
    soft = soft_target_divergence(logits, targets.teacher, 3.0)
    hard = F.cross_entropy(logits, labels, ignore_index=NO_LABEL, reduction="none")
    torch.testing.assert_close(mixed, 0.7 * soft + 0.3 * hard)
    torch.testing.assert_close(mixed[0], 0.7 * soft[0])
    assert targets.count() == 7


def test_a_probability_of_zero_is_no_nan() -> None:
    teacher = torch.tensor([[0.0, float("-inf"), 1.0]])
    logits = torch.zeros(1, 3, requires_grad=True)
    loss = soft_target_divergence(logits, teacher, 2.0)
    loss.sum().backward()
    assert torch.isfinite(loss).all() and logits.grad is not None and torch.isfinite(logits.grad).all()
    share = torch.softmax(teacher / 2, -1)[:, ::2]
    torch.testing.assert_close(loss.detach(), 4 * (share * (share * 3).log()).sum(-1))


def test_top_classes_equal_the_whole_when_they_are_all() -> None:
    logits, targets = _case()
    assert targets.teacher is not None
    order = torch.argsort(targets.teacher, dim=1, descending=True)
    top = Targets(targets.labels, targets.teacher.gather(1, order), order)
    objective = make_objective(["soft_targets"])
    torch.testing.assert_close(objective(logits, top), objective(logits, targets))
    some = Targets(targets.labels, logits.gather(1, order[:, :2]) + 1.0, order[:, :2])
    pure = make_objective(["soft_targets"], weight=1.0)
    assert float(pure(logits, some).abs().max()) < 1e-5


def test_errors_say_what_to_do() -> None:
    logits, targets = _case()
    with pytest.raises(
        RecipeError, match=r"objectives must be one or more of cross_entropy, soft_targets, .*. Got \['kl'\]"
    ):
        make_objective(["kl"])
    with pytest.raises(RecipeError, match=r"soft_targets needs a teacher's answers. .* Add a teacher"):
        make_objective(["soft_targets"])(logits, Targets(targets.labels))
    with pytest.raises(RecipeError, match=r"aligned_likelihood needs a teacher's likelihoods of spans"):
        make_objective(["aligned_likelihood"])(logits, Targets(targets.labels, targets.teacher))
