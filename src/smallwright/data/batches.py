"""Which sequences share a batch, and in what order: a pure function of seed and position, so that resuming is exact.

Enters: lengths, or a shard. Leaves: indices per batch, or a batch of tokens.
Not here: padding and tensors (train/).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from smallwright.data.shards import Shard
from smallwright.errors import DataError

POOL_BATCHES = 64


def length_buckets(
    lengths: Sequence[int] | NDArray[np.integer],
    *,
    batch_size: int | None = None,
    max_tokens_per_batch: int | None = None,
    seed: int,
    epoch: int,
) -> list[NDArray[np.int64]]:
    """Group sequences of similar length into batches, in an order that still looks random to the optimiser.

    All sequences are shuffled, cut into pools of about POOL_BATCHES batches, sorted by length within each pool and cut
    into batches, which are shuffled.

    Args:
        lengths: (N,) tokens of each sequence, at least 1.
        batch_size: sequences per batch; or
        max_tokens_per_batch: most tokens of a batch with its padding (sequences x longest). Exactly one is given.
        seed: at least 0.
        epoch: at least 0; each has its own order.
    Returns:
        Index arrays; together they hold 0..N-1 once. Only the last batch of each pool may be small.
    Raises:
        DataError: not exactly one limit is given, a limit is below 1, or a sequence alone is over it.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    limit = batch_size if max_tokens_per_batch is None else max_tokens_per_batch
    if limit is None or (batch_size is not None and max_tokens_per_batch is not None) or limit < 1:
        raise DataError(
            f"batches need exactly one limit of at least 1. Got batch_size={batch_size}, "
            f"max_tokens_per_batch={max_tokens_per_batch}. Give one of them."
        )
    if sizes.size == 0:
        return []
    if max_tokens_per_batch is not None and int(sizes.max()) > max_tokens_per_batch:
        raise DataError(
            f"max_tokens_per_batch must hold the longest sequence. Got {max_tokens_per_batch} for {int(sizes.max())} "
            f"tokens in sequence {int(sizes.argmax())}. Use {int(sizes.max())} or more, or a shorter context."
        )
    generator = np.random.default_rng([seed, epoch])
    order = generator.permutation(sizes.size)
    per_batch = limit if max_tokens_per_batch is None else max(1, int(limit / sizes.mean()))
    pool = per_batch * POOL_BATCHES
    batches: list[NDArray[np.int64]] = []
    for start in range(0, sizes.size, pool):
        members = order[start : start + pool]
        members = members[np.argsort(sizes[members], kind="stable")]
        if max_tokens_per_batch is None:
            batches += [members[at : at + limit] for at in range(0, members.size, limit)]
        else:
            batches += _cut_by_tokens(members, sizes[members], limit)
    return [batches[index] for index in generator.permutation(len(batches))]


def _cut_by_tokens(members: NDArray[np.int64], sizes: NDArray[np.int64], limit: int) -> list[NDArray[np.int64]]:
    # Sizes rise, so the newest sequence is the longest of its batch.
    batches, start = [], 0
    for at in range(1, members.size + 1):
        if at == members.size or (at + 1 - start) * sizes[at] > limit:
            batches.append(members[start:at])
            start = at
    return batches


@lru_cache(maxsize=4)
def _order_blocks(count: int, seed: int, epoch: int, slack: int) -> tuple[NDArray[np.int64], int]:
    generator = np.random.default_rng([seed, epoch])
    start = int(generator.integers(0, slack)) if slack > 1 else 0
    order = generator.permutation(count)
    order.setflags(write=False)
    return order, start


def lm_batches(shard: Shard, context: int, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
    """The batch of one step, by its number alone: a resumed run reads on as if it had never stopped.

    Every epoch goes over all blocks once in an order of its own; batches run on across the end of an epoch. Where the
    shard has two blocks or more, each epoch also begins at a token of its own, so that block borders move.

    Args:
        shard: where the tokens are.
        context: tokens of one input, at least 1.
        batch_size: blocks per batch, at least 1.
        seed: at least 0.
        step: at least 0.
    Returns:
        (batch_size, context + 1) int64: inputs are ``[:, :-1]``, targets ``[:, 1:]``.
    Raises:
        DataError: an argument is out of range, or the shard is shorter than one block.
    """
    if context < 1 or batch_size < 1 or step < 0 or seed < 0:
        raise DataError(
            f"context and batch_size must be at least 1, step and seed at least 0. Got context={context}, "
            f"batch_size={batch_size}, step={step}, seed={seed}. Use larger ones."
        )
    length = int(shard.tokens.size)
    slack = context if length >= 2 * context + 1 else 1
    count = (length - slack) // context
    if count < 1:
        raise DataError(
            f"a training text must hold one block of context + 1 tokens. Got {length} tokens for context={context}. "
            f"Give more text, or a smaller context."
        )
    batch = np.empty((batch_size, context + 1), dtype=np.int64)
    for row in range(batch_size):
        epoch, at = divmod(step * batch_size + row, count)
        order, start = _order_blocks(count, seed, epoch, slack)
        first = start + int(order[at]) * context
        batch[row] = shard.tokens[first : first + context + 1]
    return batch
