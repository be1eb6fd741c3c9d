"""What a model is trained to do: a table of losses by name.

Enters: logits (N, C) and ``Targets``. Leaves: one loss for each row, (N,) float32, or its terms apart.
Not here: sums over batches (loop.py), balancing terms (balance.py), where the teacher's logits come from (teacher/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from smallwright.errors import RecipeError
from smallwright.train.alignment import likelihood_divergence, sorted_distance
from smallwright.train.divergences import gather_top, soft_target_divergence

NO_LABEL = -1
BALANCES = ("fixed", "uncertainty")


@dataclass(frozen=True)
class Targets:
    """What is known about N rows (texts of a classifier, positions of a language model) over C classes.

    Attributes:
        labels: (N,) int64 in 0..C-1, or ``NO_LABEL``.
        teacher: the teacher's logits, (N, C) float32, or (N, K) for only some classes; None: no teacher. Only
            differences within a row matter, so log-probabilities serve as well; for K classes it is those.
        teacher_classes: (N, K) int64, which classes ``teacher`` speaks of; None: all of them, in order.
        awaited: a teacher will answer all rows during the forward pass (tutor.py).
        heard: (N,) bool, rows of which ``teacher`` speaks; None: all of them. In ``teacher_classes`` of a teacher with
            another tokenizer, -1 is a token that the student does not have.
        spans: (N,) int64, the span of text, from 0 up, that a row's label belongs to, -1 for none; rows of a span
            follow each other. None: no spans are known.
        span_likelihoods: (S,) float32, a teacher's log-likelihoods of the spans, in nats.
    """

    labels: Tensor
    teacher: Tensor | None = None
    teacher_classes: Tensor | None = None
    awaited: bool = False
    heard: Tensor | None = None
    spans: Tensor | None = None
    span_likelihoods: Tensor | None = None

    def count(self) -> int:
        """Rows that have a label or a teacher: what a mean loss is divided by."""
        return len(self.labels) if self.teacher is not None or self.awaited else int((self.labels != NO_LABEL).sum())


@dataclass(frozen=True)
class Term:
    """One of the losses that a step adds up.

    Attributes:
        name: terms of one name are one loss.
        values: (N,) float32, a loss for each row, or each text.
        weight: what they are multiplied by in the sum, 0 or more; (N,) where rows differ.
        parts: of how many terms of this name it is one: their mean counts.
    """

    name: str
    values: Tensor
    weight: float | Tensor = 1.0
    parts: int = 1


def add_terms(terms: Sequence[Term]) -> Tensor:
    """Their weighted sum, (N,) float32, of one term or more of N rows."""
    total = torch.zeros_like(terms[0].values)
    for term in terms:
        total = total + term.weight / term.parts * term.values
    return total


Loss = Callable[[Tensor, Targets], Tensor]
Soft = Callable[[Tensor, Targets], tuple[Tensor, Tensor | None]]
"""Leaves the losses of N rows, (N,) float32, and of which of them the teacher speaks, (N,) bool; None: of all."""


@dataclass(frozen=True)
class MixedLoss:
    """``weight`` times what the teacher says plus the rest times the label's loss; the latter alone where the teacher
    says nothing.

    Attributes:
        soft: losses against the teacher.
        hard: losses against the label.
        weight: in [0, 1].
    """

    soft: Soft
    hard: Loss
    weight: float

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """Their sum, (N,) float32."""
        soft, heard = self.soft(logits, targets)
        if self.weight == 1.0 and heard is None:
            return soft
        hard = self.hard(logits, targets)
        mixed = self.weight * soft + (1.0 - self.weight) * hard if self.weight < 1.0 else soft
        return mixed if heard is None else torch.where(heard, mixed, hard)

    def terms(self, name: str, logits: Tensor, targets: Targets) -> list[Term]:
        """The same apart: the teacher's under ``name``, the label's as ``cross_entropy``; one that never counts is left
        out."""
        soft, heard = self.soft(logits, targets)
        apart = []
        if self.weight > 0:
            apart.append(Term(name, soft if heard is None else soft.masked_fill(~heard, 0.0), self.weight))
        if self.weight < 1 or heard is not None:
            rest: float | Tensor = 1.0 - self.weight
            if heard is not None:
                rest = torch.where(heard, 1.0 - self.weight, 1.0)
            apart.append(Term("cross_entropy", self.hard(logits, targets), rest))
        return apart


def cross_entropy(*, label_smoothing: float = 0.0) -> Loss:
    """Minus the log-probability of the label; 0 for rows without one.

    Args:
        label_smoothing: share of the target spread evenly over all classes, in [0, 1).
    """

    def loss(logits: Tensor, targets: Targets) -> Tensor:
        return F.cross_entropy(
            logits, targets.labels, ignore_index=NO_LABEL, label_smoothing=label_smoothing, reduction="none"
        )

    return loss


def soft_targets(
    *,
    temperature: float = 2.0,
    weight: float = 0.9,
    label_smoothing: float = 0.0,
    divergence: str = "forward",
    skew: float = 0.1,
    tail: bool = False,
) -> Loss:
    """``weight`` times the divergence from the teacher plus the rest times cross-entropy with the label.

    A row without a label has only the first term.

    Args:
        temperature: above 0.
        weight: in [0, 1]; 1 needs no labels.
        label_smoothing: of the cross-entropy term.
        divergence: a key of ``DIVERGENCES``.
        skew: in (0, 1), see there.
        tail: where the teacher speaks of only K classes, all others are one more (see ``gather_top``).
    """

    def soft(logits: Tensor, targets: Targets) -> tuple[Tensor, None]:
        spoken, teacher = logits, _need_teacher(targets)
        if targets.teacher_classes is not None:
            spoken, teacher = gather_top(logits, teacher, targets.teacher_classes, tail=tail)
        return soft_target_divergence(spoken, teacher, temperature, kind=divergence, skew=skew), None

    return MixedLoss(soft, cross_entropy(label_smoothing=label_smoothing), weight)


def shared_vocabulary(
    *,
    temperature: float = 2.0,
    weight: float = 0.9,
    label_smoothing: float = 0.0,
    divergence: str = "forward",
    skew: float = 0.1,
    tail: bool = False,
) -> Loss:
    """``soft_targets`` of a teacher with another tokenizer, over the tokens that both have, where both end a token.

    A row of which the teacher says nothing, or nothing that the student has a token for, has cross-entropy alone. Where
    both tokenizers are equal it is ``soft_targets`` to the bit.

    Args: see ``soft_targets``. With ``tail`` the teacher's tokens that the student lacks count to the others.
    """
    plain = soft_targets(
        temperature=temperature, weight=1.0, label_smoothing=0.0, divergence=divergence, skew=skew, tail=tail
    )

    def soft(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor | None]:
        heard = targets.heard
        if targets.teacher_classes is not None:
            known = (targets.teacher_classes >= 0).any(-1)
            heard = known if heard is None else heard & known
        return plain(logits, targets), heard

    return MixedLoss(soft, cross_entropy(label_smoothing=label_smoothing), weight)


def universal_logit(*, weight: float = 0.9, label_smoothing: float = 0.0) -> Loss:
    """``weight`` times the distance of the sorted probabilities where both end a token, plus the rest times
    cross-entropy; elsewhere cross-entropy alone. See ``sorted_distance``.
    """

    def soft(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor | None]:
        teacher = _need_teacher(targets)
        known = F.log_softmax(teacher, dim=-1) if targets.teacher_classes is None else teacher
        return sorted_distance(logits, known), targets.heard

    return MixedLoss(soft, cross_entropy(label_smoothing=label_smoothing), weight)


def aligned_likelihood(*, temperature: float = 2.0, weight: float = 0.9, label_smoothing: float = 0.0) -> Loss:
    """``weight`` times the divergence of how likely both find the bytes between two places where both end a token, plus
    the rest times cross-entropy; outside such spans cross-entropy alone. See ``likelihood_divergence``.

    A span's divergence stands in its last row.
    """

    def soft(logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        spans, teacher = targets.spans, targets.span_likelihoods
        if spans is None or teacher is None:
            raise RecipeError(
                "the objective aligned_likelihood needs a teacher's likelihoods of spans. Got none. "
                "Use it with a teacher that has another tokenizer."
            )
        inside = spans >= 0
        own = F.log_softmax(logits, dim=-1).gather(1, targets.labels.clamp(min=0)[:, None])[:, 0]
        student = torch.zeros_like(teacher).index_add(0, spans[inside], own[inside])
        last = inside & (spans != torch.cat((spans[1:], spans.new_full((1,), NO_LABEL))))
        apart = torch.zeros_like(own)
        apart[last] = likelihood_divergence(student, teacher, temperature)
        return apart, inside

    return MixedLoss(soft, cross_entropy(label_smoothing=label_smoothing), weight)


def _need_teacher(targets: Targets) -> Tensor:
    if targets.teacher is None:
        raise RecipeError(
            "an objective like soft_targets needs a teacher's answers. Got none. Add a teacher, or use cross_entropy."
        )
    return targets.teacher.float()


@dataclass(frozen=True)
class Objective:
    """A loss and what it is.

    Attributes:
        name: says objectives and options, so that two runs can be told apart.
        loss: the sum.
        parts: what it is the sum of, by name.
        balance: one of ``BALANCES``: the terms count as they are, or the loop balances them (balance.py).
    """

    name: str
    loss: Loss
    parts: tuple[tuple[str, Loss], ...] = ()
    balance: str = "fixed"

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """One loss for each row, (N,) float32, of logits (N, C) float32."""
        return self.loss(logits, targets)

    def terms(self, logits: Tensor, targets: Targets) -> list[Term]:
        """The terms of that sum, each of another name."""
        apart: dict[str, Term] = {}
        for name, part in self.parts:
            mixed = isinstance(part, MixedLoss)
            for term in part.terms(name, logits, targets) if mixed else [Term(name, part(logits, targets))]:
                same = apart.get(term.name)
                apart[term.name] = replace(term, weight=term.weight + same.weight) if same is not None else term
        return list(apart.values())


@dataclass(frozen=True)
class ObjectiveRow:
    """One objective: ``make`` builds it from those of the settings that are named in ``options``; ``crosses``: its
    teacher reads other tokens than the student."""

    make: Callable[..., Loss]
    options: tuple[str, ...]
    needs_teacher: bool
    crosses: bool = False


OBJECTIVES = {
    "cross_entropy": ObjectiveRow(cross_entropy, ("label_smoothing",), needs_teacher=False),
    "soft_targets": ObjectiveRow(
        soft_targets,
        ("temperature", "weight", "label_smoothing", "divergence", "skew", "tail"),
        needs_teacher=True,
    ),
    "shared_vocabulary": ObjectiveRow(
        shared_vocabulary,
        ("temperature", "weight", "label_smoothing", "divergence", "skew", "tail"),
        needs_teacher=True,
        crosses=True,
    ),
    "universal_logit": ObjectiveRow(universal_logit, ("weight", "label_smoothing"), needs_teacher=True, crosses=True),
    "aligned_likelihood": ObjectiveRow(
        aligned_likelihood, ("temperature", "weight", "label_smoothing"), needs_teacher=True, crosses=True
    ),
}


def make_objective(names: Sequence[str], *, balance: str = "fixed", **settings: float | str) -> Objective:
    """The sum of the named objectives.

    Args:
        names: keys of ``OBJECTIVES``, at least one.
        balance: see ``Objective``.
        settings: ``temperature``, ``weight``, ``label_smoothing``, ...; each objective takes those it knows.
    Raises:
        RecipeError: a name is unknown, or there is none.
    """
    if balance not in BALANCES:
        raise RecipeError(f"balance must be one of {', '.join(BALANCES)}. Got {balance!r}. Use one of these.")
    unknown = [name for name in names if name not in OBJECTIVES]
    if unknown or not names:
        raise RecipeError(
            f"objectives must be one or more of {', '.join(OBJECTIVES)}. Got {list(names)}. Use one of these."
        )
    parts, words = [], []
    for name in names:
        row = OBJECTIVES[name]
        own = {option: value for option, value in settings.items() if option in row.options}
        parts.append(row.make(**own))
        words.append(f"{name}({', '.join(f'{option}={value}' for option, value in sorted(own.items()))})")
    return Objective(
        " + ".join(words) + ("" if balance == "fixed" else f", balanced by {balance}"),
        lambda logits, targets: torch.stack([part(logits, targets) for part in parts]).sum(0),
        tuple(zip(names, parts, strict=True)),
        balance,
    )
