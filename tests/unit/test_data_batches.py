"""Batches: each sequence once, similar lengths together, the same order for the same seed and position."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smallwright.data.batches import POOL_BATCHES, length_buckets, lm_batches
from smallwright.data.shards import Shard
from smallwright.errors import DataError

LENGTHS = st.lists(st.integers(1, 64), max_size=400)


@given(LENGTHS, st.integers(1, 50), st.integers(0, 2**40), st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_batches_of_a_size_hold_every_sequence_once(lengths: list[int], size: int, seed: int, epoch: int) -> None:
    batches = length_buckets(lengths, batch_size=size, seed=seed, epoch=epoch)
    assert sorted(index for batch in batches for index in batch.tolist()) == list(range(len(lengths)))
    assert all(0 < len(batch) <= size for batch in batches)
    assert sum(len(batch) < size for batch in batches) <= 1 + len(lengths) // (size * POOL_BATCHES)


@given(LENGTHS, st.integers(64, 700), st.integers(0, 2**40))
@settings(max_examples=80, deadline=None)
def test_batches_by_tokens_keep_the_limit_with_padding(lengths: list[int], limit: int, seed: int) -> None:
    batches = length_buckets(lengths, max_tokens_per_batch=limit, seed=seed, epoch=0)
    assert sorted(index for batch in batches for index in batch.tolist()) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) * max(lengths[index] for index in batch) <= limit


def padded(lengths: np.ndarray, batches: list[np.ndarray]) -> float:
    return sum(len(batch) * lengths[batch].max() for batch in batches) / lengths.sum() - 1


@pytest.mark.parametrize("limit", [{"batch_size": 32}, {"max_tokens_per_batch": 1024}])
def test_padding_is_not_paid_for(limit: dict[str, int]) -> None:
    lengths = np.random.default_rng(0).geometric(0.05, size=8000)
    batches = length_buckets(lengths, **limit, seed=1, epoch=0)
    shuffled = np.array_split(np.random.default_rng(1).permutation(8000), 250)
    assert padded(lengths, shuffled) > 2
    # Within a pool of 64 batches, neighbours in order of length differ little; the longest batch of each pool differs.
    assert padded(lengths, batches) < 0.15


def test_order_depends_on_seed_and_epoch_and_on_nothing_else() -> None:
    lengths = list(range(1, 200))

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [batch.tolist() for batch in length_buckets(lengths, batch_size=8, seed=seed, epoch=epoch)]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1) and order(0, 0) != order(1, 0)
    longest = [max(lengths[index] for index in batch) for batch in order(0, 0)]
    assert longest != sorted(longest)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one limit"),
        ({"batch_size": 4, "max_tokens_per_batch": 64}, "exactly one limit"),
        ({"batch_size": 0}, r"at least 1\. Got batch_size=0"),
        ({"max_tokens_per_batch": 9}, r"longest sequence\. Got 9 for 30 tokens in sequence 1\. Use 30 or more"),
    ],
)
def test_limits_that_cannot_be_kept_are_refused(options: dict[str, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        length_buckets([5, 30, 7], **options, seed=0, epoch=0)


def make_shard(length: int) -> Shard:
    return Shard(np.arange(length, dtype=np.uint16), np.array([0, length]), 65536)


def test_every_epoch_reads_every_block_once() -> None:
    shard, context, size = make_shard(1000), 16, 3
    count = (1000 - context) // context
    rows = np.concatenate([lm_batches(shard, context, size, seed=5, step=step) for step in range(count)])
    assert rows.shape == (count * size, context + 1) and rows.dtype == np.int64
    assert np.array_equal(rows[:, 1:], rows[:, :-1] + 1)
    starts = []
    for epoch in range(size):
        firsts = np.sort(rows[epoch * count : (epoch + 1) * count, 0])
        assert np.array_equal(np.diff(firsts), np.full(count - 1, context))
        starts.append(int(firsts[0]))
    assert all(0 <= start < context for start in starts) and len(set(starts)) > 1


def test_a_step_is_the_same_whenever_it_is_asked_for() -> None:
    shard = make_shard(5000)
    forward = [lm_batches(shard, 32, 4, seed=9, step=step) for step in range(120)]
    for step in (119, 3, 77, 0, 40):
        assert np.array_equal(lm_batches(shard, 32, 4, seed=9, step=step), forward[step])
    assert not np.array_equal(lm_batches(shard, 32, 4, seed=10, step=0), forward[0])


def test_a_shard_of_one_block_is_enough_and_a_shorter_one_is_not() -> None:
    assert lm_batches(make_shard(9), 8, 2, seed=0, step=3).tolist() == [list(range(9))] * 2
    with pytest.raises(DataError, match=r"one block of context \+ 1 tokens\. Got 8 tokens for context=8"):
        lm_batches(make_shard(8), 8, 2, seed=0, step=0)
    for wrong in ({"context": 0}, {"batch_size": 0}, {"step": -1}, {"seed": -1}):
        arguments = {"context": 8, "batch_size": 2, "seed": 0, "step": 0, **wrong}
        with pytest.raises(DataError, match="must be at least 1, step and seed at least 0"):
            lm_batches(make_shard(100), **arguments)
