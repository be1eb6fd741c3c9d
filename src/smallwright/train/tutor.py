"""A teacher beside the student: it answers each batch as it comes, and lets the student look inside.

Enters: a task and the teacher's model. Leaves: a task of the same batches, whose forward pass asks the teacher too.
Not here: answers asked for once and kept (teacher/), which cost no second model in memory; the losses (objectives.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import torch
from torch import nn

from smallwright.errors import RecipeError
from smallwright.model import Transformer
from smallwright.train.checkpoint import hash_weights
from smallwright.train.matching import Matching, record
from smallwright.train.objectives import NO_LABEL
from smallwright.train.sampling import continue_texts
from smallwright.train.tasks import Batch, Forward, LanguageModelTask, TrainingTask


class TutoredTask:
    """``task`` with its teacher at hand.

    Args:
        task: what is learned; its batches are tokens that the teacher reads too.
        teacher: over the student's tokens, with the same head. It is not changed, and answers without dropout.
        matching: losses on hidden states and relations; None: only answers count. The student must wear it: see
            ``worn_by``.
        answers: whether the teacher answers every batch; False: the task's own answers count, or there are none.
        own_texts: language modelling only: the share of the steps, 0 to 1, in which all but the first
            ``prompt_share`` of each block is written by the student itself, and the teacher says what it would have
            (on-policy distillation, GKD, arXiv:2306.13649, algorithm 1). There no label counts. A pair is the share at
            the first step and at the last, between which it moves in a straight line (the linear decay of scheduled
            sampling, arXiv:1506.03099, section 2.4).
        prompt_share: above 0, below 1.
    Raises:
        RecipeError: own texts of something else than language.
    """

    def __init__(
        self,
        task: TrainingTask,
        teacher: Transformer,
        *,
        matching: Matching | None = None,
        answers: bool = True,
        own_texts: float | tuple[float, float] = 0.0,
        prompt_share: float = 0.25,
    ) -> None:
        if own_texts and not isinstance(task, LanguageModelTask):
            raise RecipeError(
                f"a student writes its own texts where whole texts are learned. Got distill.own_texts: {own_texts} for "
                "another task. Leave it out."
            )
        self.task, self.matching, self.answers = task, matching, answers or bool(own_texts)
        self.own_texts, self.prompt_share = own_texts, prompt_share
        self._teacher = teacher.eval().requires_grad_(False)

    @contextmanager
    def worn_by(self, student: nn.Module) -> Iterator[None]:
        """While it is open, the losses' projections are parameters of the student, named ``matching.*``."""
        if self.matching is not None:
            student.matching = self.matching
        try:
            yield
        finally:
            if self.matching is not None:
                del student.matching

    def count_batches(self, epoch: int) -> int:
        """See ``TrainingTask``."""
        return self.task.count_batches(epoch)

    def load(self, epoch: int, index: int, device: torch.device) -> Batch:
        """See ``TrainingTask``."""
        batch = self.task.load(epoch, index, device)
        return replace(batch, targets=replace(batch.targets, awaited=True)) if self.answers else batch

    def forward(self, model: nn.Module, batch: Batch) -> Forward:
        """The student's pass, then the teacher's over the same tokens."""
        assert isinstance(model, Transformer)  # the loop's models are ours
        if self.own_texts and float(torch.rand(())) < self.own_share(batch.progress):
            batch = self._let_write(model, batch)
        matching = self.matching
        mine, theirs = {}, {}
        with ExitStack() as stack:
            if matching is not None:
                mine = stack.enter_context(record(model, matching.names(0)))
                theirs = stack.enter_context(record(self._teacher, matching.names(1)))
            passed = self.task.forward(model, batch)
            with torch.no_grad():
                wanted = self.task.forward(self._teacher, batch)
        targets = passed.targets
        if self.answers:
            targets = replace(targets, teacher=wanted.logits.float(), teacher_classes=None)
        extra = () if matching is None else matching(mine, theirs, batch.lengths)
        return Forward(passed.logits, targets, extra)

    def own_share(self, progress: float) -> float:
        """The chance that a step's text is the student's own, at ``progress`` from 0 (first step) to 1 (last)."""
        if not isinstance(self.own_texts, tuple):
            return self.own_texts
        start, end = self.own_texts
        return (1.0 - progress) * start + progress * end

    def _let_write(self, model: Transformer, batch: Batch) -> Batch:
        texts, length = batch.tokens, batch.tokens.shape[1]
        prompt = max(1, int(length * self.prompt_share))
        written = continue_texts(model, texts[:, :prompt], length - prompt)
        labels = batch.targets.labels.view(texts.shape).clone()
        labels[:, prompt - 1 :] = NO_LABEL  # from here on the right token is not known
        return replace(batch, tokens=written, targets=replace(batch.targets, labels=labels.reshape(-1)))

    def validate(self, model: nn.Module, precision: str) -> dict[str, float]:
        """See ``TrainingTask``: the student alone."""
        return self.task.validate(model, precision)

    def fingerprint(self) -> str:
        """See ``TrainingTask``."""
        matching = self.matching
        weights = None if matching is None else (matching.hidden_weight, matching.relation_weight)
        maps = None if matching is None else (matching.layers, matching.relation_layers)
        how = f"{self.answers} {self.own_texts} {self.prompt_share} {weights} {maps} {hash_weights(self._teacher)}"
        return hashlib.sha256(f"{how} {self.task.fingerprint()}".encode()).hexdigest()
