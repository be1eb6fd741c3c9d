"""An ensemble as a callable, so that its latency is measured by the same code as the package's.

Enters: a network's folder and a linear classifier's file. Leaves: a function from text to label.
Not here: a network alone (serve.py), whose process must not load scikit-learn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from smallwright.evaluate.linear import read_linear
from smallwright.teacher.ensemble import Member, mix_answers
from smallwright.teacher.serve import open_network


def open_ensemble(
    folder: str, threads: int, linear: str, sha256: str, members: Sequence[Mapping[str, float]]
) -> Callable[[str], str]:
    """Open a network and a linear classifier that answer as one.

    Args:
        folder, threads: see ``open_classifier``.
        linear, sha256: a pickled ``LinearBaseline`` of this run.
        members: fields of the two ``Member``: the network, then the linear classifier.
    Returns:
        Text to label, one at a time.
    Raises:
        CheckpointError: the folder cannot be read.
        DataError: the pickle is another one.
    """
    labels, answer = open_network(folder, threads)
    baseline, voices = read_linear(linear, sha256), [Member(**member) for member in members]
    columns = [baseline.labels.index(label) for label in labels]

    def classify(text: str) -> str:
        return labels[int(mix_answers([answer(text), baseline.scores([text])[:, columns]], voices).argmax())]

    return classify
