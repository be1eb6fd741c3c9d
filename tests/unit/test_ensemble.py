"""Several teachers as one: the mean of probabilities, checked against torch's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from smallwright.errors import DataError, RecipeError
from smallwright.evaluate.linear import fit_linear, read_linear
from smallwright.teacher.ensemble import Member, mix_answers


def test_mean_of_probabilities() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(scale=3, size=(7, 5)), rng.normal(scale=3, size=(7, 5))
    mixed = mix_answers([first, second], [Member(3.0, 2.0), Member(1.0, 0.5)])
    expected = 0.75 * torch.softmax(torch.tensor(first) / 2, -1) + 0.25 * torch.softmax(torch.tensor(second) * 2, -1)
    np.testing.assert_allclose(np.exp(mixed), expected.numpy(), rtol=1e-5)
    assert mixed.dtype == np.float32


def test_scores_far_apart_stay_finite() -> None:
    sure, unsure = np.array([[900.0, -900.0]]), np.array([[-900.0, 900.0]])
    mixed = mix_answers([sure, unsure], [Member(0.5), Member(0.5)])
    np.testing.assert_allclose(mixed, np.log([[0.5, 0.5]]), rtol=1e-6)


@pytest.mark.parametrize("members", [[], [Member(0.0)], [Member(1.0, 0.0)], [Member(float("nan"))]])
def test_members_without_a_voice_are_refused(members: list[Member]) -> None:
    with pytest.raises(RecipeError, match="above 0"):
        mix_answers([np.zeros((1, 2))] * len(members), members)


def test_a_pickle_of_somebody_else_is_not_opened(tmp_path: Path) -> None:
    linear = fit_linear(["turn on", "turn off", "lamp on", "lamp off"] * 3, ["on", "off"] * 6)
    _, sha256 = linear.save(tmp_path / "linear.pickle")
    texts = ["turn the lamp on", "off please"]
    np.testing.assert_array_equal(
        read_linear(str(tmp_path / "linear.pickle"), sha256).scores(texts), linear.scores(texts)
    )
    with pytest.raises(DataError, match="other content"):
        read_linear(str(tmp_path / "linear.pickle"), "0" * 64)
