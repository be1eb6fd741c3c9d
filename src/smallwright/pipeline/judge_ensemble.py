"""The teacher of a classifier as it answered the student: one network, or several members together.

Enters: finished stages. Leaves: what is timed, its bytes, and what the members are worth apart and together.
Not here: the rest of the judgement (judge_classifier.py), mixing (together.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from smallwright.evaluate.ensemble import EnsembleQuality, ensemble_quality
from smallwright.evaluate.linear import LINEAR_NAME
from smallwright.evaluate.process import Subject
from smallwright.pipeline.classify import Classifier
from smallwright.pipeline.rows import read_labels
from smallwright.pipeline.shared import TEACHER_FOLDER
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.teach import LINEAR_FILE, held_as
from smallwright.pipeline.together import DISAGREEMENT, VOTES
from smallwright.recipe import Recipe

TEACHER = "teacher (PyTorch)"


def members_of(made: Classifier) -> list[dict[str, Any]] | None:
    """Fields of the ensemble's ``Member``: the networks, then the linear classifier where it answers. None: none."""
    return made.answers.facts.get("members") if made.answers is not None else None


def _networks(made: Classifier, teacher: Outcome) -> tuple[Outcome, ...]:
    return (teacher, *made.more_teachers)


def _linear_member(made: Classifier, teacher: Outcome) -> Outcome | None:
    """The linear classifier where it is a member: the last, behind the networks."""
    members = members_of(made)
    return made.linear if members is not None and len(members) > len(_networks(made, teacher)) else None


def teacher_subject(made: Classifier, teacher: Outcome) -> Subject:
    """The teacher as it answered the student."""
    networks, members = _networks(made, teacher), members_of(made)
    folders, loads = [str(one.folder / TEACHER_FOLDER) for one in networks], [held_as(one) for one in networks]
    if members is None:
        arguments: dict[str, Any] = {"folder": folders[0], "threads": 1, "load": loads[0]}
        return Subject(TEACHER, target="smallwright.teacher.serve:open_classifier", arguments=arguments, threads=1)
    arguments = {"folders": folders, "threads": 1, "loads": loads, "members": members}
    linear = _linear_member(made, teacher)
    if linear is not None:
        arguments |= {"linear": str(linear.folder / LINEAR_FILE), "sha256": linear.facts["sha256"]}
    return Subject(TEACHER, target="smallwright.teacher.serve_ensemble:open_ensemble", arguments=arguments, threads=1)


def teacher_size(made: Classifier, teacher: Outcome) -> tuple[int, str]:
    """Bytes of the teacher that answered, and what it is."""
    networks, linear = _networks(made, teacher), _linear_member(made, teacher)
    weights = sum(one.facts.get("weight_bytes", 4 * one.facts["parameters"]) for one in networks)
    kinds = " and ".join(dict.fromkeys(held_as(one) for one in networks))
    name = kinds if len(networks) == 1 else f"{len(networks)} {kinds} networks"
    if linear is None:
        return weights, f"{name}, 1 thread"
    name = f"{kinds} network" if len(networks) == 1 else name
    return weights + linear.facts["size_bytes"], f"{name} with {LINEAR_NAME}, 1 thread"


def judge_ensemble(
    recipe: Recipe, made: Classifier, expected: Sequence[str], together: Sequence[str] | None
) -> EnsembleQuality | None:
    """What the members are worth; None where the teacher is one network, or none.

    Args:
        expected, together: (N,) labels of the test rows, and those that all members together gave.
    """
    members, settings = members_of(made), recipe.teacher.ensemble if recipe.teacher is not None else None
    if members is None or settings is None or made.answers is None or made.teacher is None or together is None:
        return None
    labels, votes = read_labels(made.data), np.load(made.answers.folder / VOTES)
    names = [f"network {number}" for number, _ in enumerate(_networks(made, made.teacher), start=1)]
    names += [LINEAR_NAME] if len(members) > len(names) else []
    return ensemble_quality(
        expected,
        together,
        {name: [labels[index] for index in row] for name, row in zip(names, votes, strict=True)},
        np.load(made.answers.folder / DISAGREEMENT.format(split="test")),
        weights=settings.weights,
        shares=[float(np.mean(member["competence"] or member["weight"])) for member in members],
        resamples=recipe.evaluate.bootstrap_resamples,
        seed=recipe.evaluate.seed,
    )
