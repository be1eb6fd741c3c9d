"""Whether systems are right on the test rows, and by how much one is ahead of another.

Enters: finished stages. Leaves: classes, and differences with their intervals.
Not here: what is compared (ensembles.py, augmenting.py).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from smallwright.evaluate.linear import read_linear
from smallwright.pipeline.classify import Classifier
from smallwright.pipeline.rows import read_labels, read_texts
from smallwright.pipeline.shared import PACKAGE_FILE
from smallwright.pipeline.stage import Outcome
from smallwright.pipeline.teach import LINEAR_FILE
from smallwright.run import load

RESAMPLES = 10_000

Outcomes = NDArray[np.bool_]
"""(seeds, rows): whether a system is right."""


def ask_file(made: Classifier) -> NDArray[np.intp]:
    """The file's classes of the test rows, through the engine."""
    with load(str(made.package.folder / PACKAGE_FILE), threads=1) as package:
        logits: NDArray[np.float32] = package.classify_logits(read_texts(made.data, "test"))
    return logits.argmax(axis=1)


def ask_linear(data: Outcome, linear: Outcome) -> NDArray[np.intp]:
    """The linear classifier's classes of the test rows."""
    baseline = read_linear(str(linear.folder / LINEAR_FILE), linear.facts["sha256"])
    columns = [baseline.labels.index(label) for label in read_labels(data)]
    return baseline.scores(read_texts(data, "test"))[:, columns].argmax(axis=1)


def interval(system: Outcomes, against: Outcomes) -> list[float]:
    """Points of difference, and the ends of its 95 % interval: paired bootstrap of rows, the seeds' outcomes averaged
    row by row.
    """
    by_row = system.mean(axis=0) - against.mean(axis=0)
    rng = np.random.default_rng(0)
    drawn = [by_row[rng.integers(0, by_row.size, by_row.size)].mean() for _ in range(RESAMPLES)]
    return [round(100 * float(value), 1) for value in (by_row.mean(), *np.percentile(drawn, [2.5, 97.5]))]
