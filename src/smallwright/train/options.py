"""The loop's plain options. No torch here, so that a recipe can be read without it.

Enters: plain values. Leaves: a frozen ``LoopOptions``, checked.
Not here: what a recipe may say (settings.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from smallwright.errors import RecipeError

LOOP_VERSION = 2
"""Raised when the loop comes to other bytes for the same arguments: the version of every stage that trains."""
OPTIMIZERS = ("adamw", "muon")


@dataclass(frozen=True)
class LoopOptions:
    """How long and how fast to learn. ``None`` is off, or the model's own.

    Attributes:
        epochs: times over the data; 0: the weights are judged as they are.
        max_steps: stop (and end the schedule) after so many optimizer steps.
        learning_rate: peak of the schedule.
        optimizer, beta2: see optimizer.py.
        head_scale: factor of the heads' learning rate.
        layer_decay: each layer learns this much slower than the one above it.
        warmup_fraction: share of all steps in which the learning rate rises.
        schedule: see schedule.py.
        weight_decay: of matrices, decoupled.
        clip_norm: largest L2 norm of a step's gradients.
        accumulate: batches summed to one optimizer step; equals one large batch.
        dropout: probability, put into the model's dropout layers.
        precision: see precision.py.
        patience: validations without a better score after which training ends.
        validate_every: optimizer steps between validations; None: each epoch.
        seed: of dropout.
        threads: of torch while training; None: as they are.
        checkpoint_seconds: a kill loses at most about this much work (and never more than up to a validation).
    """

    epochs: int = 5
    max_steps: int | None = None
    learning_rate: float = 1e-3
    optimizer: str = "adamw"
    beta2: float = 0.999
    head_scale: float = 1.0
    layer_decay: float = 1.0
    warmup_fraction: float = 0.1
    schedule: str = "linear"
    weight_decay: float = 0.01
    clip_norm: float | None = 1.0
    accumulate: int = 1
    dropout: float | None = None
    precision: str = "auto"
    patience: int | None = None
    validate_every: int | None = None
    seed: int = 0
    threads: int | None = None
    checkpoint_seconds: float = 60.0


def check_options(options: LoopOptions) -> None:
    """Refuse options that no run can have.

    Raises:
        RecipeError: one is out of range.
    """
    laws = {
        "max_steps": options.max_steps is None or options.max_steps >= 1,
        "accumulate": options.accumulate >= 1,
        "validate_every": options.validate_every is None or options.validate_every >= 1,
        "patience": options.patience is None or options.patience >= 1,
        "learning_rate": options.learning_rate > 0,
        "clip_norm": options.clip_norm is None or options.clip_norm > 0,
    }
    for name, holds in laws.items():
        if not holds:
            raise RecipeError(f"{name} must be above 0. Got {getattr(options, name)}. Use a positive number.")
    if options.epochs < 0:
        raise RecipeError(f"epochs must be at least 0. Got {options.epochs}. Use a positive number.")
    if options.optimizer not in OPTIMIZERS:
        raise RecipeError(
            f"optimizer must be one of {', '.join(OPTIMIZERS)}. Got {options.optimizer!r}. Use one of these."
        )
    if not 0 <= options.warmup_fraction <= 1:
        raise RecipeError(f"warmup_fraction must be from 0 to 1. Got {options.warmup_fraction}. Use 0.1.")
