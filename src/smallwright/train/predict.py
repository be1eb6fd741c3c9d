"""Class logits of many token sequences, without paying for padding.

Enters: a model and encoded texts. Leaves: logits in the order of the texts.
Not here: the cache of a teacher's answers (teacher/answers.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallwright.train.precision import autocast


def pad(sequences: Sequence[NDArray[np.integer]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Stack sequences of different length.

    Args:
        sequences: B arrays of at least one token.
        device: where the tensors go.
    Returns:
        tokens (B, T) int64, padded on the right with token 0 to the longest; lengths (B,) int64.
    """
    lengths = np.fromiter((len(sequence) for sequence in sequences), dtype=np.int64, count=len(sequences))
    tokens = np.zeros((len(sequences), int(lengths.max())), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        tokens[row, : len(sequence)] = sequence
    return torch.from_numpy(tokens).to(device), torch.from_numpy(lengths).to(device)


def group_by_length(lengths: Sequence[int], max_tokens_per_batch: int) -> list[NDArray[np.int64]]:
    """Batches for reading, not for learning: sorted by length, the longest first, each within a token budget.

    A sequence longer than the budget stands alone.
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    order = np.argsort(-sizes, kind="stable")
    batches, start = [], 0
    while start < len(order):
        rows = max(1, max_tokens_per_batch // int(sizes[order[start]]))
        batches.append(order[start : start + rows])
        start += rows
    return batches


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    sequences: Sequence[NDArray[np.integer]],
    *,
    max_tokens_per_batch: int = 4096,
    precision: str = "float32",
) -> NDArray[np.float32]:
    """Class logits in evaluation mode; the model's mode is put back afterwards.

    Args:
        model: answers ``classify(tokens, lengths)``.
        sequences: N token arrays.
        max_tokens_per_batch: memory against speed; padding is counted.
        precision: float32 or bfloat16, of the matrix products.
    Returns:
        (N, C) float32; (0, 0) for no sequences.
    """
    if not len(sequences):
        return np.zeros((0, 0), dtype=np.float32)
    device, was_training = next(model.parameters()).device, model.training
    model.eval()
    out: NDArray[np.float32] | None = None
    for rows in group_by_length([len(sequence) for sequence in sequences], max_tokens_per_batch):
        tokens, lengths = pad([sequences[row] for row in rows], device)
        with autocast(precision, device):
            logits = model.classify(tokens, lengths)
        if out is None:
            out = np.empty((len(sequences), logits.shape[1]), dtype=np.float32)
        out[rows] = logits.float().cpu().numpy()
    model.train(was_training)
    assert out is not None  # there is at least one batch
    return out
