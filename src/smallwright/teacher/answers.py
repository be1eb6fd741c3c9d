"""A teacher's answers, asked for once and kept on disk.

Enters: a model and encoded texts. Leaves: logits (N, C), from the cache where the same question was asked before.
Not here: what the student makes of them (train/objectives.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smallwright.errors import CheckpointError
from smallwright.train.checkpoint import hash_weights, write_array, write_text
from smallwright.train.predict import predict_logits

ANSWERS, CARD = "answers.npy", "answers.json"
CHUNK_TEXTS = 4096


def answer_logits(
    model: nn.Module,
    sequences: Sequence[NDArray[np.integer]],
    out: Path,
    *,
    precision: str = "float32",
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Class logits of every text; a second call with the same model and texts asks nothing.

    Args:
        model: answers ``classify(tokens, lengths)``.
        sequences: N texts as the teacher's tokens, at least one.
        out: the cache's folder: answers.npy, then answers.json, whose key is a hash of weights and tokens. Answers come
            in chunks of ``CHUNK_TEXTS``; a killed call goes on after its last whole chunk.
        precision: float32 or bfloat16, of the matrix products.
        threads: of torch while answering; None: as they are.
    Returns:
        (N, C) float32.
    Raises:
        CheckpointError: the model answers NaN or infinity.
    """
    key = _key(model, sequences, precision)
    out.mkdir(parents=True, exist_ok=True)
    if _read_key(out / CARD) == key and (out / ANSWERS).is_file():
        return np.load(out / ANSWERS)
    threads_before = torch.get_num_threads()
    if threads is not None:
        torch.set_num_threads(threads)
    try:
        chunks = [
            _answer_chunk(model, sequences[start : start + CHUNK_TEXTS], out / f"{key[:16]}-{start}.npy", precision)
            for start in range(0, len(sequences), CHUNK_TEXTS)
        ]
    finally:
        torch.set_num_threads(threads_before)
    answers = np.concatenate(chunks)
    (out / CARD).unlink(missing_ok=True)  # never an old card beside new answers
    write_array(out / ANSWERS, answers)
    write_text(out / CARD, json.dumps({"key": key, "rows": len(answers), "classes": answers.shape[1]}) + "\n")
    for leftover in out.glob("*-*.npy"):
        leftover.unlink()
    return answers


def _answer_chunk(
    model: nn.Module, sequences: Sequence[NDArray[np.integer]], path: Path, precision: str
) -> NDArray[np.float32]:
    if path.is_file():
        return np.load(path)
    logits = predict_logits(model, sequences, precision=precision)
    if not np.isfinite(logits).all():
        raise CheckpointError(
            "a teacher's answers must be finite. Got NaN or infinity from its logits. Train it again with a smaller "
            "learning_rate, or choose another checkpoint."
        )
    write_array(path, logits)
    return logits


def _read_key(card: Path) -> str | None:
    try:
        return json.loads(card.read_text(encoding="utf-8")).get("key")
    except (OSError, ValueError, AttributeError):
        return None  # no cache, or a damaged one: ask again


def _key(model: nn.Module, sequences: Sequence[NDArray[np.integer]], precision: str) -> str:
    digest = hashlib.sha256(f"{precision} {hash_weights(model)}".encode())
    for sequence in sequences:
        digest.update(f"{len(sequence)} ".encode())
        digest.update(np.ascontiguousarray(sequence, dtype=np.int64).data)
    return digest.hexdigest()
