"""Language modelling with a teacher that reads other tokens: which targets it speaks of, and of which spans of text.

Enters: a shard and the teacher's answers. Leaves: batches of packed blocks, as ``LanguageModelTask``.
Not here: the answers (teacher/cross_tokenizer.py), the losses (alignment.py).
"""

from __future__ import annotations

from dataclasses import replace

import torch

from smallwright.data.batches import lm_batches
from smallwright.data.cross_answers import NOT_SHARED, CrossAnswers
from smallwright.data.shards import Shard
from smallwright.train.tasks import Batch, LanguageModelTask


class CrossTokenizerTask(LanguageModelTask):
    """A ``LanguageModelTask`` whose teacher answers only where its tokens end on the same byte.

    Args:
        answers: for each position of the shard, over the shard's vocabulary.
        others: see ``LanguageModelTask``.
    """

    def __init__(
        self,
        shard: Shard,
        validation: Shard | None = None,
        *,
        context: int,
        batch_size: int = 16,
        seed: int = 0,
        answers: CrossAnswers,
    ) -> None:
        super().__init__(shard, validation, context=context, batch_size=batch_size, seed=seed, teacher=answers.top)
        self.answers = answers

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        """See ``TrainingTask``."""
        batch, step = super().load(epoch, index, device), epoch * self.count_batches(epoch) + index
        assert self._positions is not None and batch.targets.teacher_classes is not None  # there is a teacher
        positions = lm_batches(self._positions, self.context, self.batch_size, self.seed, step)
        aligned = torch.from_numpy(self.answers.records["aligned"][positions[:, :-1]].reshape(-1)).to(device)
        tokens = batch.targets.teacher_classes
        spans, likelihoods = self.answers.find_spans(positions)
        targets = replace(
            batch.targets,
            teacher_classes=tokens.masked_fill(tokens == self.answers.vocabulary, NOT_SHARED),
            heard=aligned,
            spans=torch.from_numpy(spans.reshape(-1)).to(device),
            span_likelihoods=torch.from_numpy(likelihoods).to(device),
        )
        return replace(batch, targets=targets)

    def fingerprint(self) -> str:
        """See ``TrainingTask``; the answers' records are the teacher's."""
        return f"{super().fingerprint()} across tokenizers"
