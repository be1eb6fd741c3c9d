"""A teacher of language: its next-token probabilities for every position of the training text, kept on disk.

Enters: a causal model and a shard of tokens. Leaves: for each position the K most likely next tokens with their logits.
Not here: fine-tuning it (train/loop.py does), classes (answers.py).
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from smallwright.data.shards import Shard
from smallwright.errors import CheckpointError
from smallwright.model import Transformer
from smallwright.train.checkpoint import hash_weights, write_array, write_text

VALUES, TOKENS, CARD = "values.npy", "tokens.npy", "answers.json"
_BLOCKS_AT_ONCE = 8


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
    top = min(top, model.spec.embedding.vocabulary)
    key = f"{hash_weights(model)} {hashlib.sha256(shard.tokens).hexdigest()} {context} {top}"
    if not _is_answered(out / CARD, key):
        out.mkdir(parents=True, exist_ok=True)
        positions = shard.tokens.size
        values = np.empty((positions, top), dtype=np.float16)
        tokens = np.empty((positions, top), dtype=np.uint32)
        step = context * _BLOCKS_AT_ONCE
        for start in range(0, positions, step):
            part = torch.from_numpy(shard.tokens[start : start + step].astype(np.int64))
            whole = len(part) // context * context
            for begin, block in ((0, part[:whole].view(-1, context)), (whole, part[whole:].view(1, -1))):
                if block.numel():
                    _answer(model, block, values, tokens, start + begin)
        (out / CARD).unlink(missing_ok=True)
        write_array(out / VALUES, values)
        write_array(out / TOKENS, tokens)
        write_text(out / CARD, json.dumps({"key": key, "positions": positions, "top": top}) + "\n")
    return np.load(out / VALUES, mmap_mode="r"), np.load(out / TOKENS, mmap_mode="r")


def _answer(
    model: Transformer, block: torch.Tensor, values: NDArray[np.float16], tokens: NDArray[np.uint32], start: int
) -> None:
    log_probabilities = torch.log_softmax(model.logits(block).float(), dim=-1).flatten(0, 1)
    best = log_probabilities.topk(values.shape[1], dim=-1)
    if not torch.isfinite(best.values).all():
        raise CheckpointError(
            "a teacher's answers must be finite. Got NaN or infinity from its logits. Train it with a smaller "
            "learning_rate, or choose another checkpoint."
        )
    values[start : start + len(best.values)] = best.values.numpy()
    tokens[start : start + len(best.values)] = best.indices.numpy()


def _is_answered(card: Path, key: str) -> bool:
    try:
        return json.loads(card.read_text(encoding="utf-8")).get("key") == key
    except (OSError, ValueError, AttributeError):
        return False  # no cache, or a damaged one: ask again
