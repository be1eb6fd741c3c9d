"""Training on answers: the loss and the head see a completion's tokens only, the prompt is read and not foretold.

Enters: prompts with completions as tokens, a teacher's answers. Leaves: batches of like length, and exact-match scores.
Not here: tokens on disk (data/completions.py), the other tasks (tasks.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from smallwright.data.batches import length_buckets
from smallwright.data.completions import Completions
from smallwright.data.top_answers import TopAnswers
from smallwright.errors import DataError
from smallwright.train.objectives import Targets
from smallwright.train.precision import autocast
from smallwright.train.predict import group_by_length, pad
from smallwright.train.tasks import Batch, Forward, check_rows, hash_arrays, load_answers

_TOKENS_AT_ONCE = 8192
# A batch has any number of targets, and in bfloat16 a CPU makes a kernel for each number of rows that it has not met:
# 1.4 ms and 0.7 MB for a product, and two more for its gradients. So the head answers a few rows that no loss reads.
_ROWS_AT_ONCE = 64


def load_completions(
    completions: Completions, rows: Sequence[int] | NDArray[np.integer], device: torch.device
) -> Batch:
    """Documents as one batch whose N targets are the completions' tokens, in order."""
    shard = completions.shard
    documents = [shard.document(row) for row in rows]
    tokens, lengths = pad([document[:-1] for document in documents], device)
    places = [completions.places(row) for row in rows]
    positions = np.concatenate([at + line * tokens.shape[1] for line, at in enumerate(places)])
    labels = np.concatenate([document[at + 1] for document, at in zip(documents, places, strict=True)])
    targets = Targets(torch.from_numpy(labels.astype(np.int64)).to(device))
    return Batch(tokens, lengths, targets, torch.from_numpy(positions).to(device))


def target_numbers(offsets: NDArray[np.int64], rows: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
    """(N,) numbers of the documents' targets among all, in order; ``offsets`` are ``Completions.target_offsets``."""
    return np.concatenate([np.arange(offsets[row], offsets[row + 1]) for row in rows])


class CompletionTask:
    """Completions of prompts, in batches of like length.

    Args:
        completions: what to learn.
        validation: held-out pairs; None: the last weights are kept.
        batch_size: documents per batch.
        seed: of the order.
        teacher: for each target (``Completions.target_offsets``) the teacher's best tokens; None: no teacher.
    Raises:
        DataError: there is nothing to train on, or the teacher's answers do not fit.
    """

    def __init__(
        self,
        completions: Completions,
        validation: Completions | None = None,
        *,
        batch_size: int = 32,
        seed: int = 0,
        teacher: TopAnswers | None = None,
    ) -> None:
        if not len(completions):
            raise DataError("training needs at least one prompt with its completion. Got none. Add rows.")
        if teacher is not None:
            check_rows("training", int(completions.target_offsets[-1]), len(teacher), "teacher's answers")
        self.completions, self.validation = completions, validation
        self.batch_size, self.seed = batch_size, seed
        self.teacher = teacher
        self._offsets = completions.target_offsets
        self._plan: tuple[int, list[NDArray[np.int64]]] = (-1, [])

    def _rows(self, epoch: int) -> list[NDArray[np.int64]]:
        if self._plan[0] != epoch:
            lengths = self.completions.lengths
            self._plan = (epoch, length_buckets(lengths, batch_size=self.batch_size, seed=self.seed, epoch=epoch))
        return self._plan[1]

    def count_batches(self, epoch: int) -> int:
        """See ``TrainingTask``."""
        return len(self._rows(epoch))

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        """See ``TrainingTask``."""
        rows = self._rows(epoch)[index]
        batch = load_completions(self.completions, rows, device)
        if self.teacher is None:
            return batch
        teacher, classes = load_answers(self.teacher, target_numbers(self._offsets, rows), device)
        return Batch(batch.tokens, batch.lengths, Targets(batch.targets.labels, teacher, classes), batch.positions)

    def forward(self, model: nn.Module, batch: Batch) -> Forward:
        """See ``TrainingTask``."""
        assert batch.positions is not None  # load_completions names them
        count = len(batch.positions)
        asked = torch.nn.functional.pad(batch.positions, (0, -count % _ROWS_AT_ONCE))
        return Forward(model.logits(batch.tokens, positions=asked)[:count], batch.targets)

    @torch.inference_mode()
    def validate(self, model: nn.Module, precision: str) -> dict[str, float]:
        """``exact``, which is the score: the share of documents whose every completion token is the likeliest one after
        the right ones before it, so the share that greedy decoding answers exactly; and mean ``loss`` in nats a token.
        """
        if self.validation is None or not len(self.validation):
            return {}
        device, was_training = next(model.parameters()).device, model.training
        model.eval()
        exact, total, count = 0, 0.0, 0
        for rows in group_by_length(self.validation.lengths.tolist(), _TOKENS_AT_ONCE):
            batch = load_completions(self.validation, rows, device)
            with autocast(precision, device):
                logits = self.forward(model, batch).logits.float()
            labels = batch.targets.labels
            assert batch.positions is not None
            total += float(torch.nn.functional.cross_entropy(logits, labels, reduction="sum").double())
            wrong = batch.positions[logits.argmax(1) != labels] // batch.tokens.shape[1]
            exact += len(rows) - len(torch.unique(wrong))
            count += len(labels)
        model.train(was_training)
        share = exact / len(self.validation)
        return {"score": share, "exact": share, "loss": total / count}

    def fingerprint(self) -> str:
        """See ``TrainingTask``."""
        arrays: list[NDArray[np.generic]] = []
        for part in (self.completions, self.validation):
            if part is not None:
                arrays += [part.shard.tokens, part.shard.offsets, part.starts]
        if self.teacher is not None:
            arrays.append(self.teacher.records)
        return hash_arrays(arrays, f"completions {self.batch_size} {self.seed}")
