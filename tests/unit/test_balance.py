"""Losses that are balanced while a model learns, against the closed form. In the loop: test_tutor.py."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from smallwright.errors import RecipeError
from smallwright.recipe import Recipe
from smallwright.train.balance import MEMORY, MOST_APART, Balancer
from smallwright.train.objectives import NO_LABEL, OBJECTIVES, Targets, Term, make_objective
from smallwright.train.settings import DistilSettings


def give(balancer: Balancer, sizes: dict[str, float]) -> float:
    terms = [Term(name, torch.full((4,), size), 1.0) for name, size in sizes.items()]
    found = float(balancer.add_up(terms, (), count=4, total=4))
    balancer.end_step()
    return found


def test_factors_are_the_inverse_of_running_means() -> None:
    rng = np.random.default_rng(0)
    sizes = rng.uniform(0.1, 10.0, (30, 3))
    balancer = Balancer({})
    for step in range(30):
        fades = MEMORY ** np.arange(step - 1, -1, -1)
        means = (fades[:, None] * sizes[:step]).sum(0) / fades.sum() if step else np.ones(3)
        expected = 3 * (1 / means) / (1 / means).sum()
        found = give(balancer, dict(zip("abc", sizes[step].tolist(), strict=True)))
        assert found == pytest.approx(float((expected * sizes[step]).sum()), rel=1e-5)
    assert sum(balancer.factors().values()) == pytest.approx(3)


def test_factors_are_where_uncertainty_weighting_ends() -> None:
    """With given losses, the weights that gradient descent on Kendall's own objective comes to have the same ratios."""
    losses = {"a": 3.0, "b": 0.2, "c": 0.7}
    logarithms = torch.zeros(3, requires_grad=True)
    descent = torch.optim.Adam([logarithms], lr=0.05)
    for _ in range(1000):
        descent.zero_grad()
        (torch.tensor(list(losses.values())) * (-logarithms).exp() + logarithms).sum().backward()
        descent.step()
    learned = (-logarithms).exp().detach()
    balancer = Balancer({})
    give(balancer, losses)
    found = torch.tensor(list(balancer.factors().values()))
    torch.testing.assert_close(found / found.sum(), learned / learned.sum(), rtol=1e-3, atol=0)


def test_scales_do_not_matter_and_one_loss_alone_stays_as_it_is() -> None:
    one, other = Balancer({}), Balancer({})
    for size in (0.5, 2.0, 1.0):
        give(one, {"a": size, "b": 2 * size})
        give(other, {"a": 100 * size, "b": 2 * size})
    plain, scaled = one.factors(), other.factors()
    assert 100 * scaled["a"] / scaled["b"] == pytest.approx(plain["a"] / plain["b"])
    alone = Balancer({})
    assert give(alone, {"a": 5.0}) == 5.0 and give(alone, {"a": 7.0}) == 7.0


def test_a_loss_next_to_nothing_does_not_silence_the_others() -> None:
    balancer = Balancer({})
    give(balancer, {"a": 0.0, "b": 4.0})
    factors = balancer.factors()
    assert factors["a"] / factors["b"] == pytest.approx(MOST_APART)
    nothing = Balancer({})
    give(nothing, {"a": 0.0, "b": 0.0})
    assert nothing.factors() == {"a": 1.0, "b": 1.0}


@pytest.mark.parametrize("weight", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("name", [name for name, row in OBJECTIVES.items() if row.needs_teacher])
def test_terms_add_up_to_the_objective(name: str, weight: float) -> None:
    rng = np.random.default_rng(3)
    logits = torch.tensor(rng.normal(size=(6, 5)), dtype=torch.float32)
    targets = Targets(
        torch.tensor([0, 4, NO_LABEL, 2, 1, 3]),
        torch.tensor(rng.normal(size=(6, 5)), dtype=torch.float32),
        heard=None if name == "soft_targets" else torch.tensor([True, False, True, True, False, True]),
        spans=torch.tensor([-1, 0, 0, 1, -1, -1]),
        span_likelihoods=torch.tensor([-2.0, -0.5]),
    )
    objective = make_objective([name, "cross_entropy"], weight=weight)
    terms = objective.terms(logits, targets)
    assert len({term.name for term in terms}) == len(terms)
    assert {term.name for term in terms} == {"cross_entropy"} | ({name} if weight else set())
    total = sum((term.weight * term.values for term in terms), torch.zeros(6))
    torch.testing.assert_close(total, objective(logits, targets))


def test_accumulated_batches_are_balanced_as_one() -> None:
    """Sizes are the step's, whatever it is cut into: one batch twice is that batch."""
    sizes = {"a": 2.0, "b": 3.0}
    whole, halves = Balancer({}), Balancer({})
    give(whole, sizes)
    for _ in range(2):
        halves.add_up((), [Term(name, torch.full((3,), size)) for name, size in sizes.items()], count=5, total=10)
    halves.end_step()
    assert halves.means() == pytest.approx(whole.means())


def make_recipe(**distill: object) -> Recipe:
    document = {
        "name": "x",
        "task": {"kind": "classify"},
        "data": {"train": {"path": "rows.jsonl"}},
        "teacher": {"from": "scratch", "preset": "micro", "finetune": {}},
        "distill": distill,
    }
    return Recipe.from_mapping(document)


def test_the_recipes_losses_are_the_objectives() -> None:
    for wish in ({}, {"weight": 1.0, "match": {"attention_relations": 1.0}}, {"weight": 0.0, "match": {}}):
        settings = DistilSettings.model_validate({**wish, "balance": "uncertainty"})
        objective = settings.make_student_objective(has_teacher=True)
        logits, targets = torch.zeros(2, 3), Targets(torch.tensor([0, 1]), torch.ones(2, 3))
        found = [term.name for term in objective.terms(logits, targets)]
        found += [name for name in ("hidden_states", "attention_relations") if getattr(settings.match, name, 0)]
        assert settings.list_losses(has_teacher=True) == found
    assert "balance" not in DistilSettings().described and "balance" in settings.described


def test_one_loss_is_not_balanced() -> None:
    with pytest.raises(RecipeError, match=r"balance must be one of fixed, uncertainty\. Got 'gradients'"):
        make_objective(["cross_entropy"], balance="gradients")
    make_recipe(balance="uncertainty")
    make_recipe(balance="uncertainty", weight=1.0, match={})
    for wish in ({"weight": 1.0}, {"weight": 0.0}, {"objectives": ["cross_entropy"]}):
        with pytest.raises(RecipeError, match=r"balance: uncertainty needs two losses or more .* Got \w+ alone"):
            make_recipe(balance="uncertainty", **wish)
