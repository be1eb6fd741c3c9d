"""What the loop trains on: classification of texts, and language modelling. Completions of prompts: completions.py.

Enters: encoded texts or a shard, labels, a teacher's answers. Leaves: batches by (epoch, index), and validation scores.
Not here: the loop, the losses (objectives.py), encoding (tokenizer/).

Every batch is a pure function of (seed, epoch, index): a resumed run reads on as if it had never stopped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smallwright.data.batches import length_buckets, lm_batches
from smallwright.data.shards import Shard
from smallwright.data.top_answers import TopAnswers
from smallwright.errors import DataError
from smallwright.train.objectives import NO_LABEL, Targets, Term
from smallwright.train.precision import autocast
from smallwright.train.predict import pad, predict_logits

Tokens = NDArray[np.integer]
Augment = Callable[[Tokens, np.random.Generator], Tokens]


@dataclass(frozen=True)
class Batch:
    """``tokens`` (B, T) int64, padded on the right; ``lengths`` (B,) int64; targets of N rows (B, or B x T, or the
    ``positions`` (N,) int64 of the flattened B x T, where only some are asked). ``progress``: where in the run it is
    read, from 0 at the first step to 1 at the last; the loop says so."""

    tokens: Tensor
    lengths: Tensor
    targets: Targets
    positions: Tensor | None = None
    progress: float = 0.0


@dataclass(frozen=True)
class Forward:
    """What a forward pass gives: ``logits`` (N, C) for N ``targets``, and ``extra``, losses of each of the batch's B
    texts beside the objective's, (B,) float32 each; their mean weighs as much as one target's loss."""

    logits: Tensor
    targets: Targets
    extra: tuple[Term, ...] = ()


class TrainingTask(Protocol):
    """What the loop asks of a task."""

    def count_batches(self, epoch: int) -> int:
        """Batches of an epoch."""

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        """Batch ``index`` of an epoch."""

    def forward(self, model: nn.Module, batch: Batch) -> Forward:
        """The model's answers to the batch."""

    def validate(self, model: nn.Module, precision: str) -> dict[str, float]:
        """Numbers by name. ``score``, higher is better, chooses the best weights; without it the last ones are kept."""

    def fingerprint(self) -> str:
        """A hash of everything that the batches and scores depend on."""


class ClassificationTask:
    """Texts to labels, in batches of like length.

    Args:
        tokens: N encoded texts.
        labels: (N,) int64 in 0..C-1, ``NO_LABEL`` where only the teacher knows.
        validation_tokens: M encoded texts; none: the last weights are kept.
        validation_labels: (M,) int64 in 0..C-1.
        teacher: (N, C) logits of the teacher, or None.
        batch_size: texts per batch.
        seed: of the order and of ``augment``.
        augment: changes a text's tokens each time it is read; the target stays.
    Raises:
        DataError: the parts do not fit together, or there is nothing to train on.
    """

    def __init__(
        self,
        tokens: Sequence[Tokens],
        labels: NDArray[np.integer],
        validation_tokens: Sequence[Tokens] = (),
        validation_labels: NDArray[np.integer] | Sequence[int] = (),
        *,
        teacher: NDArray[np.floating] | None = None,
        batch_size: int = 32,
        seed: int = 0,
        augment: Augment | None = None,
    ) -> None:
        self.tokens, self.labels = tokens, np.asarray(labels, dtype=np.int64)
        self.validation_tokens = validation_tokens
        self.validation_labels = np.asarray(validation_labels, dtype=np.int64)
        self.teacher, self.batch_size, self.seed, self.augment = teacher, batch_size, seed, augment
        check_rows("training", len(tokens), len(self.labels))
        check_rows("validation", len(validation_tokens), len(self.validation_labels))
        if teacher is not None:
            check_rows("training", len(tokens), len(teacher), "teacher's answers")
        if not len(tokens) or (teacher is None and not np.any(self.labels != NO_LABEL)):
            raise DataError("training needs at least one text with a label or a teacher's answer. Got none. Add rows.")
        self._lengths = [len(sequence) for sequence in tokens]
        self._plan: tuple[int, list[NDArray[np.int64]]] = (-1, [])

    def _rows(self, epoch: int) -> list[NDArray[np.int64]]:
        if self._plan[0] != epoch:
            buckets = length_buckets(self._lengths, batch_size=self.batch_size, seed=self.seed, epoch=epoch)
            self._plan = (epoch, buckets)
        return self._plan[1]

    def count_batches(self, epoch: int) -> int:
        """See ``TrainingTask``."""
        return len(self._rows(epoch))

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        """See ``TrainingTask``."""
        rows = self._rows(epoch)[index]
        sequences = [self.tokens[row] for row in rows]
        if self.augment is not None:
            rng = np.random.default_rng([self.seed, epoch, index])
            sequences = [self.augment(sequence, rng) for sequence in sequences]
        tokens, lengths = pad(sequences, device)
        teacher = None
        if self.teacher is not None:
            teacher = torch.from_numpy(self.teacher[rows].astype(np.float32)).to(device)
        return Batch(tokens, lengths, Targets(torch.from_numpy(self.labels[rows]).to(device), teacher))

    def forward(self, model: nn.Module, batch: Batch) -> Forward:
        """See ``TrainingTask``."""
        return Forward(model.classify(batch.tokens, batch.lengths), batch.targets)

    def validate(self, model: nn.Module, precision: str) -> dict[str, float]:
        """``accuracy`` (which is the score) and mean ``loss`` in nats on the validation texts."""
        if not len(self.validation_tokens):
            return {}
        logits = torch.from_numpy(predict_logits(model, self.validation_tokens, precision=precision))
        labels = torch.from_numpy(self.validation_labels)
        accuracy = float((logits.argmax(1) == labels).double().mean())
        loss = float(torch.nn.functional.cross_entropy(logits.double(), labels))
        return {"score": accuracy, "accuracy": accuracy, "loss": loss}

    def fingerprint(self) -> str:
        """See ``TrainingTask``; what ``augment`` does is known by its name only."""
        name = "" if self.augment is None else getattr(self.augment, "__qualname__", repr(self.augment))
        arrays = [*self.tokens, self.labels, *self.validation_tokens, self.validation_labels]
        if self.teacher is not None:
            arrays.append(self.teacher)
        return hash_arrays(arrays, f"classification {self.batch_size} {self.seed} {name}")


