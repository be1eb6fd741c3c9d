"""A teacher of language that reads other tokens than its student, asked once about the student's training text.

Enters: a causal model, the text as the teacher's tokens, and how the student's tokens lie to them. Leaves: at each of
the student's positions what the teacher says there, on disk.
Not here: aligning (tokenizer/alignment.py), a teacher of the same tokens (language.py), losses (train/alignment.py).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smallwright.data.cross_answers import CrossAnswers
from smallwright.data.shards import Shard
from smallwright.model import Transformer
from smallwright.teacher.language import ANSWERS, ask_once, best_tokens, read_blocks
from smallwright.tokenizer.alignment import Alignment
from smallwright.train.checkpoint import hash_weights


def answer_across(
    model: Transformer,
    theirs: Shard,
    alignment: Alignment,
    out: Path,
    *,
    vocabulary: int,
    context: int,
    top: int = 32,
    precision: str = "float32",
) -> CrossAnswers:
    """The teacher's answers at a student's positions; a second call with the same question asks nothing.

    Args:
        model: causal, over the vocabulary of ``theirs``.
        theirs: the training text as the teacher's tokens, read in blocks as ``answer_next_tokens`` reads them.
        alignment: of the student's P positions.
        out: the cache's folder.
        vocabulary: the student's.
        context: tokens of one block, at most the model's context.
        top: K, at most the teacher's vocabulary.
        precision: float32 or bfloat16, of the matrix products.
    Returns:
        P positions, mapped from disk.
    Raises:
        CheckpointError: the model answers NaN or infinity.
    """
    rows = model.spec.embedding.vocabulary
    top = min(top, rows)

    def fill() -> NDArray[np.void]:
        answers = CrossAnswers.empty(len(alignment.at), top, vocabulary)
        aligned = np.flatnonzero(alignment.at >= 0)
        answers.records["aligned"][aligned] = True
        # A table may have rows beyond the tokenizer's tokens.
        names = np.full(rows, vocabulary, dtype=np.int64)
        names[: len(alignment.shared)] = np.where(alignment.shared < 0, vocabulary, alignment.shared)
        likelihoods = _ask(model, theirs, context, precision, answers, aligned, alignment.at[aligned], names)
        _write_spans(answers, aligned, alignment, likelihoods)
        return answers.records

    digest = hashlib.sha256(theirs.tokens)
    for array in (alignment.at, alignment.torn, alignment.shared):
        digest.update(np.ascontiguousarray(array))
    ask_once(out, f"across {hash_weights(model)} {digest.hexdigest()} {vocabulary} {context} {top} {precision}", fill)
    return CrossAnswers.open(out / ANSWERS, vocabulary)


@torch.inference_mode()
def _ask(
    model: Transformer,
    theirs: Shard,
    context: int,
    precision: str,
    answers: CrossAnswers,
    aligned: NDArray[np.int64],
    at: NDArray[np.int64],
    names: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Put the best tokens where both end one. Leaves the log-likelihood of each of the teacher's tokens but the first,
    at the place before it, (teacher's positions,) float64.
    """
    tokens, top = theirs.tokens, answers.top
    likelihoods = np.zeros(tokens.size)
    for start, logits in read_blocks(model, theirs, context, precision=precision):
        known = torch.log_softmax(logits.float(), dim=-1)
        low, high = np.searchsorted(at, [start, start + len(logits)])
        best = best_tokens(known[torch.from_numpy(at[low:high] - start)], top.top)
        top.put(aligned[low:high], best.values.numpy(), names[best.indices.numpy()])
        following = torch.from_numpy(tokens[start + 1 : start + 1 + len(logits)].astype(np.int64))
        chosen = known[: len(following)].gather(1, following[:, None])[:, 0]
        likelihoods[start : start + len(following)] = chosen.double().numpy()
    return likelihoods


def _write_spans(
    answers: CrossAnswers, aligned: NDArray[np.int64], alignment: Alignment, likelihoods: NDArray[np.float64]
) -> None:
    """Between two aligned places the teacher's tokens are whole: the text's likelihood is the product of theirs."""
    before = np.concatenate(([0.0], np.cumsum(likelihoods)))[alignment.at[aligned]]
    torn = np.cumsum(alignment.torn)[aligned]
    values = np.where(np.diff(torn) == 0, np.diff(before), np.nan)
    answers.records["span"][aligned[1:] - 1] = values
