"""What a recipe may say about its teacher.

Enters: the ``teacher`` part of a recipe. Leaves: checked, frozen settings.
Not here: loading and fine-tuning (fit.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from smallwright.spec import MOST_BIGRAMS
from smallwright.train.settings import TrainSettings

FROM_SCRATCH = {"epochs": 20, "learning_rate": 1e-3, "head_scale": 1.0, "weight_decay": 0.05}


class EnsembleSettings(BaseModel):
    """Who answers together with the teacher's network: the weighted mean of their class probabilities."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    linear: float = Field(
        default=0.5, gt=0, lt=1, description="share of a TF-IDF + linear SVM fitted on the same training rows"
    )


class TeacherSettings(BaseModel):
    """Where the teacher comes from and whether it still has to learn the task."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    source: Literal["hf", "scratch"] = Field(
        default="hf", alias="from", description="hf: a Hugging Face folder on disk; scratch: a preset, trained here"
    )
    path: str | None = Field(default=None, description="hf: folder with config.json, model.safetensors, tokenizer.json")
    preset: str = Field(default="small", description="scratch: a row of model/presets.py")
    bigrams: int | None = Field(
        default=None,
        ge=1,
        le=MOST_BIGRAMS,
        description="from scratch: rows of a table of token pairs, added to the tokens' own; None: no such table",
    )
    finetune: TrainSettings | None = Field(
        default=None,
        description="hf: how to train it on the rows; None: it is a classifier of these labels, used as it is. "
        "scratch: how to train it; what is not given has defaults of its own",
    )
    ensemble: EnsembleSettings | None = Field(
        default=None, description="classify: more teachers, whose answers are averaged with the network's"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_scratch(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("from", value.get("source")) != "scratch":
            return value
        given = value.get("finetune") or {}
        return {**value, "finetune": {**FROM_SCRATCH, **given}} if isinstance(given, Mapping) else value

    @model_validator(mode="after")
    def _parts_agree(self) -> TeacherSettings:
        if self.source == "hf" and self.path is None:
            raise ValueError("teacher.from: hf needs a path. Give the folder, or use from: scratch")
        if self.source == "scratch" and self.path is not None:
            raise ValueError("teacher.from: scratch has no path. Remove it, or use from: hf")
        if self.source == "hf" and self.bigrams is not None:
            raise ValueError("teacher.bigrams is for from: scratch. Remove it")
        return self