class LanguageModelTask:
    """Next-token prediction on packed blocks: no padding at all.

    Args:
        shard: the training tokens, at least one block.
        validation: held-out tokens; None: the last weights are kept.
        context: tokens of one block.
        batch_size: blocks per batch.
        seed: of the order.
        teacher: for each position of the shard the teacher's best next tokens; None: no teacher.
    Raises:
        DataError: a shard is shorter than one block, or the teacher's answers do not fit it.
    """

    def __init__(
        self,
        shard: Shard,
        validation: Shard | None = None,
        *,
        context: int,
        batch_size: int = 16,
        seed: int = 0,
        teacher: TopAnswers | None = None,
    ) -> None:
        self.shard, self.validation, self.context = shard, validation, context
        self.batch_size, self.seed = batch_size, seed
        self.teacher = teacher
        lm_batches(shard, context, batch_size, seed, 0)  # refuses what cannot be read
        if validation is not None and not len(validation.blocks(context)):
            raise DataError(
                f"validation text must hold one block of context + 1 = {context + 1} tokens. "
                f"Got {validation.tokens.size}. Give more text, or a smaller context."
            )
        self._positions = None
        if teacher is not None:
            check_rows("training", shard.tokens.size, len(teacher), "teacher's answers")
            self._positions = replace(shard, tokens=np.arange(shard.tokens.size))

    def count_batches(self, epoch: int) -> int:
        """See ``TrainingTask``: about once over all tokens."""
        return max(1, (self.shard.tokens.size - 1) // self.context // self.batch_size)

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        """See ``TrainingTask``."""
        step = epoch * self.count_batches(epoch) + index
        teacher = classes = None
        if self._positions is None or self.teacher is None:
            blocks = lm_batches(self.shard, self.context, self.batch_size, self.seed, step)
        else:
            positions = lm_batches(self._positions, self.context, self.batch_size, self.seed, step)
            blocks, places = self.shard.tokens[positions].astype(np.int64), positions[:, :-1].reshape(-1)
            teacher, classes = load_answers(self.teacher, places, device)
        tokens = torch.from_numpy(blocks).to(device)
        labels = tokens[:, 1:].reshape(-1)
        lengths = torch.full((len(tokens),), self.context, device=device)
        return Batch(tokens[:, :-1], lengths, Targets(labels, teacher, classes))

    def forward(self, model: nn.Module, batch: Batch) -> Forward:
        """See ``TrainingTask``."""
        return Forward(model.logits(batch.tokens).flatten(0, 1), batch.targets)

    @torch.inference_mode()
    def validate(self, model: nn.Module, precision: str) -> dict[str, float]:
        """Mean ``loss`` in nats a token (the score is minus that) and ``perplexity`` on the validation blocks."""
        if self.validation is None:
            return {}
        device, was_training = next(model.parameters()).device, model.training
        model.eval()
        blocks, total = self.validation.blocks(self.context), 0.0
        for start in range(0, len(blocks), self.batch_size):
            tokens = torch.from_numpy(blocks[start : start + self.batch_size].astype(np.int64)).to(device)
            with autocast(precision, device):
                logits = model.logits(tokens[:, :-1])
            loss = torch.nn.functional.cross_entropy(
                logits.float().flatten(0, 1), tokens[:, 1:].reshape(-1), reduction="none"
            )
            total += float(loss.double().sum())
        model.train(was_training)
        mean = total / (len(blocks) * self.context)
        return {"score": -mean, "loss": mean, "perplexity": float(np.exp(mean))}

    def fingerprint(self) -> str:
        """See ``TrainingTask``."""
        held_out = [] if self.validation is None else [self.validation.tokens]
        answers = [] if self.teacher is None else [self.teacher.records]
        name = f"language_model {self.context} {self.batch_size} {self.seed}"
        return hash_arrays([self.shard.tokens, *held_out, *answers], name)


def load_answers(answers: TopAnswers, places: NDArray[np.integer], device: torch.device) -> tuple[Tensor, Tensor]:
    """A teacher's log-probabilities and the tokens they speak of, (N, K) each, of N positions."""
    values, tokens = answers.read(places)
    return torch.from_numpy(values).to(device), torch.from_numpy(tokens).to(device)


def check_rows(split: str, texts: int, values: int, what: str = "labels") -> None:
    """Refuse a split whose parts do not have one value for each row."""
    if texts != values:
        raise DataError(f"{split} needs one of the {what} for each row. Got {values} for {texts} rows. Align them.")


def hash_arrays(arrays: Sequence[NDArray[np.generic]], name: str) -> str:
    """SHA-256 of a name and of arrays with their shapes and types."""
    digest = hashlib.sha256(name.encode())
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype}".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return digest.hexdigest()
