"""Several teachers as one: the mean of probabilities, checked against torch's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import f1_score

from smallwright.errors import DataError, RecipeError
from smallwright.evaluate.linear import fit_linear, read_linear
from smallwright.teacher.ensemble import Member, measure_competence, measure_disagreement, mix_answers


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


def test_competences_weigh_class_by_class() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.normal(scale=2, size=(6, 3)), rng.normal(scale=2, size=(6, 3))
    skills = ((0.9, 0.2, 0.5), (0.1, 0.6, 0.5))
    mixed = mix_answers([first, second], [Member(1.0, competence=skills[0]), Member(1.0, 2.0, competence=skills[1])])
    weights = torch.tensor(skills) / torch.tensor(skills).sum(0)
    mean = weights[0] * torch.softmax(torch.tensor(first), -1) + weights[1] * torch.softmax(
        torch.tensor(second) / 2, -1
    )
    np.testing.assert_allclose(np.exp(mixed), (mean / mean.sum(-1, keepdim=True)).numpy(), rtol=1e-5)


def test_equal_competences_are_the_plain_mean() -> None:
    rng = np.random.default_rng(2)
    scores = [rng.normal(size=(5, 4)) for _ in range(3)]
    same = mix_answers(scores, [Member(1.0, competence=(0.25,) * 4)] * 3)
    np.testing.assert_allclose(same, mix_answers(scores, [Member(1.0)] * 3), atol=1e-6)


@pytest.mark.parametrize("second", [Member(1.0), Member(1.0, competence=(0.5, 0.0))])
def test_competences_of_some_are_refused(second: Member) -> None:
    with pytest.raises(RecipeError, match="competences above 0, or none"):
        mix_answers([np.zeros((1, 2))] * 2, [Member(1.0, competence=(0.5, 0.5)), second])


def test_competence_is_f1_with_one_row_of_prior() -> None:
    """scikit-learn's F1, over rows to which half a true and half a false answer of each class were added."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, 400)
    predicted = np.where(rng.random(400) < 0.3, rng.integers(0, 4, 400), labels)
    found = measure_competence(predicted, labels, 5)
    plain = f1_score(labels, predicted, labels=range(5), average=None, zero_division=0)
    support = np.bincount(labels, minlength=5) + np.bincount(predicted, minlength=5)  # 2 TP + FP + FN
    np.testing.assert_allclose(found, (plain * support + 1) / (support + 2), rtol=1e-12)
    assert found[4] == 0.5 and measure_competence(labels[:0], labels[:0], 2) == (0.5, 0.5)
    with pytest.raises(DataError, match="answer for each row"):
        measure_competence(labels[:3], labels[:2], 4)


def test_disagreement_is_the_jensen_shannon_divergence() -> None:
    rng = np.random.default_rng(4)
    first, second = rng.normal(scale=3, size=(9, 5)), rng.normal(scale=3, size=(9, 5))
    found = measure_disagreement([first, second], [Member(0.5), Member(0.5, 2.0)])
    p, q = torch.softmax(torch.tensor(first), -1).numpy(), torch.softmax(torch.tensor(second) / 2, -1).numpy()
    np.testing.assert_allclose(found, jensenshannon(p, q, axis=1) ** 2, rtol=1e-4)
    assert measure_disagreement([first, first], [Member(1.0), Member(3.0)]) == pytest.approx(np.zeros(9), abs=1e-6)
    far = [np.array([[99.0, 0.0]]), np.array([[0.0, 99.0]])]
    assert measure_disagreement(far, [Member(1.0), Member(1.0)]) == pytest.approx([np.log(2)])


def test_members_good_at_different_classes_are_better_together() -> None:
    """A set built so: each member knows half of the classes and guesses, less sure, among the others."""
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 4, 2000)

    def member(knows: tuple[int, int]) -> np.ndarray:
        known = np.isin(labels, knows)
        guesses = rng.integers(0, 4, labels.size)
        scores = rng.normal(scale=0.1, size=(labels.size, 4))
        scores[np.arange(labels.size), np.where(known, labels, guesses)] += np.where(known, 3.0, 2.0)
        return scores

    scores = [member((0, 1)), member((2, 3))]
    held_out, test = slice(0, 1000), slice(1000, None)
    alone = [(one[test].argmax(1) == labels[test]).mean() for one in scores]
    skills = [measure_competence(one[held_out].argmax(1), labels[held_out], 4) for one in scores]
    for members in ([Member(1.0), Member(1.0)], [Member(1.0, competence=skill) for skill in skills]):
        mixed = mix_answers([one[test] for one in scores], members)
        assert (mixed.argmax(1) == labels[test]).mean() > max(alone) + 0.1


def test_a_pickle_of_somebody_else_is_not_opened(tmp_path: Path) -> None:
    linear = fit_linear(["turn on", "turn off", "lamp on", "lamp off"] * 3, ["on", "off"] * 6)
    _, sha256 = linear.save(tmp_path / "linear.pickle")
    texts = ["turn the lamp on", "off please"]
    np.testing.assert_array_equal(
        read_linear(str(tmp_path / "linear.pickle"), sha256).scores(texts), linear.scores(texts)
    )
    with pytest.raises(DataError, match="other content"):
        read_linear(str(tmp_path / "linear.pickle"), "0" * 64)
