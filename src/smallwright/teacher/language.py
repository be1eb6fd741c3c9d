"""A teacher of language: its next-token probabilities for the training text, kept on disk.

Enters: a causal model and tokens: a shard of text, or prompts with completions. Leaves: for each position of the text,
or each token of the completions, the K most likely tokens with their logits.
Not here: fine-tuning it (train/loop.py does), classes (answers.py).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smallwright.data.completions import Completions
from smallwright.data.shards import Shard
from smallwright.data.top_answers import TopAnswers
from smallwright.errors import CheckpointError
from smallwright.model import Transformer
from smallwright.train.checkpoint import hash_weights, write_array, write_text
from smallwright.train.completions import load_completions, target_numbers
from smallwright.train.precision import autocast
from smallwright.train.predict import group_by_length

ANSWERS, CARD = "answers.npy", "answers.json"
_BLOCKS_AT_ONCE = 8
_TOKENS_AT_ONCE = 4096


@torch.inference_mode()
def answer_next_tokens(model: Transformer, shard: Shard, out: Path, *, context: int, top: int = 32) -> TopAnswers:
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
        P positions of log-probabilities and tokens, mapped from disk; position p speaks of the token at p + 1.
    Raises:
        CheckpointError: the model answers NaN or infinity.
    """

    def fill(answers: TopAnswers) -> None:
        for start, logits in read_blocks(model, shard, context):
            _put(answers, slice(start, start + len(logits)), logits)

    key = f"{hash_weights(model)} {hashlib.sha256(shard.tokens).hexdigest()} {context}"
    return _cached(out, key, shard.tokens.size, top, model.spec.embedding.vocabulary, fill)


def read_blocks(
    model: Transformer, shard: Shard, context: int, *, precision: str = "float32"
) -> Iterator[tuple[int, torch.Tensor]]:
    """The model's logits after each of a shard's P tokens, in order: the number of the first, and (n, V) logits.

    See ``answer_next_tokens`` for the arguments and for how blocks are cut; ``precision``, float32 or bfloat16, is that
    of the matrix products.
    """
    positions, step = shard.tokens.size, context * _BLOCKS_AT_ONCE
    device = next(model.parameters()).device
    for start in range(0, positions, step):
        part = torch.from_numpy(shard.tokens[start : start + step].astype(np.int64))
        whole = len(part) // context * context
        for begin, block in ((0, part[:whole].view(-1, context)), (whole, part[whole:].view(1, -1))):
            if block.numel():
                with autocast(precision, device):
                    logits = model.logits(block).flatten(0, 1)
                yield start + begin, logits


@torch.inference_mode()
def answer_completions(model: Transformer, completions: Completions, out: Path, *, top: int = 32) -> TopAnswers:
    """The teacher's K best tokens in place of each completion token; a second call with the same question asks nothing.

    Args:
        model: causal, over the shard's vocabulary.
        completions: N targets in all.
        out: the cache's folder.
        top: K, at most the vocabulary.
    Returns:
        N positions of log-probabilities and tokens, mapped from disk.
    Raises:
        CheckpointError: the model answers NaN or infinity.
    """

    def fill(answers: TopAnswers) -> None:
        offsets, device = completions.target_offsets, next(model.parameters()).device
        for rows in group_by_length(completions.lengths.tolist(), _TOKENS_AT_ONCE):
            batch = load_completions(completions, rows, device)
            logits = model.logits(batch.tokens, positions=batch.positions)
            _put(answers, target_numbers(offsets, rows), logits)

    shard = completions.shard
    content = hashlib.sha256(shard.tokens)
    for array in (shard.offsets, completions.starts):
        content.update(np.ascontiguousarray(array))
    key = f"{hash_weights(model)} {content.hexdigest()}"
    targets = int(completions.target_offsets[-1])
    return _cached(out, key, targets, top, model.spec.embedding.vocabulary, fill)


def best_tokens(log_probabilities: torch.Tensor, top: int) -> torch.return_types.topk:
    """The K largest of each of N rows of log-probabilities (N, V) and their tokens, ``values`` and ``indices``.

    Raises:
        CheckpointError: one is NaN or infinity.
    """
    best = log_probabilities.topk(top, dim=-1)
    if not torch.isfinite(best.values).all():
        raise CheckpointError(
            "a teacher's answers must be finite. Got NaN or infinity from its logits. Train it with a smaller "
            "learning_rate, or choose another checkpoint."
        )
    return best


def _put(answers: TopAnswers, rows: slice | NDArray[np.int64], logits: torch.Tensor) -> None:
    best = best_tokens(torch.log_softmax(logits.float(), dim=-1), answers.top)
    answers.put(rows, best.values.numpy(), best.indices.numpy())


def _cached(
    out: Path, question: str, rows: int, top: int, vocabulary: int, fill: Callable[[TopAnswers], None]
) -> TopAnswers:
    top = min(top, vocabulary)

    def ask() -> NDArray[np.void]:
        answers = TopAnswers.empty(rows, top, vocabulary)
        fill(answers)
        return answers.records

    ask_once(out, f"{question} {top}", ask)
    return TopAnswers.open(out / ANSWERS)


def ask_once(out: Path, key: str, ask: Callable[[], NDArray[np.void]]) -> None:
    """Leave a teacher's answers in ``out / ANSWERS``; where those of the same ``key`` lie there already, ``ask`` is not
    called.

    Args:
        key: says all that the answers depend on.
        ask: gives records as those of ``TopAnswers``.
    """
    if _is_answered(out / CARD, key):
        return
    out.mkdir(parents=True, exist_ok=True)
    records = ask()
    (out / CARD).unlink(missing_ok=True)
    write_array(out / ANSWERS, records)
    card = {"key": key, "positions": len(records), "top": int(records.dtype["low"].shape[0])}
    write_text(out / CARD, json.dumps(card) + "\n")


def _is_answered(card: Path, key: str) -> bool:
    try:
        return json.loads(card.read_text(encoding="utf-8")).get("key") == key
    except (OSError, ValueError, AttributeError):
        return False  # no cache, or a damaged one: ask again
