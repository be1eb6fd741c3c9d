"""Dropout on a CPU: how much it drops, what it does to the rest, and that it is a function of torch's generator."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from smallwright.model.dropout import Dropout


def drop(probability: float, count: int = 400_003, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    torch.manual_seed(3)
    return Dropout(probability).train()(torch.ones(count, dtype=dtype))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_each_element_is_dropped_with_the_probability(probability: float) -> None:
    """Each of the four places of a 64-bit number, too: within five deviations of a binomial's share."""
    dropped = (drop(probability) == 0).float()
    for part in (dropped, *(dropped[place::4] for place in range(4))):
        deviation = (probability * (1 - probability) / len(part)) ** 0.5
        assert abs(float(part.mean()) - probability) < 5 * deviation


def test_neighbours_are_dropped_independently() -> None:
    dropped = (drop(0.3) == 0).float()
    for lag in range(1, 9):
        both = float((dropped[lag:] * dropped[:-lag]).mean())
        assert abs(both - 0.09) < 5 * (0.09 * 0.91 / len(dropped)) ** 0.5


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_kept_is_scaled_as_torch_scales_it(dtype: torch.dtype) -> None:
    ours = drop(0.1, dtype=dtype)
    theirs = nn.Dropout(0.1).train()(torch.ones(1000, dtype=dtype))
    assert ours.dtype == dtype
    # The probability is one of 2^16: off by at most half of that.
    torch.testing.assert_close(ours.max(), theirs.max(), rtol=2**-16, atol=0)
    assert ours.unique().numel() == 2


def test_the_gradient_passes_where_the_value_did() -> None:
    torch.manual_seed(0)
    x = torch.randn(7, 5, 3, requires_grad=True)
    y = Dropout(0.4).train()(x)
    (gradient,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(gradient * x.detach(), y.detach())


def test_it_is_a_function_of_the_generator() -> None:
    assert torch.equal(drop(0.5), drop(0.5))
    again = Dropout(0.5).train()(torch.ones(400_003))
    assert not torch.equal(drop(0.5), again), "each call draws anew"


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_nothing_and_everything(probability: float) -> None:
    assert torch.equal(drop(probability, 10), torch.full((10,), 1.0 - probability))


def test_evaluation_drops_nothing() -> None:
    x = torch.randn(50)
    assert torch.equal(Dropout(0.9).eval()(x), x)
