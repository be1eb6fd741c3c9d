"""What a recipe may say about dropping weights.

Enters: a ``sparsify`` step of a recipe's ``compress`` list. Leaves: checked, frozen settings.
Not here: the methods (matrix.py, sparsegpt.py), the order of steps (recipe.py).
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from smallwright.compress.settings import CalibrationSettings
from smallwright.compress.sparsifying.patterns import Pattern


class HealSettings(BaseModel):
    """Training after (or while) weights are dropped. Batches, precision and the rest are those of ``distill``."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    steps: int = Field(ge=1, le=10_000_000, description="optimizer steps")
    learning_rate: float = Field(default=2e-4, gt=0, le=1, description="highest learning rate")
    source: Literal["dense", "teacher"] = Field(
        default="dense",
        alias="from",
        description="whose answers it learns: those of the student before weights were dropped, or the kept answers of "
        "the recipe's teacher",
    )
    rise: float = Field(
        default=0.5, gt=0, le=1, description="schedule: cubic: share of the steps in which sparsity rises"
    )


class SparsifySettings(BaseModel):
    """Which weights of the layers' matrices become zero. Tables, heads, norms and biases keep all of theirs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["sparsify"] = Field(description="the step")
    using: Literal["magnitude", "wanda", "sparsegpt"] = Field(
        default="sparsegpt",
        description="magnitude: the smallest weights of each matrix; wanda: of each row, the smallest weights times "
        "the size of their inputs on calibration texts; sparsegpt: those whose loss the other weights can make good "
        "best, as they then do",
    )
    sparsity: float | None = Field(
        default=None, gt=0, lt=1, description="share of the weights to drop; not given with a pattern N:M"
    )
    pattern: str = Field(
        default="unstructured",
        pattern=r"^(unstructured|[1-9]\d?:[1-9]\d?)$",
        description="unstructured; or N:M: of every M inputs in a row N are kept, for example 2:4 or 4:8",
    )
    allocation: Literal["uniform", "sensitivity"] = Field(
        default="uniform",
        description="uniform: every matrix drops the same share; sensitivity: more where the answers to calibration "
        "texts change less, the share of all as asked",
    )
    calibration: CalibrationSettings = CalibrationSettings()
    damping: float = Field(
        default=0.01, gt=0, le=1, description="sparsegpt: share of the Hessian's mean diagonal added to its diagonal"
    )
    correct_bias: bool = Field(
        default=False,
        description="keep the mean output of every matrix by its bias, on calibration texts; layers without biases get "
        "them",
    )
    schedule: Literal["once", "cubic"] = Field(
        default="once", description="once: all at once, before healing; cubic: little by little while it heals"
    )
    heal: HealSettings | None = Field(default=None, description="train what is left; None: no training")

    @property
    def of_each(self) -> Pattern | None:
        """The pattern N:M; None where there is none."""
        return None if self.pattern == "unstructured" else Pattern.parse(self.pattern)

    @property
    def share(self) -> float:
        """Share of the weights that are dropped, all matrices together."""
        pattern = self.of_each
        return (self.sparsity or 0.0) if pattern is None else pattern.sparsity

    @model_validator(mode="after")
    def _parts_agree(self) -> SparsifySettings:
        pattern = self.of_each
        if pattern is not None and pattern.keep >= pattern.of:
            raise ValueError(f"a pattern N:M keeps fewer than M of M inputs. Got {pattern}. Use for example 2:4")
        if pattern is None and self.sparsity is None:
            raise ValueError("compress.sparsity is needed where pattern is unstructured. Give one, for example 0.5")
        if pattern is not None and self.sparsity is not None and abs(self.sparsity - pattern.sparsity) > 1e-9:
            raise ValueError(
                f"pattern: {self.pattern} drops a share of {pattern.sparsity:g}. Got sparsity: {self.sparsity:g}. "
                "Leave sparsity out"
            )
        if pattern is not None and self.allocation == "sensitivity":
            raise ValueError(
                f"pattern: {self.pattern} drops the same share of every matrix. Got allocation: sensitivity. "
                "Use allocation: uniform, or pattern: unstructured"
            )
        if self.schedule == "cubic":
            self._check_cubic()
        return self

    def _check_cubic(self) -> None:
        remedy = "Use schedule: once"
        if self.correct_bias:
            raise ValueError(f"schedule: cubic lets the biases learn what correct_bias would set. Use one. {remedy}")
        if self.heal is None:
            raise ValueError(f"schedule: cubic drops weights while the model heals. Got no heal. Add one, or {remedy}")
        if self.of_each is not None:
            raise ValueError(f"schedule: cubic passes all shares, pattern: {self.pattern} has one. {remedy}")
        if self.using == "sparsegpt":
            raise ValueError(
                "schedule: cubic drops weights of a model that learns, sparsegpt solves for one that stays as it is. "
                f"{remedy}, or using: wanda"
            )
