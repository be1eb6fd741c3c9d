"""The best simple neighbour of a small classifier: TF-IDF of words and pieces of words, and a linear SVM.

Enters: texts and labels. Leaves: a fitted ``LinearBaseline``, its predictions, and its size as a file.
Not here: timing (cost.py measures ``open_linear`` like any other subject). scikit-learn is imported with this module,
so that a fresh process counts it as runtime and not as memory of the model.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import FeatureUnion
from sklearn.svm import LinearSVC

from smallwright.errors import DataError

C_VALUES = (0.5, 1.0, 2.0)
LINEAR_NAME = "TF-IDF + linear SVM"


@dataclass(frozen=True)
class LinearBaseline:
    """A fitted TF-IDF + linear SVM. ``c`` was chosen on the validation rows (1.0 where there were none)."""

    vectorizer: Any
    classifier: Any
    c: float
    validation_accuracy: float | None

    @property
    def labels(self) -> tuple[str, ...]:
        """Classes, in the order of the columns of ``scores``."""
        return tuple(str(label) for label in self.classifier.classes_)

    def scores(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """(N, C) signed distances from each class's plane; for two classes the columns are -d and d."""
        distances = self.classifier.decision_function(self.vectorizer.transform(list(texts)))
        return np.stack([-distances, distances], axis=1) if distances.ndim == 1 else distances

    def predict(self, texts: Sequence[str]) -> list[str]:
        """(N,) labels."""
        return [str(label) for label in self.classifier.predict(self.vectorizer.transform(list(texts)))]

    def save(self, path: str | Path) -> tuple[int, str]:
        """Pickle it; returns the file's bytes and SHA-256."""
        return save_pickle(self, path)


def fit_linear(
    texts: Sequence[str],
    labels: Sequence[str],
    validation_texts: Sequence[str] = (),
    validation_labels: Sequence[str] = (),
) -> LinearBaseline:
    """Fit the linear neighbour as a practitioner would: words, word pairs and pieces of words, C by validation.

    Args:
        texts, labels: (N,) training rows of at least two classes.
        validation_texts, validation_labels: choose C among C_VALUES (the smallest of equals); none: C is 1.
    Raises:
        DataError: fewer than two classes, or texts without a single word.
    """
    if len(set(labels)) < 2:
        raise DataError(f"a linear classifier needs rows of at least two classes. Got {sorted(set(labels))}.")
    vectorizer, features = fit_vectorizer(texts)
    best: tuple[float, float, Any] | None = None
    for c in C_VALUES if validation_texts else (1.0,):
        classifier = LinearSVC(C=c, random_state=0).fit(features, list(labels))
        score = 0.0
        if validation_texts:
            answers = classifier.predict(vectorizer.transform(list(validation_texts)))
            score = float(np.mean([a == b for a, b in zip(answers, validation_labels, strict=True)]))
        if best is None or score > best[0]:
            best = (score, c, classifier)
    assert best is not None
    score, c, classifier = best
    classifier.coef_ = classifier.coef_.astype(np.float32)  # half the bytes, the same answers: a fair rival
    return LinearBaseline(vectorizer, classifier, c, score if validation_texts else None)


def fit_vectorizer(texts: Sequence[str]) -> tuple[Any, Any]:
    """TF-IDF of words, word pairs and pieces of words, fitted; and the (N, F) sparse features of the same texts.

    Raises:
        DataError: the texts have not a single word.
    """
    options: dict[str, Any] = {"sublinear_tf": True, "lowercase": True, "dtype": np.float32}
    vectorizer = FeatureUnion(
        [
            ("words", TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", **options)),
            ("characters", TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), min_df=2, **options)),
        ]
    )
    try:
        return vectorizer, vectorizer.fit_transform(list(texts))
    except ValueError as error:  # scikit-learn's word for an empty vocabulary
        raise DataError(f"a linear classifier needs texts with words in them. scikit-learn says: {error}") from error


def read_linear(path: str, sha256: str) -> LinearBaseline:
    """Open a pickled ``LinearBaseline`` that this very run wrote.

    Raises:
        DataError: the file is not the one with this SHA-256; an unknown pickle is never loaded.
    """
    baseline: LinearBaseline = read_pickle(path, sha256)
    return baseline


def save_pickle(baseline: Any, path: str | Path) -> tuple[int, str]:
    """Pickle a baseline; returns the file's bytes and SHA-256."""
    content = pickle.dumps(baseline, protocol=5)
    Path(path).write_bytes(content)
    return len(content), hashlib.sha256(content).hexdigest()


def read_pickle(path: str, sha256: str) -> Any:
    """Open a pickled baseline that this very run wrote.

    Raises:
        DataError: the file is not the one with this SHA-256; an unknown pickle is never loaded.
    """
    content = Path(path).read_bytes()
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"the baseline's file must be the one that was written. Got other content in {path}. Rebuild.")
    return pickle.loads(content)


def open_linear(path: str, sha256: str) -> Callable[[str], str]:
    """The same as a callable text -> label."""
    baseline = read_linear(path, sha256)
    return lambda text: baseline.predict([text])[0]
