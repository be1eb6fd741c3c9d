"""What a model is trained to do: a table of losses by name.

Enters: logits (N, C) and ``Targets``. Leaves: one loss for each row, (N,) float32.
Not here: sums over batches (loop.py), where the teacher's logits come from (teacher/).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from smallwright.errors import RecipeError
from smallwright.train.divergences import gather_top, soft_target_divergence

NO_LABEL = -1


@dataclass(frozen=True)
class Targets:
    """What is known about N rows (texts of a classifier, positions of a language model) over C classes.

    Attributes:
        labels: (N,) int64 in 0..C-1, or ``NO_LABEL``.
        teacher: the teacher's logits, (N, C) float32, or (N, K) for only some classes; None: no teacher. Only
            differences within a row matter, so log-probabilities serve as well; for K classes it is those.
        teacher_classes: (N, K) int64, which classes ``teacher`` speaks of; None: all of them, in order.
        awaited: a teacher will answer all rows during the forward pass (tutor.py).
    """

    labels: Tensor
    teacher: Tensor | None = None
    teacher_classes: Tensor | None = None
    awaited: bool = False

    def count(self) -> int:
        """Rows that have a label or a teacher: what a mean loss is divided by."""
        return len(self.labels) if self.teacher is not None or self.awaited else int((self.labels != NO_LABEL).sum())


Loss = Callable[[Tensor, Targets], Tensor]


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
    hard = cross_entropy(label_smoothing=label_smoothing)

    def loss(logits: Tensor, targets: Targets) -> Tensor:
        if targets.teacher is None:
            raise RecipeError(
                "the objective soft_targets needs a teacher's answers. Got none. Add a teacher, or use cross_entropy."
            )
        spoken, teacher = logits, targets.teacher.float()
        if targets.teacher_classes is not None:
            spoken, teacher = gather_top(logits, teacher, targets.teacher_classes, tail=tail)
        soft = soft_target_divergence(spoken, teacher, temperature, kind=divergence, skew=skew)
        return weight * soft + (1.0 - weight) * hard(logits, targets) if weight < 1.0 else soft

    return loss


@dataclass(frozen=True)
class Objective:
    """A loss and what it is: ``name`` says objectives and options, so that two runs can be told apart."""

    name: str
    loss: Loss

    def __call__(self, logits: Tensor, targets: Targets) -> Tensor:
        """One loss for each row, (N,) float32, of logits (N, C) float32."""
        return self.loss(logits, targets)


@dataclass(frozen=True)
class ObjectiveRow:
    """One objective: ``make`` builds it from those of the settings that are named in ``options``."""

    make: Callable[..., Loss]
    options: tuple[str, ...]
    needs_teacher: bool


OBJECTIVES = {
    "cross_entropy": ObjectiveRow(cross_entropy, ("label_smoothing",), needs_teacher=False),
    "soft_targets": ObjectiveRow(
        soft_targets,
        ("temperature", "weight", "label_smoothing", "divergence", "skew", "tail"),
        needs_teacher=True,
    ),
}


def make_objective(names: Sequence[str], **settings: float | str) -> Objective:
    """The sum of the named objectives.

    Args:
        names: keys of ``OBJECTIVES``, at least one.
        settings: ``temperature``, ``weight``, ``label_smoothing``, ...; each objective takes those it knows.
    Raises:
        RecipeError: a name is unknown, or there is none.
    """
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
        " + ".join(words), lambda logits, targets: torch.stack([part(logits, targets) for part in parts]).sum(0)
    )
