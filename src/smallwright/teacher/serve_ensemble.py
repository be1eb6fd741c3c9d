"""An ensemble as a callable, so that its latency is measured by the same code as the package's.

Enters: networks' folders, and a linear classifier's file where it is a member. Leaves: a function from text to label.
Not here: a network alone (serve.py), whose process must not load scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from smallwright.errors import CheckpointError
from smallwright.evaluate.linear import read_linear
from smallwright.teacher.ensemble import Member, mix_answers
from smallwright.teacher.serve import open_network


def open_ensemble(
    folders: Sequence[str],
    threads: int,
    loads: Sequence[str],
    members: Sequence[Mapping[str, Any]],
    linear: str | None = None,
    sha256: str = "",
) -> Callable[[str], str]:
    """Open networks, and a linear classifier, that answer as one.

    Args:
        folders: of the networks, one or more, of the same labels in the same order.
        threads, loads: see ``open_classifier``; a load for each network.
        members: fields of each ``Member``: the networks, then the linear classifier where there is one.
        linear, sha256: a pickled ``LinearBaseline`` of this run; None: it is no member.
    Returns:
        Text to label, one at a time.
    Raises:
        CheckpointError: a folder cannot be read, or its labels are not those of the first.
        DataError: the pickle is another one.
    """
    opened = [open_network(folder, threads, load) for folder, load in zip(folders, loads, strict=True)]
    labels, answers = opened[0][0], [answer for _, answer in opened]
    for folder, (others, _) in zip(folders, opened, strict=True):
        if others != labels:
            raise CheckpointError(
                f"networks that answer as one must have the same labels. Got {len(others)} others in {folder}. Build "
                "the ensemble again."
            )
    if linear is not None:
        baseline = read_linear(linear, sha256)
        columns = [baseline.labels.index(label) for label in labels]
        answers.append(lambda text: baseline.scores([text])[:, columns])
    voices = [Member(**member) for member in members]
    return lambda text: labels[int(mix_answers([answer(text) for answer in answers], voices).argmax())]
