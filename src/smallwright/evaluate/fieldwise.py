"""A simple neighbour of a model that answers in JSON: one linear SVM a field, over the same TF-IDF features.

Enters: prompts and JSON answers. Leaves: a fitted ``FieldwiseLinear`` and its answers.
Not here: timing (cost.py measures ``open_fieldwise`` like any other subject).
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.svm import LinearSVC

from smallwright.errors import DataError
from smallwright.evaluate.linear import fit_vectorizer, read_pickle, save_pickle

FIELDWISE_NAME = "TF-IDF + a linear SVM a field"
MOST_VALUES = 60
_ABSENT = ""


@dataclass(frozen=True)
class FieldwiseLinear:
    """``fields``: by name, in order, a fitted classifier over JSON texts of values, or the one text that was ever seen;
    the empty text is a field that is left out. It can say only the MOST_VALUES most frequent values of a field."""

    vectorizer: Any
    fields: Mapping[str, Any]

    def answer(self, prompts: Sequence[str]) -> list[str]:
        """(N,) JSON objects, as text."""
        features = self.vectorizer.transform(list(prompts))
        columns = {
            name: [found] * len(prompts) if isinstance(found, str) else found.predict(features)
            for name, found in self.fields.items()
        }
        rows = (
            {name: json.loads(str(column[row])) for name, column in columns.items() if str(column[row]) != _ABSENT}
            for row in range(len(prompts))
        )
        return [json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows]

    def save(self, path: str | Path) -> tuple[int, str]:
        """Pickle it; returns the file's bytes and SHA-256."""
        return save_pickle(self, path)


def fit_fieldwise(prompts: Sequence[str], answers: Sequence[str]) -> FieldwiseLinear:
    """Fit a classifier a field.

    Args:
        prompts, answers: (N,) training rows; every answer is a JSON object.
    Raises:
        DataError: an answer is no JSON object, or there are no rows with words.
    """
    objects = [json.loads(answer) for answer in answers]
    if not objects or not all(isinstance(value, dict) for value in objects):
        raise DataError("a classifier a field needs answers that are JSON objects. Got others, or none.")
    vectorizer, features = fit_vectorizer(prompts)

    def fit(name: str) -> Any:
        texts = np.array(
            [json.dumps(value[name], ensure_ascii=False) if name in value else _ABSENT for value in objects],
            dtype=object,
        )
        frequent = [text for text, _ in Counter(texts.tolist()).most_common(MOST_VALUES)]
        if len(frequent) == 1:
            return frequent[0]
        kept = np.isin(texts, frequent)
        classifier = LinearSVC(C=1.0, random_state=0).fit(features[kept], texts[kept])
        classifier.coef_ = classifier.coef_.astype(np.float32)  # half the bytes, the same answers: a fair rival
        return classifier

    names = list(dict.fromkeys(name for value in objects for name in value))
    with ThreadPoolExecutor(os.cpu_count()) as threads:  # liblinear works without Python's lock
        return FieldwiseLinear(vectorizer, dict(zip(names, threads.map(fit, names), strict=True)))


def open_fieldwise(path: str, sha256: str) -> Callable[[str], str]:
    """A saved one as a callable prompt -> answer."""
    baseline: FieldwiseLinear = read_pickle(path, sha256)
    return lambda prompt: baseline.answer([prompt])[0]
