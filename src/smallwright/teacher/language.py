"""A teacher of language: its next-token probabilities for the training text, kept on disk.

Enters: a causal model and tokens: a shard of text, or prompts with completions. Leaves: for each position of the text,
or each token of the completions, the K most likely tokens with their logits.
Not here: fine-tuning it (train/loop.py does), classes (answers.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smallwright.data.completions import Completions
from smallwright.data.shards import Shard
from smallwright.errors import CheckpointError
from smallwright.model import Transformer
from smallwright.train.checkpoint import hash_weights, write_array, write_text
from smallwright.train.completions import load_completions, target_numbers
from smallwright.train.predict import group_by_length

VALUES, TOKENS, CARD = "values.npy", "tokens.npy", "answers.json"
_BLOCKS_AT_ONCE = 8
_TOKENS_AT_ONCE = 4096


@torch.inference_mode()
def answer_next_tokens(
    model: Transformer, shard: Shard, out: Path, *, context: int, top: int = 32
) -> tuple[NDArray[np.float16], NDArray[np.uint32]]:
    """The teacher's K best next tokens at each position; a second call with the same question asks nothing.

    Positions are read in blocks of ``context`` tokens that do not overlap: the first ones of a block see little text.
    The last positions, short of a whole block, are read as one shorter block.

    Args:
        model: causal, over the shard's vocabulary.
        shard: (P,) training tokens.
        out: the cache's folder.
        context: tokens of one block, at most the model's context.
        top: K, at most the vocabulary.
    Returns:
        values (P, K) float16 log-probabilities and tokens (P, K) uint32, both mapped from disk; position p speaks of
        the token at p + 1.
    Raises:
        CheckpointError: the model answers NaN or infinity.
    """

    def fill(answers: _Answers) -> None:
        positions, step = shard.tokens.size, context * _BLOCKS_AT_ONCE
        for start in range(0, positions, step):
            part = torch.from_numpy(shard.tokens[start : start + step].astype(np.int64))
            whole = len(part) // context * context
            for begin, block in ((0, part[:whole].view(-1, context)), (whole, part[whole:].view(1, -1))):
                if block.numel():
                    rows = slice(start + begin, start + begin + block.numel())
                    answers.put(rows, model.logits(block).flatten(0, 1))

    key = f"{hash_weights(model)} {hashlib.sha256(shard.tokens).hexdigest()} {context}"
    return _cached(out, key, shard.tokens.size, min(top, model.spec.embedding.vocabulary), fill)


@torch.inference_mode()
def answer_completions(
    model: Transformer, completions: Completions, out: Path, *, top: int = 32
) -> tuple[NDArray[np.float16], NDArray[np.uint32]]:
    """The teacher's K best tokens in place of each completion token; a second call with the same question asks nothing.

    Args:
        model: causal, over the shard's vocabulary.
        completions: N targets in all.
        out: the cache's folder.
        top: K, at most the vocabulary.
    Returns:
        values (N, K) float16 log-probabilities and tokens (N, K) uint32, both mapped from disk.
    Raises:
        CheckpointError: the model answers NaN or infinity.
    """

    def fill(answers: _Answers) -> None:
        offsets, device = completions.target_offsets, next(model.parameters()).device
        for rows in group_by_length(completions.lengths.tolist(), _TOKENS_AT_ONCE):
            batch = load_completions(completions, rows, device)
            answers.put(target_numbers(offsets, rows), model.logits(batch.tokens, positions=batch.positions))

    shard = completions.shard
    content = hashlib.sha256(shard.tokens)
    for array in (shard.offsets, completions.starts):
        content.update(np.ascontiguousarray(array))
    key = f"{hash_weights(model)} {content.hexdigest()}"
    targets = int(completions.target_offsets[-1])
    return _cached(out, key, targets, min(top, model.spec.embedding.vocabulary), fill)


class _Answers:
    """Answers on their way to disk: ``rows`` of them, the ``top`` best tokens each."""

    def __init__(self, rows: int, top: int) -> None:
        self.values: NDArray[np.float16] = np.empty((rows, top), dtype=np.float16)
        self.tokens: NDArray[np.uint32] = np.empty((rows, top), dtype=np.uint32)

    def put(self, rows: slice | NDArray[np.int64], logits: torch.Tensor) -> None:
        best = torch.log_softmax(logits.float(), dim=-1).topk(self.values.shape[1], dim=-1)
        if not torch.isfinite(best.values).all():
            raise CheckpointError(
                "a teacher's answers must be finite. Got NaN or infinity from its logits. Train it with a smaller "
                "learning_rate, or choose another checkpoint."
            )
        self.values[rows] = best.values.numpy()
        self.tokens[rows] = best.indices.numpy()


def _cached(
    out: Path, question: str, rows: int, top: int, fill: Callable[[_Answers], None]
) -> tuple[NDArray[np.float16], NDArray[np.uint32]]:
    key = f"{question} {top}"
    if not _is_answered(out / CARD, key):
        out.mkdir(parents=True, exist_ok=True)
        answers = _Answers(rows, top)
        fill(answers)
        (out / CARD).unlink(missing_ok=True)
        write_array(out / VALUES, answers.values)
        write_array(out / TOKENS, answers.tokens)
        write_text(out / CARD, json.dumps({"key": key, "positions": rows, "top": top}) + "\n")
    return np.load(out / VALUES, mmap_mode="r"), np.load(out / TOKENS, mmap_mode="r")


def _is_answered(card: Path, key: str) -> bool:
    try:
        return json.loads(card.read_text(encoding="utf-8")).get("key") == key
    except (OSError, ValueError, AttributeError):
        return False  # no cache, or a damaged one: ask again
