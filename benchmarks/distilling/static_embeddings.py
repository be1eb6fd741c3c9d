"""The cheapest use of a pretrained encoder: the mean of its token embeddings, and logistic regression.

Enters: texts with labels, and the encoder's folder. Leaves: accuracy, bytes, and the time of one text on one thread.
Not here: what is claimed (small.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from sklearn.linear_model import LogisticRegression
from tokenizers import Tokenizer

C_VALUES = (3.0, 30.0)
TIMED_TEXTS = 200


@dataclass(frozen=True)
class StaticEmbeddings:
    """A table of float16 rows for the tokens of the training texts, and a classifier of their mean."""

    tokenizer: Tokenizer
    rows: dict[int, int]
    table: NDArray[np.float16]
    classifier: Any

    @property
    def size_bytes(self) -> int:
        """Of the table in float16 and the classifier in float32; the tokenizer is left out, which flatters it."""
        return int(self.table.nbytes + 4 * (self.classifier.coef_.size + self.classifier.intercept_.size))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) means of length 1; zeros for a text of unknown tokens."""
        found = np.zeros((len(texts), self.table.shape[1]), dtype=np.float32)
        for number, text in enumerate(texts):
            ids = self.tokenizer.encode(text, add_special_tokens=False).ids
            known = [self.rows[one] for one in ids if one in self.rows]
            if known:
                found[number] = self.table[known].astype(np.float32).mean(axis=0)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)

    def predict(self, texts: Sequence[str]) -> list[str]:
        """(N,) labels."""
        return [str(label) for label in self.classifier.predict(self.embed(texts))]


def fit_static(
    folder: Path,
    texts: Sequence[str],
    labels: Sequence[str],
    validation_texts: Sequence[str],
    validation_labels: Sequence[str],
) -> StaticEmbeddings:
    """Fit it; the strength of regularisation is chosen on the validation rows."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    weights = load_file(folder / "model.safetensors")
    (name,) = (key for key in weights if key.endswith("word_embeddings.weight"))
    used = sorted({one for text in texts for one in tokenizer.encode(text, add_special_tokens=False).ids})
    rows, table = {token: row for row, token in enumerate(used)}, weights[name][used].astype(np.float16)
    best: tuple[float, StaticEmbeddings] | None = None
    for c in C_VALUES:
        made = StaticEmbeddings(tokenizer, rows, table, LogisticRegression(C=c, max_iter=300))
        made.classifier.fit(made.embed(texts), list(labels))
        said = made.predict(validation_texts)
        score = float(np.mean([a == b for a, b in zip(said, validation_labels, strict=True)]))
        if best is None or score > best[0]:
            best = score, made
    assert best is not None
    return best[1]


def measure_static(fitted: StaticEmbeddings, texts: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """``accuracy``, ``size_bytes``, and ``p50_ms`` of one text in this process."""
    said = fitted.predict(texts)
    times = []
    for text in texts[:TIMED_TEXTS]:
        began = time.perf_counter()
        fitted.predict([text])
        times.append(time.perf_counter() - began)
    accuracy = float(np.mean([a == b for a, b in zip(said, labels, strict=True)]))
    return {"accuracy": accuracy, "size_bytes": fitted.size_bytes, "p50_ms": 1000 * float(np.median(times))}
