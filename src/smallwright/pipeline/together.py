"""Several teachers of a classifier, heard as one: their weights, their joint answers, and how far they are apart.

Enters: each member's scores by split, and the validation rows. Leaves: joint answers; on disk, disagreement and votes.
Not here: fitting and asking the members (teach.py), the arithmetic (teacher/ensemble.py), judging (judge_ensemble.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smallwright.errors import DataError
from smallwright.pipeline.rows import label_numbers, read_labels, read_split
from smallwright.pipeline.stage import Outcome
from smallwright.teacher.ensemble import Member, measure_competence, measure_disagreement, mix_answers
from smallwright.teacher.settings import EnsembleSettings

DISAGREEMENT, VOTES = "{split}-disagreement.npy", "test-votes.npy"


def answer_together(
    settings: EnsembleSettings, said: Sequence[Mapping[str, NDArray[Any]]], data: Outcome, folder: Path
) -> tuple[dict[str, NDArray[np.float32]], list[dict[str, Any]]]:
    """Mix the members' answers, and keep beside them what a mean forgets.

    Args:
        settings: how the members are weighed.
        said: one mapping a member, of scores (N, C) by split: the teacher's network, the other networks in the recipe's
            order, the linear classifier last where it answers.
        data: the data stage; its validation rows give each member's temperature, and its competence where asked for.
        folder: receives, by split, ``SPLIT-disagreement.npy`` (N,) float32 in nats, and ``test-votes.npy`` (M, N)
            int16: the class that each member is for.
    Returns:
        Log-probabilities (N, C) by split, and the fields of each ``Member``.
    Raises:
        DataError: competence is asked for and there are no validation rows.
    """
    members = _weigh(settings, said, data)
    answers = {}
    for split in said[0]:
        scores = [one[split] for one in said]
        answers[split] = mix_answers(scores, members)
        np.save(folder / DISAGREEMENT.format(split=split), measure_disagreement(scores, members))
    if "test" in answers:
        np.save(folder / VOTES, np.stack([one["test"].argmax(axis=1) for one in said]).astype(np.int16))
    return answers, [asdict(member) for member in members]


def _weigh(settings: EnsembleSettings, said: Sequence[Mapping[str, NDArray[Any]]], data: Outcome) -> list[Member]:
    """Each member's temperature is fitted on the validation rows, so that all are as sure as they are right."""
    from smallwright.train.calibrate import fit_temperature

    labels, rows = read_labels(data), read_split(data, "validation")
    weights = _given_weights(settings) if settings.weights == "given" else [1 / len(said)] * len(said)
    if not rows:
        if settings.weights == "competence":
            raise DataError(
                "teacher.ensemble.weights: competence is measured on validation rows. Got none. Give data.validation, "
                "or a validation_fraction above 0."
            )
        return [Member(weight) for weight in weights]
    numbers = label_numbers(rows, labels)
    members = []
    for weight, scores in zip(weights, said, strict=True):
        held_out = scores["validation"]
        skill = measure_competence(held_out.argmax(axis=1), numbers, len(labels))
        competence = skill if settings.weights == "competence" else None
        members.append(Member(weight, fit_temperature(held_out, numbers), competence))
    return members


def _given_weights(settings: EnsembleSettings) -> list[float]:
    """The linear classifier has its share, the networks divide the rest among them."""
    rest = 1 - (settings.linear or 0.0)
    votes = [1.0, *(member.weight for member in settings.teachers)]
    shares = [rest * vote / sum(votes) for vote in votes]
    return [*shares, *([settings.linear] if settings.linear is not None else [])]
